"""The recipes that come with vidatlas, one YAML file each."""

AUTO = "auto"
"""The word in place of a recipe that makes one from a look at the input."""
