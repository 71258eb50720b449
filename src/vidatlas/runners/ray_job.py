"""A Ray job: a command submitted through the cluster's dashboard and followed to its end."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from vidatlas.errors import UnavailableError, UsageError

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

PACKAGE = Path(__file__).parents[1]
PAUSE = 3.0
"""Seconds between two questions about a job; each brings its whole log."""
_LOST = (OSError, RuntimeError)
LOST = 10
"""After so many questions without an answer a cluster is given up; its job goes on."""
STOPPING = 30
"""How often it is asked whether a stopped job has ended: the cluster files give a job a minute."""


def submit(address: str, words: list[str], files: Mapping[str, Path], show: Callable[[str], object]) -> int:
    """Run ``vidatlas`` with these words as a job, by this package's own code; return the job's exit code.

    Args:
        address: the dashboard's, http:// or https://; Ray finds the cluster's token in the environment.
        words: what follows ``vidatlas``.
        files: local files that the command reads, under the names that it knows them by.
        show: told the job's name and then its log, as it comes.

    Raises:
        UsageError: the cluster wants another token.
        UnavailableError: the dashboard does not answer, or the job ended without an exit code.
    """
    with _plain_errors(address), tempfile.TemporaryDirectory() as folder:
        client = _connect(address)
        shutil.copytree(PACKAGE, Path(folder, PACKAGE.name), ignore=shutil.ignore_patterns("__pycache__"))
        for name, file in files.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(folder, name))
        command = shlex.join(["python", "-m", PACKAGE.name, *words])
        job = _Job(client, client.submit_job(entrypoint=command, runtime_env={"working_dir": folder}), address, show)
    show(f"job     {job.name}\n")
    try:
        return job.follow()
    except (KeyboardInterrupt, SystemExit):
        with _plain_errors(address):
            job.stop()
        raise


@dataclass
class _Job:
    """A job that was submitted, and how much of its log was shown."""

    client: Any
    name: str
    address: str
    show: Callable[[str], object]
    shown: int = 0

    def follow(self) -> int:
        """Show the log until the job ends; return its exit code."""
        unanswered = 0
        while unanswered < LOST:
            try:
                info = self.client.get_job_info(self.name)
                self._more(self.client.get_job_logs(self.name))
                if info.status.is_terminal():
                    return self._code(info)
                unanswered = 0
            except _LOST:
                unanswered += 1
            time.sleep(PAUSE)
        raise UnavailableError(
            f"lost Ray's dashboard at {self.address}; job {self.name} may go on. Open the tunnel again, then: "
            f"ray job logs --follow {self.name} --address {self.address}"
        )

    def _more(self, log: str) -> None:
        if len(log) > self.shown:
            self.show(log[self.shown :])
            self.shown = len(log)

    def _code(self, info: Any) -> int:
        code: int | None = info.driver_exit_code
        if code is None:
            said = (info.message or "no reason was given").strip().splitlines()[0].rstrip(".")
            raise UnavailableError(
                f"job {self.name} ended without an exit code ({info.status.value}: {said}). "
                "Rerun the same command to resume."
            )
        return code if code >= 0 else 128 - code

    def stop(self) -> None:
        """Stop the job, wait for its end, and say where to look."""
        self.show(f"\nstopping job {self.name}\n")
        self.client.stop_job(self.name)
        for _ in range(STOPPING):
            if self.client.get_job_info(self.name).status.is_terminal():
                break
            time.sleep(PAUSE)
        self._more(self.client.get_job_logs(self.name))
        self.show(f"look at it with: ray job logs {self.name} --address {self.address}\n")


def _connect(address: str) -> Any:
    # Ray lets this variable, and RAY_ADDRESS, win over the address that it is given.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    # Each upload is two lines on standard error otherwise; warnings still come through.
    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.WARNING)
    return JobSubmissionClient(address)


@contextmanager
def _plain_errors(address: str) -> Iterator[None]:
    """Say in one line that the dashboard does not answer as Ray's does."""
    try:
        yield
    except AuthenticationError as error:
        raise UsageError(
            f"the Ray cluster at {address} does not take this token, or there is none. "
            "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's."
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UnavailableError(
            f"cannot use Ray's dashboard at {address}: {said}. Check the address, and the tunnel to it."
        ) from error
