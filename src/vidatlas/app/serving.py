"""Serving the app: Streamlit on loopback, without telemetry, uploads or downloads."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import NoReturn

from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.atlas import open_atlas
from vidatlas.storage.store import Store

PAGE = Path(__file__).with_name("page.py")
SETTINGS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.enableXsrfProtection": "true",
    "server.enableCORS": "true",
    "server.enableStaticServing": "false",
    "server.maxUploadSize": "1",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
}


def command(atlas: str, port: int) -> list[str]:
    """Return the command that serves an atlas.

    Raises:
        UsageError: Streamlit is not installed, or the atlas is not published.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise UsageError("the app needs Streamlit. Install it with: pip install 'vidatlas[app]'")
    Store(open_atlas(atlas).url).stage("publish")
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    return [sys.executable, "-m", "streamlit", "run", str(PAGE), f"--server.port={port}", *settings, "--", atlas]


def serve(atlas: str, port: int) -> NoReturn:
    """Become the app's server; Ctrl-C stops it."""
    words = command(atlas, port)
    os.execv(words[0], words)  # noqa: S606 - our own interpreter, no shell
