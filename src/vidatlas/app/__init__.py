"""The app: look at an atlas in a browser, on this machine alone."""
