"""The generator of the synthetic sample; run it with ``python -m tools.sample.generate``."""
