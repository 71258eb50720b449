"""The generator of the synthetic sample; rerun it with: python -m tools.sample.generate"""
