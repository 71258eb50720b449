"""Model files are data: what could run code, or is not what it claims to be, is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from vidatlas.encoders.clip import ClipSpec
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer import checkpoint as module
from vidatlas.encoders.transformer.checkpoint import PACKAGED, open_checkpoint
from vidatlas.errors import UsageError
from vidatlas.storage.folder import open_folder


class Canary:
    """Write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "the pickle ran")


@pytest.fixture
def copied(tiny_clip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip, tmp_path / "model")


def test_a_checkpoint_is_known_by_its_weights(tiny_clip: Path, copied: Path) -> None:
    found = open_checkpoint(str(tiny_clip), None)
    assert found.weights_sha256 == hashlib.sha256((tiny_clip / "model.safetensors").read_bytes()).hexdigest()
    assert (found.path, found.model, found.config["projection_dim"]) == (tiny_clip, str(tiny_clip), 24)
    assert open_checkpoint(str(copied), None).weights_sha256 == found.weights_sha256
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert open_checkpoint(str(copied), None).weights_sha256 != found.weights_sha256


def test_a_checkpoint_in_an_object_store_is_copied_here_once(
    tiny_clip: Path, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    there = open_folder(s3)
    for file in tiny_clip.iterdir():
        there.put(file.name, file.read_bytes())
    there.put("pytorch_model.bin", pickle.dumps(Canary(tmp_path / "ran")))
    found, known = open_checkpoint(s3, "a1b2"), open_checkpoint(str(tiny_clip), None)
    assert (found.weights_sha256, found.config, found.model, found.revision) == (
        known.weights_sha256,
        known.config,
        s3,
        None,
    )
    assert not [file for file in tmp_path.rglob("*") if file.suffix == ".bin"]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert open_checkpoint(s3, None) == found
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()} == before
    weights = there.read("model.safetensors")
    there.put("model.safetensors", weights[:-1] + b"\x01")
    assert open_checkpoint(s3, None).weights_sha256 != found.weights_sha256


def test_a_folder_that_is_not_in_the_store_is_named(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=rf"^model folder {s3} does not exist, [^\n]+$"):
        open_checkpoint(s3, None)


@pytest.mark.parametrize("model", ["{}/none", "./none", "~/none-of-this", "none", "a/b/c"])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, model: str) -> None:
    model = model.format(tmp_path)
    with pytest.raises(UsageError, match=rf"^model folder {model} does not exist\. [^\n]+$"):
        open_checkpoint(model, None)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \*\.safetensors in"):
        open_checkpoint(str(tmp_path), None)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl", "model.ckpt"])
@pytest.mark.parametrize("spec", [ClipSpec, SentenceSpec])
def test_pickled_weights_are_refused_and_never_opened(copied: Path, tmp_path: Path, name: str, spec: Any) -> None:
    (copied / "model.safetensors").unlink()
    canary = tmp_path / "canary"
    (copied / name).write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(UsageError, match=rf"only pickled weights \({name}\), which can run code"):
        spec(model=str(copied)).load(1)
    assert not canary.exists()
    pickle.loads((copied / name).read_bytes())
    assert canary.read_text(encoding="utf-8") == "the pickle ran"


def test_pickles_beside_safetensors_are_not_opened(copied: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    assert ClipSpec(model=str(copied), dtype="float32").load(1).dim == 24
    assert not canary.exists()


def test_code_of_the_model_itself_is_refused(copied: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (copied / "own.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n", encoding="utf-8")
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModel": "own.Own", "AutoConfig": "own.Own"}
    (copied / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for spec in (ClipSpec, SentenceSpec):
        with pytest.raises(UsageError, match="requires its own or another package's code"):
            spec(model=str(copied)).load(1)
    assert not canary.exists()


def test_an_adapter_which_names_another_model_is_refused(copied: Path) -> None:
    """With peft installed, transformers would load the model that it names, from the hub too."""
    (copied / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"adapter_config\.json in .* names another model"):
        SentenceSpec(model=str(copied)).inspect()


def test_weights_that_an_index_names_elsewhere_are_refused(copied: Path, tmp_path: Path) -> None:
    """transformers follows the index, be it to a pickle; the hash would be that of other files."""
    canary = tmp_path / "canary"
    (copied / "model.safetensors").rename(copied / "decoy.safetensors")
    (copied / "evil.bin").write_bytes(pickle.dumps(Canary(canary)))
    for name in ("evil.bin", "../elsewhere/model.safetensors"):
        index = {"metadata": {}, "weight_map": {"text_projection.weight": name}}
        (copied / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        with pytest.raises(UsageError, match=f"lists {name}, which is not a safetensors file in this folder"):
            ClipSpec(model=str(copied)).load(1)
    (copied / "model.safetensors.index.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot read"):
        ClipSpec(model=str(copied)).load(1)
    assert not canary.exists()


def test_a_model_cannot_choose_what_computes_its_attention(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps(config | {"_attn_implementation": "some/kernel"}), encoding="utf-8")
    assert ClipSpec(model=str(copied), dtype="float32").load(1).dim == 24
    (copied / "config.json").write_text(json.dumps(config | {"quantization_config": {}}), encoding="utf-8")
    with pytest.raises(UsageError, match="quantization_config in config"):
        ClipSpec(model=str(copied)).load(1)


@pytest.mark.parametrize("text", [None, "", "{", "not json", '{"a":' + "[" * 100_000])
def test_a_broken_configuration_is_refused(copied: Path, text: str | None) -> None:
    config = copied / "config.json"
    config.unlink()
    if text is not None:
        config.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"cannot read {config}"):
        open_checkpoint(str(copied), None)


def test_the_packaged_model_is_the_published_one_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_checkpoint(PACKAGED, None).config["hidden_size"] == 384
    monkeypatch.setattr(module, "_PACKAGED_SHA256", "0" * 64)
    with pytest.raises(UsageError, match="the weights are not the published ones"):
        open_checkpoint(PACKAGED, None)
