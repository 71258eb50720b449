"""Texts become vectors: each distinct text once, batches of equal token length, the record's weighted mean."""
