"""CLIP's text tower over a tree of token prefixes: each distinct prefix is computed once."""
