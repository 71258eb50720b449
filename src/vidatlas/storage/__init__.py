"""Storage: local and remote folders, the layout of an atlas, its tables and its lock."""
