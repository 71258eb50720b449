"""Parts and the rows in them: decompression from any seek point, lines of bounded length."""
