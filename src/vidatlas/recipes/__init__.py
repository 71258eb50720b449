"""The recipes that come with vidatlas, one YAML file each."""
