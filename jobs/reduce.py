"""Reduce on a Ray cluster: ray job submit --working-dir . -- python jobs/reduce.py ATLAS."""

import sys

from vidatlas.cli import main

if __name__ == "__main__":
    sys.exit(main(["reduce", *sys.argv[1:]]))
