"""A file is whole or absent, whatever fails, and errors say where in one line."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest

from vidatlas.errors import InputError, UnavailableError, UsageError
from vidatlas.storage.folder import (
    TEMPORARY,
    LocalFolder,
    RemoteFolder,
    expand,
    fetch,
    input_state,
    is_remote,
    local_path,
    open_folder,
    open_input,
)
from vidatlas.storage.remote import open_filesystem


def fail(number: int) -> Callable[..., NoReturn]:
    def raise_it(*_: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return raise_it


def everything(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def folder(place: str) -> LocalFolder | RemoteFolder:
    return open_folder(place)


def test_what_was_put_is_read_back(folder: LocalFolder | RemoteFolder) -> None:
    folder.put("a/b.bin", b"first")
    folder.put("a/b.bin", b"second")
    assert folder.read("a/b.bin") == b"second"
    assert folder.size("a/b.bin") == 6
    with folder.open("a/b.bin") as file:
        file.seek(3)
        assert file.read() == b"ond"


def test_what_is_absent_is_said_to_be(folder: LocalFolder | RemoteFolder) -> None:
    assert folder.size("none") is None
    assert folder.list("none") == []
    folder.delete("none")
    with pytest.raises(FileNotFoundError):
        folder.read("none")


def test_put_new_creates_once(folder: LocalFolder | RemoteFolder) -> None:
    assert folder.put_new("lock", b"mine")
    assert not folder.put_new("lock", b"yours")
    assert folder.read("lock") == b"mine"
    folder.delete("lock")
    assert folder.put_new("lock", b"yours")
    assert folder.read("lock") == b"yours"


def test_a_listing_is_sorted_and_holds_files_of_that_directory_only(folder: LocalFolder | RemoteFolder) -> None:
    for name in ("d/b", "d/a", "d/deeper/c", "e/x", "top"):
        folder.put(name, b"")
    folder.put("d/b", b"12")
    assert folder.list("d") == ["d/a", "d/b"]
    assert folder.sizes("d") == {"d/a": 0, "d/b": 2}
    assert (folder.sizes(""), folder.sizes("none")) == ({"top": 0}, {})
    folder.delete("d/a")
    assert folder.list("d") == ["d/b"]


def test_temporaries_are_neither_listed_nor_survive_a_sweep(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.put("d/a", b"whole")
    (tmp_path / "d" / f"{TEMPORARY}1-abc-a").write_bytes(b"ha")
    (tmp_path / f"{TEMPORARY}1-abc-x").write_bytes(b"lf")
    assert folder.list("d") == ["d/a"]
    folder.sweep(spare="lock")
    assert everything(tmp_path) == {"d/a": b"whole"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    folder = LocalFolder(tmp_path)
    folder.put("old", b"old content")
    monkeypatch.setattr(os, "fsync", fail(number))
    for name in ("old", "new"):
        with pytest.raises(UnavailableError) as caught:
            folder.put(name, b"new content")
        assert str(caught.value).startswith(f"cannot use {tmp_path}/{name}: {os.strerror(number)}. ")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 5
    with pytest.raises(UnavailableError):
        folder.put_new("third", b"new content")
    assert everything(tmp_path) == {"old": b"old content"}


def test_a_failed_rename_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = LocalFolder(tmp_path)
    folder.put("d/old", b"old content")
    with monkeypatch.context() as broken:
        for name in ("replace", "rename"):
            broken.setattr(Path, name, fail(errno.EIO))
            broken.setattr(os, name, fail(errno.EIO))
        with pytest.raises(UnavailableError, match="d/old"):
            folder.put("d/old", b"new content")
    assert folder.list("d") == ["d/old"]
    folder.sweep(spare="lock")
    assert everything(tmp_path) == {"d/old": b"old content"}


def test_data_and_directory_are_synced_before_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(os.fstat(number).st_ino), real(number)))
    LocalFolder(tmp_path).put("a", b"data")
    assert synced == [(tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino]


def test_several_files_are_synced_together_and_each_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, data = [], {f"d{number % 2}/{number}": bytes([number]) for number in range(6)}
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(os.fstat(number).st_ino), real(number)))
    LocalFolder(tmp_path).put_all(data)
    files, folders = [(tmp_path / name).stat().st_ino for name in data], {tmp_path / "d0", tmp_path / "d1"}
    assert synced[:6] == files
    assert sorted(synced[6:]) == sorted(path.stat().st_ino for path in folders)
    assert everything(tmp_path) == data


def test_of_several_files_none_is_replaced_when_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LocalFolder(tmp_path)
    folder.put("a", b"old")
    monkeypatch.setattr(os, "fsync", fail(errno.ENOSPC))
    with pytest.raises(UnavailableError):
        folder.put_all({"a": b"new", "b": b"new"})
    assert everything(tmp_path) == {"a": b"old"}


def test_several_files_are_stored_anywhere(folder: LocalFolder | RemoteFolder) -> None:
    folder.put_all({"x/a": b"1", "x/b": b"2"})
    assert [folder.read(name) for name in folder.list("x")] == [b"1", b"2"]


def test_of_twenty_racing_threads_one_creates_the_file(folder: LocalFolder | RemoteFolder) -> None:
    for race in range(5):
        start, won = threading.Barrier(20), []

        def create(number: int, race: int = race, start: threading.Barrier = start, won: list[int] = won) -> None:
            start.wait()
            if folder.put_new(f"lock{race}", str(number).encode()):
                won.append(number)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert folder.read(f"lock{race}") == str(won[0]).encode()
    if isinstance(folder, LocalFolder):
        assert len(everything(folder.path)) == 5


def test_a_name_below_a_file_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=rf"^cannot use {tmp_path}/file/x: [^\n]+$"):
        LocalFolder(tmp_path / "file").read("x")


def test_nothing_is_created_until_the_first_put(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path / "deep" / "atlas"))
    assert folder.size("x") is None
    assert folder.free_bytes()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_protocol_says_what_to_install() -> None:
    for opener in (open_folder, open_input):
        with pytest.raises(UnavailableError, match=r"cannot open gs://x: .*gcsfs"):
            opener("gs://x")


@pytest.mark.parametrize(
    "url",
    [
        "nope://x",
        "reference://::http://x/refs.json",
        "simplecache::s3://x",
        "jupyter://x",
        "dask::x",
        "s3://a::reference://b",
    ],
)
def test_other_protocols_and_chains_of_them_are_refused(url: str) -> None:
    """``reference`` formats texts of a file with this process's objects, and sends them as addresses."""
    with pytest.raises(UsageError, match="only URLs with one of these protocols"):
        open_filesystem(url)


