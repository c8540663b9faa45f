"""Documents to print: how they look, and where they are kept."""
