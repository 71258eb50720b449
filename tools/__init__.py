"""Tools of the checkout, which nobody who installs vidatlas needs."""
