"""Ray's own autoscaler, over its provider of fake machines: from the head alone to what is asked for, and back."""

import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(900), pytest.mark.cluster]
CONFIG = {
    "cluster_name": "fake",
    "max_workers": 2,
    "idle_timeout_minutes": 0.2,
    "upscaling_speed": 8.0,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "ray.head.default",
    "setup_commands": [],
    "initialization_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "auth": {},
    "docker": {},
}


def test_an_idle_cluster_grows_to_the_actors_asked_for_and_shrinks_after(
    make_cluster: Callable[..., Any], checkout: Path, sample: Any, s3: str, bucket: Any, tmp_path: Path
) -> None:
    cluster, started, seen = make_cluster(config=CONFIG), time.monotonic(), []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            seen.append((round(time.monotonic() - started), cluster.alive()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    bucket.delay = 0.3
    done = cluster.job("python", "jobs/embed.py", *sample.arguments(s3, "--actors", "1..2"), cwd=checkout)
    finished = round(time.monotonic() - started)
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.wait(lambda: seen[-1][1] == 1)
    ended.set()
    watcher.join()
    counts = [(count, next(times)[0]) for count, times in groupby(seen, key=lambda point: point[1])]
    print(f"nodes over time: {', '.join(f'{count} from {at} s' for count, at in counts)}; job done at {finished} s")
    steps = [count for count, _ in counts if count]
    assert steps[0] == steps[-1] == 1
    assert max(steps) == 3
    for name in ("reduce", "publish"):
        done = cluster.job("python", f"jobs/{name}.py", s3, cwd=checkout)
        assert done.returncode == 0, done.stdout + done.stderr
    cluster.stop()
    assert sample.hashes_of(s3, tmp_path) == sample.hashes
