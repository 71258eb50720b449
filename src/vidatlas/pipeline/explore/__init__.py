"""Explore: search a finished atlas, get suggestions, assign new videos, check its status."""
