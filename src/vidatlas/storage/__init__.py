"""Storage: folders here and remote, the atlas's layout, its tables and its lock."""
