"""The generator of the invented sample: python -m tools.sample.generate writes it anew."""
