"""The three scripts through `ray job submit`, against a head that listens on loopback and asks for a token."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.storage.store import Store

pytestmark = pytest.mark.timeout(600)


@pytest.mark.cluster
def test_a_job_runs_the_code_it_was_submitted_with_and_is_counted(
    one_node: Any, checkout: Path, sample: Any, s3: str
) -> None:
    assert one_node.get("/api/jobs/", token=False)[0] == 401
    arguments = sample.arguments(s3, "--limit", "600", "--actors", "1..8")
    done = one_node.job("python", "jobs/embed.py", *arguments, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    receipts = Store(s3).receipts().values()
    assert {receipt.worker for receipt in receipts} == {"shipped"}
    assert re.search(r"^\d\d:\d\d:\d\d done shard=videos-\w+-00003 rows=150 .* attempt=1$", done.stdout, re.MULTILINE)
    assert "vidatlas-tests" not in done.stdout + done.stderr
    assert vidatlas.status(s3)["shards"] == {"done": 4, "total": 4}
    counted = {"videos": "kept", "texts": "texts", "distinct_texts": "distinct", "nodes": "nodes"}
    wanted = {f"ray_vidatlas_{name}_total": sum(getattr(r, key) for r in receipts) for name, key in counted.items()}
    wanted["ray_vidatlas_rejects_total"] = sum(sum(receipt.rejects.values()) for receipt in receipts)
    wanted["ray_vidatlas_shards_total"] = len(receipts)
    one_node.wait(lambda: wanted.items() <= exported(one_node.head.metrics).items(), 60)
    assert exported(one_node.head.metrics)["ray_vidatlas_shard_seconds_total"] > 0


def exported(endpoint: str) -> dict[str, float]:
    """Return what a node shows Prometheus, summed over its processes and labels."""
    with urllib.request.urlopen(f"{endpoint}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if line.startswith("ray_vidatlas_"):
            name, value = line.partition("{")[0], float(line.rpartition(" ")[2])
            found[name] = found.get(name, 0.0) + value
    return found


@pytest.mark.cluster
@pytest.mark.parametrize("where", ["local", "s3"])
def test_three_jobs_make_the_atlas_of_a_plain_loop(
    where: str, one_node: Any, checkout: Path, sample: Any, s3: str, tmp_path: Path
) -> None:
    atlas = s3 if where == "s3" else str(tmp_path / "atlas")
    for arguments in (["embed", *sample.arguments(atlas)], ["reduce", atlas], ["publish", atlas]):
        done = one_node.job("python", f"jobs/{arguments[0]}.py", *arguments[1:], cwd=checkout)
        assert done.returncode == 0, done.stdout + done.stderr
    assert sample.hashes_of(atlas, tmp_path) == sample.hashes
    vidatlas.verify(atlas)


@pytest.mark.cluster
def test_a_job_that_fails_says_so_in_one_line(one_node: Any, checkout: Path, tmp_path: Path) -> None:
    name = f"failing-{uuid.uuid4().hex}"
    arguments = ["demo", str(tmp_path / "gone.jsonl"), str(tmp_path / "atlas")]
    done = one_node.job("python", "jobs/embed.py", *arguments, cwd=checkout, options=("--submission-id", name))
    assert done.returncode == 1
    info = json.loads(one_node.get(f"/api/jobs/{name}")[1])
    assert (info["status"], info["driver_exit_code"]) == ("FAILED", 3)
    logs = json.loads(one_node.get(f"/api/jobs/{name}/logs")[1])["logs"]
    assert [line for line in logs.splitlines() if line.startswith("vidatlas: no such file: ")]
    assert "Traceback" not in logs


def on_a_laptop(one_node: Any, checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command with the dashboard's address, by the checkout's code."""
    return subprocess.Popen(
        # Ctrl-C passes: a shell takes it from what it starts in the background, these tests perhaps.
        ["env", "--default-signal=INT", sys.executable, "-m", "vidatlas", *arguments, "--address", one_node.address],
        cwd=checkout / "src",
        env=one_node.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def from_a_laptop(one_node: Any, checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Give that command and wait for its end."""
    process = on_a_laptop(one_node, checkout, *arguments)
    said, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, said, errors)


@pytest.mark.cluster
def test_a_command_with_the_dashboard_s_address_makes_the_atlas_of_a_plain_loop(
    one_node: Any, checkout: Path, sample: Any, s3: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(vidatlas.load_recipe("demo").to_yaml())
    done = from_a_laptop(one_node, checkout, "run", str(recipe), *sample.arguments(s3)[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d\d:\d\d:\d\d embedding ", done.stdout, re.MULTILINE)
    assert done.stderr == ""
    assert {receipt.worker for receipt in Store(s3).receipts().values()} == {"shipped"}
    assert sample.hashes_of(s3, tmp_path) == sample.hashes


@pytest.mark.cluster
def test_a_command_with_the_dashboard_s_address_ends_as_its_job_does(
    one_node: Any, checkout: Path, s3: str, tmp_path: Path
) -> None:
    done = from_a_laptop(one_node, checkout, "embed", "demo", str(tmp_path / "gone.jsonl"), s3)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "vidatlas: no such file: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    one_node.environment = {**one_node.environment, "RAY_AUTH_TOKEN": "another"}
    try:
        done = from_a_laptop(one_node, checkout, "reduce", s3)
    finally:
        one_node.environment = {**one_node.environment, "RAY_AUTH_TOKEN": one_node.token}
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith(f"vidatlas: the Ray cluster at {one_node.address} does not take this token")
    assert done.stderr.count("\n") == 1


@pytest.mark.cluster
def test_ctrl_c_on_the_laptop_stops_the_job(one_node: Any, checkout: Path, sample: Any, s3: str, bucket: Any) -> None:
    bucket.delay = 0.5
    process = on_a_laptop(one_node, checkout, "embed", *sample.arguments(s3, "--actors", "1"))
    one_node.wait(lambda: len(Store(s3).receipts()) >= 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130, said + errors
    name = re.findall(r"^job +(\S+)$", said, re.MULTILINE)[0]
    assert json.loads(one_node.get(f"/api/jobs/{name}")[1])["status"] == "STOPPED"
    assert f"ray job logs {name} --address {one_node.address}" in said
    assert errors.startswith("vidatlas: stopped.")
    assert errors.count("\n") == 1
    assert 2 <= len(Store(s3).receipts()) < len(sample.shards)


@pytest.mark.cluster
def test_a_stopped_job_goes_on_with_what_is_missing(
    one_node: Any, checkout: Path, sample: Any, s3: str, bucket: Any, tmp_path: Path
) -> None:
    name, begun = f"stopped-{uuid.uuid4().hex}", len(bucket.puts("attempts"))
    command = ("python", "jobs/embed.py", *sample.arguments(s3, "--actors", "1"))
    bucket.delay = 0.5
    one_node.job(*command, cwd=checkout, options=("--no-wait", "--submission-id", name))
    one_node.wait(lambda: len(Store(s3).receipts()) >= 3)
    ray = Path(one_node.environment["PATH"].partition(":")[0]) / "ray"
    stop = [str(ray), "job", "stop", "--address", one_node.address, name]
    assert subprocess.run(stop, env=one_node.environment, capture_output=True, timeout=120, check=False).returncode == 0
    one_node.wait(lambda: json.loads(one_node.get(f"/api/jobs/{name}")[1])["status"] == "STOPPED")
    time.sleep(3)  # actors of a stopped driver may commit what they have in hand
    finished = set(Store(s3).receipts())
    assert 3 <= len(finished) < len(sample.shards)
    first, bucket.delay = len(bucket.puts("attempts")), 0.0
    done = one_node.job(*command, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    again = {path.rpartition("/")[2].removesuffix(".json") for path in bucket.puts("attempts")[first:]}
    assert again == sample.shards - finished
    print(f"stopped after {len(finished)} of {len(sample.shards)} shards, {first - begun} begun; {len(again)} run then")
    assert one_node.job("python", "jobs/reduce.py", s3, cwd=checkout).returncode == 0
    assert one_node.job("python", "jobs/publish.py", s3, cwd=checkout).returncode == 0
    assert sample.hashes_of(s3, tmp_path) == sample.hashes
