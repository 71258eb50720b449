"""Embed on a Ray cluster: ray job submit --working-dir . -- python jobs/embed.py youniverse INPUT ATLAS."""

import sys

from vidatlas.cli import main

if __name__ == "__main__":
    sys.exit(main(["embed", *sys.argv[1:]]))
