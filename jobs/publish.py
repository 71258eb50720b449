"""Publish on a Ray cluster: ray job submit --working-dir . -- python jobs/publish.py ATLAS."""

import sys
from pathlib import Path

# Import vidatlas from the checkout, whether or not it is installed on the cluster.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from vidatlas.cli.main import script

if __name__ == "__main__":
    script(["publish", *sys.argv[1:]])
