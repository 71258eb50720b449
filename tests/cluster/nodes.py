"""Ray nodes as processes of this machine, each marked so that exactly its own processes can be killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

RAY = str(Path(sys.executable).with_name("ray"))
PATIENCE = 240.0
ATTEMPTS = 4


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, outside of the range from which Ray gives ports to its workers."""
    held, ports = [], []
    while len(ports) < count:
        found = socket.socket()
        found.bind(("127.0.0.1", 0))
        held.append(found)
        if not 10_002 <= found.getsockname()[1] <= 19_999:
            ports.append(found.getsockname()[1])
    for item in held:
        item.close()
    return ports


class Node:
    """One `ray start`, and whatever it started."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path, wrapper: tuple[str, ...]) -> None:
        self.mark, self.log = uuid.uuid4().hex, log
        ports = free_ports(5)
        names = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "metrics-export-port")
        more = [f"--{name}={port}" for name, port in zip(names, ports, strict=False)]
        command = [*wrapper, RAY, "start", "--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--min-worker-port=0", "--max-worker-port=0", *more, *arguments],
                env={**environment, "VIDATLAS_TEST_MARK": self.mark},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.metrics = f"http://127.0.0.1:{ports[2]}"

    def is_up(self) -> bool:
        """Return whether `ray start` has said that it does nothing more than wait.

        The head knows of a node earlier, and of one that fails while it starts: a next one, started that early, takes
        the name of the same socket and dies.
        """
        return "will now block forever" in self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill every process of the node at once, as when its machine is taken away."""
        for _ in range(3):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if self.mark.encode() in (folder / "environ").read_bytes():
                        os.kill(int(folder.name), signal.SIGKILL)
                except OSError:
                    continue
        self.process.wait(timeout=30)


class RayCluster:
    """A head that listens on loopback and asks for a token, and nodes that come and go."""

    def __init__(self, logs: Path, cpus: int = 0, config: dict[str, object] | None = None, **environment: str) -> None:
        self.temp, self.logs, self.nodes = Path(tempfile.mkdtemp(prefix="vr-", dir="/tmp")), logs, list[Node]()
        logs.mkdir(parents=True, exist_ok=True)
        gcs, self.dashboard, client = free_ports(3)
        if config is not None:
            gcs = 6379  # the provider of fake machines knows no other
        self.gcs, self.address, self.token = f"127.0.0.1:{gcs}", f"http://127.0.0.1:{self.dashboard}", uuid.uuid4().hex
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
        self.environment = {
            **clean,
            "HOME": str(self.temp),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "COLUMNS": "200",
            **environment,
        }
        arguments = ["--head", f"--port={gcs}", f"--num-cpus={cpus}", f"--temp-dir={self.temp}/t"]
        arguments += ["--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard}"]
        arguments += [f"--ray-client-server-port={client}", "--object-store-memory=200000000"]
        wrapper: tuple[str, ...] = ()
        if config is not None:
            file = self.temp / "autoscaling.yaml"
            file.write_text(json.dumps(config))
            arguments.append(f"--autoscaling-config={file}")
            wrapper = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
            self.environment |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        self.head = self._start(arguments, wrapper)
        self.wait(self.alive)

    def _start(self, arguments: list[str], wrapper: tuple[str, ...] = (), **environment: str) -> Node:
        """Start a node and wait until it is up; Ray gives a node only 30 seconds, too few where the machine is busy."""
        for attempt in range(ATTEMPTS):
            log = self.logs / f"node-{len(self.nodes)}.log"
            node = Node(arguments, {**self.environment, **environment}, log, wrapper)
            self.nodes.append(node)
            self.wait(lambda node=node: node.is_up() or node.process.poll() is not None)
            if node.process.poll() is None:
                return node
            node.kill()
            print(f"start {attempt + 1} of a node failed")
        raise AssertionError(log.read_text(errors="replace")[-3000:])

    def add(self, cpus: int, gpus: int = 0, wrapper: tuple[str, ...] = (), **environment: str) -> Node:
        """Start another node, inside of what a command (default: none) makes around it; return when it is up."""
        resources = [f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--object-store-memory=100000000"]
        return self._start([f"--address={self.gcs}", *resources], wrapper, **environment)

    def get(self, path: str, token: bool = True) -> tuple[int, str]:
        """Return status and body that the dashboard answers; 0 while it does not."""
        headers = {"Authorization": f"Bearer {self.token}"} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.address + path, headers=headers), timeout=20
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def alive(self) -> int:
        """Return how many nodes the cluster has, the head counted; 0 while its dashboard does not say."""
        status, body = self.get("/api/v0/nodes?limit=100")
        if status != 200:
            return 0
        found = json.loads(body)["data"]["result"]["result"]
        return sum(node["state"] == "ALIVE" for node in found)

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something is so; fail with the nodes' logs."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(node.log.read_text(errors="replace")[-3000:] for node in self.nodes))
            time.sleep(0.2)

    def job(self, *arguments: str, cwd: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Submit a job with `ray job submit`, follow it to its end, return exit code and output."""
        command = [RAY, "job", "submit", "--address", self.address, "--working-dir", ".", *options, "--", *arguments]
        return subprocess.run(
            command, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def stop(self) -> None:
        """End all nodes, whatever they do."""
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.temp, ignore_errors=True)
