"""Runners carry out what the pipeline declares: a plain loop, or Ray."""
