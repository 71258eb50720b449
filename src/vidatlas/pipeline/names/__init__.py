"""Names of subcategories that people choose, and suggestions of a language model for them."""
