"""Runners execute what the pipeline declares: a serial loop, or Ray."""
