"""What payments' facts make returns do."""
