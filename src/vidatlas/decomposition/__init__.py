"""Decomposition into fewer dimensions: principal components, lexical components, an auto-encoder, t-SNE."""