@pytest.mark.parametrize("name", ["outside/file", "link", "pipe"])
def test_what_an_atlas_of_a_stranger_links_to_is_left_alone(name: str, tmp_path: Path) -> None:
    outside, atlas = tmp_path / "outside", tmp_path / "atlas"
    outside.mkdir()
    atlas.mkdir()
    (outside / "file").write_text("mine")
    (atlas / "outside").symlink_to(outside)
    (atlas / "link").symlink_to(outside / "file")
    os.mkfifo(atlas / "pipe")
    folder = LocalFolder(atlas)
    uses: list[Callable[[str], object]] = [folder.read, folder.open]
    if name != "pipe":
        uses += [folder.size, folder.delete, lambda at: folder.put(at, b"theirs"), lambda at: folder.put_new(at, b"")]
    for use in uses:
        with pytest.raises(InputError, match=r"symbolic link|is a pipe or a device"):
            use(name)
    assert (outside / "file").read_text() == "mine"
    assert [file.name for file in outside.iterdir()] == ["file"]


def test_an_atlas_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "atlas").symlink_to(tmp_path / "disk")
    folder = LocalFolder(tmp_path / "atlas")
    folder.put("embeddings/a", b"a")
    assert (folder.read("embeddings/a"), folder.list("embeddings")) == (b"a", ["embeddings/a"])


def test_a_pattern_finds_files_sorted_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.gz", "a.gz", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert expand("*.gz") == [str(tmp_path / "a.gz"), str(tmp_path / "b.gz")]
    assert expand("[ab].gz") == expand(f"{tmp_path}/?.gz") == expand("*.gz")
    assert expand("c.txt") == [str(tmp_path / "c.txt")]
    assert expand("not there.txt") == [str(tmp_path / "not there.txt")]
    assert expand("none*.gz") == expand(f"{tmp_path}/no-folder/*.gz") == []


