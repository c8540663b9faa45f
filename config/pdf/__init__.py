"""Toolkit of printed documents: their layout, their storage, and signed links to them."""
