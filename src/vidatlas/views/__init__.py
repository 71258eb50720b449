"""Turn finished results into pages people read."""