TREE = ("d1/a.gz", "d2/b.gz", "d2/e/c.gz", "x[1].gz", "x1.gz", ".hidden.gz")
PATTERNS = {
    "d*/*.gz": ["d1/a.gz", "d2/b.gz"],
    "**/*.gz": ["d1/a.gz", "d2/b.gz", "d2/e/c.gz", "x1.gz", "x[1].gz"],
    "d[12]/?.gz": ["d1/a.gz", "d2/b.gz"],
    "d2/*": ["d2/b.gz"],
    "x[1].gz": ["x[1].gz"],
    "none/*/a.gz": [],
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("odd", ["", "[2020] "])
def test_any_part_of_a_path_may_be_a_pattern(tmp_path: Path, pattern: str, odd: str) -> None:
    root = tmp_path / f"{odd}crawl"
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    assert expand(f"{root}/{pattern}") == [str(root / name) for name in PATTERNS[pattern]]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_mean_the_same_on_remote_storage(memory: str, pattern: str) -> None:
    for name in TREE[:5]:
        open_folder(memory).put(name, b"12")
    assert [url.rpartition("atlas/")[2] for url in expand(f"{memory}/{pattern}")] == PATTERNS[pattern]


def test_the_query_of_a_web_address_is_no_pattern() -> None:
    url = "https://host.invalid/videos.jsonl.gz?download=1"
    assert expand(url) == [url]


def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("-", "/dev/stdin", "/dev/fd/0", "/dev/null", "/proc/self/fd/0", str(tmp_path / "pipe")):
        with pytest.raises(UsageError, match=rf"^cannot read {name}: it is [^\n]*read twice"):
            expand(name)
    if Path("/dev/shm").is_dir():
        assert expand("/dev/shm/videos.jsonl") == ["/dev/shm/videos.jsonl"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="a socket"):
            expand(str(tmp_path / "socket"))


class _Web(BaseHTTPRequestHandler):
    """Serve one file as a whole, and errors by number."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        self.send_response(status)
        self.send_header("Content-Length", "5000000")
        self.send_header(
            "Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT" if "old" in self.path else self.date_time_string()
        )
        self.end_headers()
        if self.command == "GET" and status == 200:
            self.wfile.write(bytes(5_000_000))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_a_web_server_refuses_is_one_line(web: str) -> None:
    with pytest.raises(FileNotFoundError):
        input_state(f"{web}/404")
    for status in ("403", "500"):
        with pytest.raises(UnavailableError, match=f"^cannot use {web}/{status}: {status}[^\n]*Check the address"):
            input_state(f"{web}/{status}")


def test_a_server_without_etags_says_when_a_file_changed(web: str) -> None:
    assert input_state(f"{web}/old") == (5_000_000, "Sat, 28 Nov 2026 10:00:00 GMT")
    assert input_state(f"{web}/new") != input_state(f"{web}/old")


def test_a_server_that_sends_whole_files_only_is_named(web: str) -> None:
    with pytest.raises(UnavailableError, match="sends no parts of a file"), open_input(f"{web}/big") as file:
        file.seek(4_999_000)
        file.read(10)


def test_a_server_that_is_not_there_is_not_a_missing_file() -> None:
    with pytest.raises(UnavailableError, match=r"cannot use http://127\.0\.0\.1:1/x"):
        input_state("http://127.0.0.1:1/x")


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_a_pattern_works_on_remote_storage(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(kind)
    folder = open_folder(url)
    for name in ("b.gz", "a.gz", "c.txt"):
        folder.put(name, b"12")
    found = expand(f"{url}/*.gz")
    assert [url.rsplit("/", 1)[-1] for url in found] == ["a.gz", "b.gz"]
    with open_input(found[0]) as file:
        assert file.read() == b"12"
    assert input_state(found[0])[0] == 2


def test_the_state_of_an_input_changes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12")
    before = input_state(str(file))
    os.utime(file, (1, 1))
    assert (before[0], input_state(str(file))[0]) == (2, 2)
    assert input_state(str(file)) != before
    with pytest.raises(FileNotFoundError):
        input_state(str(tmp_path / "none"))


def test_a_location_is_local_unless_it_names_another_protocol(tmp_path: Path) -> None:
    assert not is_remote("/a/b")
    assert not is_remote("file:///a/b")
    assert is_remote("s3://bucket/a")
    assert local_path("file:///a/b") == Path("/a/b")
    assert local_path("~/x") == Path.home() / "x"


def test_several_that_want_a_model_at_once_copy_it_once(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("config.json", "model.safetensors", "README.md"):
        open_folder(memory).put(name, name.encode())
    real, copied, together = RemoteFolder.read, [], threading.Barrier(4)

    def read(self: RemoteFolder, name: str) -> bytes:
        copied.append(name)
        time.sleep(0.05)
        return real(self, name)

    def want(_: int) -> Path:
        together.wait()
        return fetch(memory, [""], (".json", ".safetensors"))

    monkeypatch.setattr(RemoteFolder, "read", read)
    with ThreadPoolExecutor(4) as pool:
        (path,) = set(pool.map(want, range(4)))
    assert sorted(copied) == ["config.json", "model.safetensors"]
    assert everything(path) == {"config.json": b"config.json", "model.safetensors": b"model.safetensors"}


@pytest.mark.parametrize("name", ["../out.parquet", "embeddings/../../out.parquet", "/tmp/out.parquet", "..", "a\\b"])
def test_a_name_that_leads_out_is_refused(folder: LocalFolder | RemoteFolder, name: str) -> None:
    """Names of shards come from a manifest, which anyone may have written."""
    for use in (folder.read, folder.open, folder.size, folder.list, folder.delete, lambda at: folder.put(at, b"")):
        with pytest.raises(InputError, match="outside that folder"):
            use(name)
