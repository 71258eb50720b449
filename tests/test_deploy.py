"""The cluster files hold to Ray's own schema and to ours: nothing secret, nothing listening without a token."""

import copy
import json
import os
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = {"aws": ROOT / "cluster.yaml", "gcp": ROOT / "deploy" / "gcp.yaml"}
SPOT = {
    "aws": lambda node: node.get("InstanceMarketOptions") == {"MarketType": "spot"},
    "gcp": lambda node: {"provisioningModel": "SPOT"} in node.get("scheduling", []),
}
TESTED = re.findall(r"^ray==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0]
"""The version of Ray that `make test` installs."""
IMAGE = re.compile(rf"/\w+:{re.escape(TESTED)}-py311(-gpu)?$")
SECRET = re.compile(r"AKIA[0-9A-Z]{12,}|aws_secret|PRIVATE KEY|password|[0-9a-f]{32,}", re.IGNORECASE)
Config = dict[str, Any]


@pytest.fixture(params=sorted(FILES))
def cloud(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(cloud: str) -> Config:
    return dict(yaml.safe_load(FILES[cloud].read_text()))


def validated(config: Config) -> Config:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: Config = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def test_ray_accepts_the_cluster_without_a_network(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    prepared = validated(config)
    assert sum(kind.get("min_workers", 0) for kind in prepared["available_node_types"].values()) == 0


@pytest.mark.parametrize("wrong", ["unknown key", "no resources", "no such head"])
def test_ray_s_schema_finds_mistakes(wrong: str, config: Config) -> None:
    """Or else that it accepts ours would say nothing."""
    if wrong == "unknown key":
        config["idle_timeout"] = 3
    elif wrong == "no resources":
        del config["available_node_types"]["gpu"]["resources"]
    else:
        config["head_node_type"] = "boss"
    with pytest.raises(Exception, match=r"idle_timeout|resources|boss|head_node_type"):
        validated(config)


def test_images_hold_the_ray_and_python_that_were_tested(config: Config) -> None:
    docker = config["docker"]
    assert not docker.get("image")
    assert IMAGE.search(docker["head_image"])
    own = [kind["docker"] for kind in config["available_node_types"].values() if "docker" in kind]
    for worker in (docker, *own):
        assert IMAGE.search(worker["worker_image"])
    assert any("constraints.txt" in command for command in config["setup_commands"])


def test_nodes_hold_an_image_and_a_network_of_their_own(cloud: str, config: Config) -> None:
    """Where these are left out, Ray takes Ubuntu 18.04, public subnets and addresses, and opens port 22 to all."""
    for kind in config["available_node_types"].values():
        node = kind["node_config"]
        if cloud == "aws":
            assert node["ImageId"].startswith("ami-")
            assert all(subnet.startswith("subnet-") for subnet in node["SubnetIds"])
            assert all(group.startswith("sg-") for group in node["SecurityGroupIds"])
        else:
            assert [interface for interface in node["networkInterfaces"] if "subnetwork" in interface]
            assert not [interface for interface in node["networkInterfaces"] if "accessConfigs" in interface]


BOOTSTRAP = """
import json, sys
import boto3
from moto import mock_aws
from ray.autoscaler._private.aws.config import bootstrap_aws
with mock_aws():
    ec2, iam = boto3.resource("ec2"), boto3.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")
    own = {f"subnet-CHANGE-{z}": vpc.create_subnet(CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=f"us-east-1{z}").id
           for n, z in enumerate("ab")}
    own["sg-CHANGE"] = ec2.create_security_group(GroupName="mine", Description="mine", VpcId=vpc.id).id
    for name in ("vidatlas-head", "vidatlas-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    text, before = sys.stdin.read(), {group.id for group in ec2.security_groups.all()}
    for placeholder, value in own.items():
        text = text.replace(placeholder, value)
    kinds = bootstrap_aws(json.loads(text))["available_node_types"].values()
    groups = [group.id for group in ec2.security_groups.all() if group.id not in before]
    print(json.dumps({"own": own, "groups": groups, "nodes": [kind["node_config"] for kind in kinds]}))
"""


def test_ray_s_aws_takes_what_is_given_and_makes_no_group(tmp_path: Path) -> None:
    """In a process of its own: moto's AWS would take the other tests' bucket with it."""
    prepared = validated(dict(yaml.safe_load(FILES["aws"].read_text())))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    (tmp_path / ".ssh").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BOOTSTRAP],
        input=json.dumps(prepared),
        env={**clean, **keys, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    security, *subnets = (made["own"][name] for name in ("sg-CHANGE", "subnet-CHANGE-a", "subnet-CHANGE-b"))
    assert made["groups"] == []
    assert len(made["nodes"]) == 3
    for node in made["nodes"]:
        assert (node["SecurityGroupIds"], sorted(node["SubnetIds"])) == ([security], sorted(subnets))
        assert node["ImageId"] == "ami-CHANGE"


def test_the_container_waits_for_the_driver_but_not_for_ever(config: Config) -> None:
    """Ray starts it without the GPU where nvidia-smi fails."""
    for kind in config["available_node_types"].values():
        waits = [command for command in kind.get("initialization_commands", []) if "nvidia-smi" in command]
        assert len(waits) == kind["resources"].get("GPU", 0)
        assert all(re.match(r"timeout \d+ bash -c 'until nvidia-smi; do sleep \d+; done'$", wait) for wait in waits)


def test_only_what_asks_for_a_gpu_starts_one(config: Config) -> None:
    """By Ray's own choice among the types of nodes."""
    from ray.autoscaler._private.resource_demand_scheduler import (
        NodeAvailabilitySummary,
        _default_utilization_scorer,
        get_nodes_for,
    )

    score = partial(_default_utilization_scorer, node_availability_summary=NodeAvailabilitySummary({}))
    kinds, head, most = (config[key] for key in ("available_node_types", "head_node_type", "max_workers"))
    started, left = get_nodes_for(kinds, {head: 1}, head, most, [{"CPU": 1}] * 40, score)
    assert (set(started), left) == ({"cpu"}, [])
    started, left = get_nodes_for(kinds, {head: 1}, head, most, [{"CPU": 0.99, "GPU": 1}] * 3, score)
    assert (started, left) == ({"gpu": 3}, [])


def test_the_head_leads_and_stays_and_workers_are_spot(cloud: str, config: Config) -> None:
    kinds = config["available_node_types"]
    head = kinds.pop(config["head_node_type"])
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert not SPOT[cloud](head["node_config"])
    assert kinds
    for worker in kinds.values():
        assert SPOT[cloud](worker["node_config"])
        assert worker["min_workers"] == 0 < worker["max_workers"] <= config["max_workers"]
    assert config["idle_timeout_minutes"] <= 15
    assert config["provider"]["cache_stopped_nodes"] is False


def test_nothing_is_reached_without_a_token(config: Config) -> None:
    assert config["provider"]["use_internal_ips"] is True
    for kind in ("head_start_ray_commands", "worker_start_ray_commands"):
        (start,) = (command for command in config[kind] if "ray start" in command)
        assert "RAY_AUTH_MODE=token" in start
        assert "RAY_AUTH_TOKEN_PATH=/home/ray/ray-token" in start
        assert "--metrics-export-port=8080" in start
    (head,) = (command for command in config["head_start_ray_commands"] if "ray start" in command)
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_JOB_STOP_WAIT_TIME_S=60" in head.partition("ray start")[0]
    assert "/home/ray/ray-token" in config["file_mounts"]


@pytest.mark.parametrize("file", [*FILES.values(), ROOT / "deploy" / "rayjob.yaml"], ids=lambda file: file.name)
def test_no_file_holds_a_secret(file: Path) -> None:
    assert not SECRET.search(file.read_text())


def test_the_kubernetes_job_asks_for_a_token_and_goes_on_after_a_failure() -> None:
    job = yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"] is True
    assert cluster["rayVersion"] == TESTED
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert group["rayStartParams"]["metrics-export-port"] == "8080"
        for container in group["template"]["spec"]["containers"]:
            assert IMAGE.search(container["image"])
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert {"name": "RAY_JOB_STOP_WAIT_TIME_S", "value": "60"} in head["env"]
    for worker in cluster["workerGroupSpecs"]:
        assert worker["minReplicas"] == 0 < worker["maxReplicas"]
        assert "nodeSelector" in worker["template"]["spec"]


def test_the_kubernetes_job_gives_a_command_that_parses() -> None:
    import typer

    from vidatlas.cli.main import app

    job = yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text())
    program, name, *arguments = job["spec"]["entrypoint"].split()
    assert program == "vidatlas"
    typer.main.get_command(app).commands[name].make_context(name, arguments)  # type: ignore[attr-defined]
