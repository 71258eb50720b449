"""Publish: map, search index, report and data card."""
