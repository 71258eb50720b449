"""Where an atlas and its input may lie, a local folder or a bucket, and what was ever written there."""

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from vidatlas.storage.folder import open_folder

BUCKET = "promises"


@dataclass(frozen=True)
class Local:
    """A folder of this machine."""

    folder: Path

    @property
    def atlas(self) -> str:
        return str(self.folder / "atlas")

    def keep(self, path: str) -> str:
        """Copy a file here; return where it lies."""
        return str(shutil.copy(path, self.folder))

    def writes(self) -> set[tuple[str, Any]]:
        """Return every file of the atlas with what changes when it is written, even with the same bytes."""
        files = [file for file in Path(self.atlas).rglob("*") if file.is_file()]
        return {(str(file), (file.stat().st_ino, file.stat().st_mtime_ns)) for file in files}

    def files(self) -> dict[str, bytes]:
        """Return the atlas's files by their names."""
        atlas = Path(self.atlas)
        return {str(file.relative_to(atlas)): file.read_bytes() for file in atlas.rglob("*") if file.is_file()}


class Bucket:
    """A prefix of a bucket that keeps every version of every object, deletions too."""

    def __init__(self) -> None:
        self._client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
        self._client.create_bucket(Bucket=BUCKET)
        self._client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self._prefix = uuid.uuid4().hex

    @property
    def atlas(self) -> str:
        return f"s3://{BUCKET}/{self._prefix}/atlas"

    def keep(self, path: str) -> str:
        """Copy a file here; return where it lies."""
        folder = open_folder(f"s3://{BUCKET}/{self._prefix}/input")
        folder.put(Path(path).name, Path(path).read_bytes())
        return f"{folder.url}/{Path(path).name}"

    def writes(self) -> set[tuple[str, Any]]:
        """Return every version of every object of the atlas, and every deletion."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=BUCKET, Prefix=f"{self._prefix}/atlas/"
        )
        found = [row for page in pages for kind in ("Versions", "DeleteMarkers") for row in page.get(kind, [])]
        return {(row["Key"], row["VersionId"]) for row in found}

    def files(self) -> dict[str, bytes]:
        """Return the atlas's files by their names."""
        first = f"{self._prefix}/atlas/"
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=first)
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        return {key.removeprefix(first): self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def hashes(place: Any, scratch: Path, world: Any) -> tuple[dict[str, str], list[str]]:
    """Return the SHA-256 of every file that is promised, and what only an unfinished run may leave."""
    for name, data in place.files().items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_bytes(data)
    return world.hashes(scratch), world.leftovers(scratch)
