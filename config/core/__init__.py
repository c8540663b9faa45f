"""What every package may import. It imports no other package of the project."""
