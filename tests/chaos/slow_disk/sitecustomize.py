"""Make every flush to disk slow, so that a kill at a random moment hits a half-written file often enough."""

import os
import time

_real = os.fsync


def fsync(descriptor: int) -> None:
    """Flush, after a while."""
    time.sleep(float(os.environ.get("SLOW_FSYNC", "0")))
    _real(descriptor)


os.fsync = fsync
