"""Naming of subcategories: the few terms that set one apart from its siblings."""
