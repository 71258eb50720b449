"""Reduce: components, clusters inside each group, names and quality."""
