"""What other contexts' facts make fulfillment do."""
