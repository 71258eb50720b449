"""The content of an input file: what type it is, its encoding, and documents that become lines of rows."""
