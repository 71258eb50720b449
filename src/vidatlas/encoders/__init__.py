"""Encoders turn texts and images into vectors; they know nothing about records, files or Ray."""
