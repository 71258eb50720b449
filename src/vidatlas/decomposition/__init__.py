"""Decomposition: fewer dimensions, by principal components, words, an auto-encoder, t-SNE."""
