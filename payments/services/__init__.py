"""The commands of payments, one function each."""
