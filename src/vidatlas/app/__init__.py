"""The app: browse an atlas on this machine, in a web browser."""
