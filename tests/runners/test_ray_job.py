"""A command becomes a job: what is shipped, what is shown, which exit code comes back, and what Ctrl-C does."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.dashboard.modules.job.common import JobStatus
from ray.exceptions import AuthenticationError

from vidatlas.errors import UnavailableError, UsageError
from vidatlas.runners import ray_job as submitting
from vidatlas.runners.ray_job import submit

ADDRESS = "http://127.0.0.1:8265"
LOG = ["reading\n", "embedding 1/2\n", "embedding 2/2\n"]


class Cluster:
    """Play the client of a cluster's jobs: each entry of ``looks`` is what one look at the log gives."""

    def __init__(self, *looks: list[str] | BaseException, code: int | None = 0, status: str = "SUCCEEDED") -> None:
        self.looks, self.code, self.status, self.message = list(looks), code, status, "spot node went\nand more"
        self.stopped: list[str] = []
        self.shipped: set[str] = set()
        self.command = ""
        self.unanswered = 0

    def __call__(self, address: str) -> Cluster:
        assert os.environ["RAY_API_SERVER_ADDRESS"] == address == ADDRESS
        return self

    def submit_job(self, entrypoint: str, runtime_env: dict[str, str]) -> str:
        folder = Path(runtime_env["working_dir"])
        self.shipped = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        self.command = entrypoint
        return "raysubmit_1"

    def get_job_logs(self, job: str) -> str:
        text = self.looks.pop(0) if self.looks else LOG
        if isinstance(text, BaseException):
            raise text
        return "".join(text)

    def get_job_info(self, job: str) -> Any:
        if self.unanswered:
            self.unanswered -= 1
            raise ConnectionError("refused")
        status = "RUNNING" if self.looks else self.status
        return SimpleNamespace(status=JobStatus(status), driver_exit_code=self.code, message=self.message)

    def stop_job(self, job: str) -> bool:
        self.stopped.append(job)
        self.looks, self.status = [], "STOPPED"
        return True


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://elsewhere:8265")
    monkeypatch.setattr(submitting, "PAUSE", 0.0)


def run_on(cluster: Any, monkeypatch: pytest.MonkeyPatch, **files: Path) -> tuple[int, str]:
    monkeypatch.setattr(submitting, "JobSubmissionClient", cluster)
    said: list[str] = []
    try:
        code = submit(ADDRESS, ["run", "--", "my recipe.yaml", "s3://b/*.gz"], files, said.append)
    finally:
        run_on.said = "".join(said)  # type: ignore[attr-defined]
    return code, "".join(said)


def test_a_job_gets_the_package_the_files_and_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine")
    cluster = Cluster(LOG)
    code, said = run_on(cluster, monkeypatch, **{"recipe/mine.yaml": tmp_path / "mine.yaml"})
    assert (code, said) == (0, "job     raysubmit_1\n" + "".join(LOG))
    assert shlex.split(cluster.command) == ["python", "-m", "vidatlas", "run", "--", "my recipe.yaml", "s3://b/*.gz"]
    package = submitting.PACKAGE
    own = {f"vidatlas/{file.relative_to(package)}" for file in package.rglob("*") if file.is_file()}
    assert cluster.shipped == {name for name in own if "__pycache__" not in name} | {"recipe/mine.yaml"}


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (3, 3), (130, 130), (-9, 137)])
def test_the_exit_code_is_the_job_s_own(code: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_on(Cluster(LOG, code=code, status="FAILED"), monkeypatch)[0] == wanted


def test_a_job_that_ended_without_a_code_is_said_to_be_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"raysubmit_1 .*\(FAILED: spot node went\)") as caught:
        run_on(Cluster(LOG, code=None, status="FAILED"), monkeypatch)
    assert "\n" not in str(caught.value)


def test_a_connection_that_breaks_costs_no_line_and_repeats_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(LOG[:1], RuntimeError("closed"), LOG[:2], OSError("closed"))
    cluster.unanswered = 2
    code, said = run_on(cluster, monkeypatch)
    assert (code, said) == (0, "job     raysubmit_1\n" + "".join(LOG))


def test_a_cluster_that_is_lost_is_given_up_and_its_job_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(LOG[:1], OSError("closed"))
    cluster.unanswered = 1000
    with pytest.raises(UnavailableError, match=f"ray job logs --follow raysubmit_1 --address {ADDRESS}"):
        run_on(cluster, monkeypatch)
    assert not cluster.stopped


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_stopping_here_stops_the_job_and_says_where_to_look(
    stop: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(LOG[:1], stop)
    with pytest.raises(type(stop)):
        run_on(cluster, monkeypatch)
    assert cluster.stopped == ["raysubmit_1"]
    said = run_on.said  # type: ignore[attr-defined]
    assert LOG[-1] in said
    assert said.endswith(f"look at it with: ray job logs raysubmit_1 --address {ADDRESS}\n")


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (ConnectionError("Failed to connect to Ray at address: http://x\nTry again."), UnavailableError, "the tunnel"),
        (ValueError("not JSON"), UnavailableError, "not JSON"),
        (AuthenticationError("Unauthorized"), UsageError, "RAY_AUTH_TOKEN_PATH"),
    ],
)
def test_a_dashboard_that_does_not_serve_is_one_line(
    raised: Exception, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(address: str) -> Any:
        raise raised

    with pytest.raises(error, match=words) as caught:
        run_on(fail, monkeypatch)
    assert ADDRESS in str(caught.value)
    assert "\n" not in str(caught.value)
