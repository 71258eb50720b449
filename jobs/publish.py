"""Publish on a Ray cluster: ray job submit --working-dir . -- python jobs/publish.py ATLAS."""

import sys

from vidatlas.cli import main

if __name__ == "__main__":
    sys.exit(main(["publish", *sys.argv[1:]]))
