"""What was given a GPU computes there, or says that it cannot."""

import sys

import pytest
import torch

from vidatlas import gpus
from vidatlas.clustering.backends import choose_backend
from vidatlas.encoders.hashing import HashingSpec
from vidatlas.encoders.transformer.device import choose_device
from vidatlas.errors import UnavailableError
from vidatlas.gpus import with_gpu


@pytest.fixture(params=[True, False])
def seen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return bool(request.param)


def test_whoever_was_given_no_gpu_takes_what_there_is(seen: bool) -> None:
    assert choose_device() == ("cuda" if seen else "cpu")


def test_whoever_was_given_a_gpu_that_torch_does_not_see_refuses_to_go_on(seen: bool) -> None:
    if seen:
        assert with_gpu(choose_device) == "cuda"
        return
    for choose, arguments in ((choose_device, ()), (choose_backend, (None,))):
        with pytest.raises(UnavailableError, match=r"^a worker on .* was given a GPU, .*nvidia-smi.*--gpus 0\.$"):
            with_gpu(choose, *arguments)
    assert choose_device() == "cpu"


def test_a_torch_built_without_gpus_is_not_imported_to_ask_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(gpus, "version", lambda name: "2.13.0+cpu")
    assert not gpus.sees_gpu()
    assert "torch" not in sys.modules


def test_what_needs_no_gpu_does_not_look_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert with_gpu(HashingSpec(dim=8).load, 1).dim == 8
    assert with_gpu(choose_backend, "sklearn") == "sklearn"
