"""Transformer encoders: checkpoints, devices, batches of distinct token sequences."""
