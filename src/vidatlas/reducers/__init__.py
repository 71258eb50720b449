"""Vectors become fewer dimensions, and those become clusters within each group."""
