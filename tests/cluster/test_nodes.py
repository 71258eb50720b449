"""Several nodes: a head that only leads, workers that die and join in the middle of a run."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vidatlas.storage.store import Store

pytestmark = [pytest.mark.timeout(900), pytest.mark.cluster]
PATIENCE = 300


@pytest.fixture(scope="module")
def cluster(make_cluster: Callable[..., Any]) -> Iterator[Any]:
    """Return a cluster of a head without CPUs."""
    made = make_cluster()
    yield made
    made.stop()


def vidatlas_on(cluster: Any, *arguments: str) -> subprocess.Popen[str]:
    """Start a command that drives the cluster from its head."""
    return subprocess.Popen(
        [sys.executable, "-m", "vidatlas", *arguments, "--address", cluster.gcs],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_killed_node_costs_its_shards_in_flight_and_a_new_one_helps(
    cluster: Any, sample: Any, s3: str, bucket: Any, tmp_path: Path
) -> None:
    nodes = {name: cluster.add(1, AWS_ACCESS_KEY_ID=name) for name in ("steady", "doomed")}
    run = vidatlas_on(cluster, "run", *sample.arguments(s3, "--actors", "1..3"))
    cluster.wait(lambda: bucket.puts("attempts") or run.poll() is not None)
    bucket.delay = 2.0  # all shards take one actor a minute: time for the other to start, and for a node to join
    cluster.wait(lambda: all(bucket.puts("receipts", name) for name in nodes) or run.poll() is not None)
    assert run.poll() is None, run.communicate()[0]
    nodes["doomed"].kill()
    cluster.wait(lambda: cluster.alive() == 2)
    cluster.add(1, AWS_ACCESS_KEY_ID="joined")
    cluster.wait(lambda: bucket.puts("receipts", "joined") or run.poll() is not None)
    bucket.delay = 0.0
    said = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 0, said
    writers, beginners = (
        Counter(key for path, key in bucket.written if f"/{folder}/" in path) for folder in ("embeddings", "attempts")
    )
    assert set(writers) == {"steady", "doomed", "joined"}, said
    begun, shards = beginners.total(), len(sample.shards)
    print(f"{shards} shards, {begun - shards} redone; begun by {dict(beginners)}, embedded by {dict(writers)}")
    assert begun - shards <= 2 * 2, "an actor has two shards in hand"
    assert sample.hashes_of(s3, tmp_path) == sample.hashes


def test_encoders_go_where_the_gpus_are(cluster: Any, sample: Any, s3: str, bucket: Any) -> None:
    """A declared GPU: what is tested is the placing, at two actors a GPU."""
    cluster.add(2, gpus=1, AWS_ACCESS_KEY_ID="with-gpu")
    run = vidatlas_on(cluster, "embed", *sample.arguments(s3, "--gpus", "0.5", "--actors", "2"))
    said = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 0, said
    assert {key for path, key in bucket.written if "/embeddings/" in path} == {"with-gpu"}
    assert set(Store(s3).receipts()) == sample.shards


def test_a_head_that_dies_ends_the_run_and_the_same_command_goes_on(
    make_cluster: Callable[..., Any], sample: Any, s3: str, bucket: Any, tmp_path: Path
) -> None:
    first, bucket.delay = make_cluster(cpus=1), 0.4
    run = vidatlas_on(first, "run", *sample.arguments(s3))
    first.wait(lambda: len(Store(s3).receipts()) >= 3 or run.poll() is not None)
    assert run.poll() is None, run.communicate()[0]
    first.stop()
    try:
        said = run.communicate(timeout=PATIENCE)[0]
    finally:
        run.send_signal(signal.SIGKILL)
    assert run.returncode == 5, said
    assert said.splitlines()[-1].startswith("vidatlas: Ray "), said
    finished = set(Store(s3).receipts())
    assert len(finished) < len(sample.shards)
    second, begun = make_cluster(cpus=1), len(bucket.puts("attempts"))
    bucket.delay = 0.0
    run = vidatlas_on(second, "run", *sample.arguments(s3))
    said = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode == 0, said
    again = {path.rpartition("/")[2].removesuffix(".json") for path in bucket.puts("attempts")[begun:]}
    assert again == sample.shards - finished
    assert sample.hashes_of(s3, tmp_path) == sample.hashes


def test_a_local_path_that_another_node_does_not_see_is_named_in_one_line(
    make_cluster: Callable[..., Any], sample: Any, tmp_path: Path
) -> None:
    apart = make_cluster()
    hidden = 'mount -t tmpfs none "$0" && exec "$@"'
    apart.add(1, wrapper=("unshare", "--mount", "sh", "-c", hidden, str(tmp_path)))
    run = vidatlas_on(apart, "run", *sample.arguments(str(tmp_path / "atlas")))
    said = run.communicate(timeout=PATIENCE)[0]
    apart.stop()
    assert run.returncode == 2, said
    (line,) = (line for line in said.splitlines() if line.startswith("vidatlas: "))
    assert line.startswith(f"vidatlas: {tmp_path}/atlas/atlas.json is not there on ")
    assert "object store" in line
    assert "Traceback" not in said
