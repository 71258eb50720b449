"""CLIP's text tower over a tree of token prefixes: each distinct beginning is computed once."""
