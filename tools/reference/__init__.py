"""Reference pages of the documentation, generated from the code; see ``python -m tools.reference``."""
