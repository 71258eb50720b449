"""Prove and measure the GPU path in one run of a few minutes: python -m benchmarks.gpu."""
