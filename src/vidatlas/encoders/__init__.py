"""Encoders: texts and images to vectors; they know nothing of records, files or Ray."""
