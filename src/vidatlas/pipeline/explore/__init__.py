"""Explore: a finished atlas, searched, assigned to, verified."""
