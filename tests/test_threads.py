"""One thread means one thread, also for libraries that were loaded late."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from vidatlas.threads import one_thread
with one_thread():
    pass
import numpy, scipy.linalg, sklearn.cluster
from threadpoolctl import threadpool_info
with one_thread():
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}, threadpool_info()
    with one_thread():
        pass
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}
print(len(threadpool_info()))
"""


def test_libraries_loaded_after_the_first_use_are_limited_too() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2
