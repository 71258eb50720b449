"""Input and atlas on S3, over its real protocol: the same bytes, whatever requests are lost, refused or cut."""

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas.cli.main import main
from vidatlas.errors import UnavailableError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.storage import remote
from vidatlas.storage.folder import open_folder
from vidatlas.storage.remote import ATTEMPTS
from vidatlas.storage.store import Store

Download = Callable[[str], Path]
SECRETS = ("never-to-be-seen", "vidatlas-tests")


@pytest.fixture(autouse=True)
def own_signals() -> Any:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_an_atlas_on_s3_holds_the_same_bytes(
    remote_world: Any, whole: Path, s3: str, download: Download, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(remote_world.arguments("run", s3)) == 0
    there = download(s3)
    assert remote_world.hashes(there) == remote_world.hashes(whole)
    assert remote_world.leftovers(there) == []
    assert main(["verify", s3]) == main(["status", s3]) == 0
    assert main(remote_world.arguments("run", s3)) == 0
    said = "".join(capfd.readouterr())
    assert not any(secret in said for secret in SECRETS)
    written = b"".join(file.read_bytes() for file in there.rglob("*") if file.is_file())
    assert not any(secret.encode() in written for secret in SECRETS)


FAULTS = {
    "busy": [("503", "GET", "", 2), ("503", "PUT", "", 2), ("503", "HEAD", "", 1)],
    "reset": [("reset", "GET", "", 2), ("reset", "PUT", "", 2), ("reset", "DELETE", "", 1)],
    "done, but reported as failed": [
        ("lost", "PUT", f"/atlas/{name}", 1)
        for name in ("lock", "atlas.json", "plan/", "encoder.json", "attempts/", "embeddings/", "receipts/", "model/")
    ],
    "cut short": [("short", "GET", "/input/", 2), ("short", "GET", "/embeddings/", 1), ("short", "GET", "/plan/", 1)],
    "raced": [("409", "PUT", "/atlas/lock", 1), ("409", "PUT", "/atlas/encoder.json", 1)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_store_change_nothing(
    name: str, remote_world: Any, whole: Path, s3: str, download: Download, proxy: Any, fault: Any
) -> None:
    proxy.faults += [fault(*values) for values in FAULTS[name]]
    remote_world.run(s3)
    left = [found for found in proxy.faults if found.times]
    assert not left, "each fault must have struck"
    assert remote_world.hashes(download(s3)) == remote_world.hashes(whole)


@pytest.mark.chaos
def test_a_store_that_hangs_is_asked_again(
    remote_world: Any,
    whole: Path,
    s3: str,
    download: Download,
    proxy: Any,
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "READ_SECONDS", 1)
    proxy.faults += [fault("hang", "GET", "/input/"), fault("hang", "PUT", "/receipts/"), fault("hang", "HEAD")]
    remote_world.run(s3)
    assert proxy.struck["hang"] == 3
    assert remote_world.hashes(download(s3)) == remote_world.hashes(whole)


@pytest.mark.parametrize(
    ("mode", "method", "use"),
    [
        ("hang", "GET", lambda folder: folder.read("a")),
        ("hang", "PUT", lambda folder: folder.put("a", b"")),
        ("hang", "PUT", lambda folder: folder.put_new("a", b"")),
        ("hang", "GET", lambda folder: folder.list("")),
        ("hang", "DELETE", lambda folder: folder.delete("a")),
        ("hang", "HEAD", lambda folder: folder.size("a")),
        ("drip", "GET", lambda folder: folder.read("a")),
        ("drip", "GET", lambda folder: folder.list("")),
        ("hang", "GET", lambda folder: folder.open("a").read()),
        ("drip", "GET", lambda folder: folder.open("a").read()),
    ],
)
def test_a_store_that_never_answers_is_said_to_be_unavailable(
    mode: str,
    method: str,
    use: Callable[[Any], object],
    s3: str,
    proxy: Any,
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_folder(s3).put("a", b"some bytes")
    monkeypatch.setattr(remote, "MOST_SECONDS", 0.5)
    proxy.faults.append(fault(mode, method, times=None))
    with pytest.raises(UnavailableError, match=rf"^cannot use {s3}/[^\n]*: no answer in time\. [^\n]+$"):
        use(open_folder(s3))


@pytest.mark.chaos
def test_credentials_that_expire_end_a_run_and_new_ones_let_it_go_on(
    remote_world: Any,
    whole: Path,
    s3: str,
    download: Download,
    proxy: Any,
    processes: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = remote_world.arguments("run", s3)
    with monkeypatch.context() as patched:
        patched.setattr(proxy, "fault", lambda *request: "400" if len(proxy.puts("receipts")) >= 2 else fault(*request))
        fault = type(proxy).fault.__get__(proxy)
        code, said = processes.finish(run)
    assert code == UnavailableError.exit_code
    assert said.splitlines()[-1].startswith(f"vidatlas: cannot use {s3}/")
    assert "token has expired. Check the address, the network and your credentials" in said
    code, said = processes.finish(run)
    assert code == 0, said
    assert remote_world.hashes(download(s3)) == remote_world.hashes(whole)


@pytest.mark.chaos
def test_a_run_killed_on_s3_goes_on(
    remote_world: Any, whole: Path, s3: str, download: Download, proxy: Any, processes: Any, until: Any
) -> None:
    proxy.delay = 0.05
    run = remote_world.arguments("run", s3)

    process = processes.start(run)
    assert until(lambda: len(proxy.puts("receipts")) >= 2 or process.poll() is not None)
    assert process.poll() is None, processes.said(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < len(Store(s3).receipts()) < len(list((whole / "receipts").iterdir()))
    proxy.delay = 0
    code, said = processes.finish(run)
    assert code == 0, said
    there = download(s3)
    assert remote_world.hashes(there) == remote_world.hashes(whole)
    assert remote_world.leftovers(there) == []


def test_a_shard_is_one_put(remote_world: Any, s3: str, proxy: Any) -> None:
    folder = open_folder(s3)
    proxy.requests.clear()
    folder.put("embeddings/large.parquet", bytes(40 << 20))
    assert proxy.requests == {"PUT": 1}
    assert folder.size("embeddings/large.parquet") == 40 << 20


def test_a_store_that_stays_broken_is_asked_ten_times_then_said_to_be_unavailable(
    s3: str, proxy: Any, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten are too slow for a test: the usual variable of AWS clients makes them two."""
    assert ATTEMPTS == 10
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    proxy.faults.append(fault("500", "PUT", times=None))
    with pytest.raises(UnavailableError, match=rf"^cannot use {s3}/a: We encountered an internal error. [^\n]+$"):
        open_folder(s3).put("a", b"")
    assert proxy.struck["500"] == 2


def test_input_that_cannot_be_read_is_not_called_damaged(
    remote_world: Any, s3: str, proxy: Any, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for url in remote_world.inputs:
        proxy.faults[:] = [fault("500", "GET", Path(url).name, times=None)]
        with pytest.raises(UnavailableError, match=url):
            vidatlas.plan(remote_world.recipe(), url, s3, vidatlas.Options(runner="serial", max_rejects=0.5))


def test_parquet_is_read_on_s3_and_not_called_damaged_where_it_cannot_be(
    remote_world: Any, s3: str, proxy: Any, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    rows = [{"display_id": f"v{row}", "title": f"film {row}", "tags": "a", "categories": "b"} for row in range(90)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=40)
    folder = open_folder(s3.rpartition("/")[0] + "/tables")
    folder.put("videos.parquet", out.getvalue())
    recipe, url = remote_world.recipe(), f"{folder.url}/videos.parquet"
    vidatlas.plan(recipe, url, s3, vidatlas.Options(runner="serial"))
    read = [read_shard(shard, recipe.record, recipe.rows) for shard in load_shards(Store(s3))]
    assert pa.concat_tables(read)["id"].to_pylist() == [row["display_id"] for row in rows]
    proxy.faults.append(fault("500", "GET", "videos.parquet", times=None))
    with pytest.raises(UnavailableError, match=url):
        read_shard(load_shards(Store(s3))[-1], recipe.record, recipe.rows)


def test_a_listing_that_fails_is_not_an_empty_one(
    s3: str, proxy: Any, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    folder = open_folder(s3)
    folder.put("receipts/a.json", b"{}")
    proxy.faults.append(fault("500", "GET", "list-type", times=None))
    with pytest.raises(UnavailableError):
        folder.list("receipts")


@pytest.mark.usefixtures("fresh_clients")
@pytest.mark.parametrize("missing", ["credentials", "bucket", "server"])
def test_what_is_missing_is_one_line_without_secrets(
    missing: str,
    world: Any,
    s3: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    if missing == "credentials":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("HOME", str(tmp_path))
    if missing == "server":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    atlas = "s3://nobody-s/atlas" if missing == "bucket" else s3
    assert main(world.arguments("run", atlas)) == UnavailableError.exit_code
    said = capfd.readouterr().err
    assert said.startswith(f"vidatlas: cannot use {atlas}/")
    assert said.count("\n") == 1
    assert not any(secret in said for secret in SECRETS)
