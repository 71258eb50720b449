"""Serving the app: check the atlas, take the port, say the address in one line, answer until Ctrl-C or SIGTERM."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.atlas import open_atlas

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"


def serve(atlas: str, port: int, host: str, say: Callable[[str], object]) -> None:
    """Serve an atlas until it is stopped; ``say`` is told the address once everything is in order.

    Raises:
        UsageError: there is no published atlas, or the port is taken.
        InputError: a file of the atlas is missing, altered or damaged.
    """
    site = prepare(atlas, host)
    import uvicorn

    with _listening(host, port) as listener:
        say(f"{address_of(host, listener.getsockname()[1])} (Ctrl-C stops it)")
        settings = uvicorn.Config(
            site, log_level="warning", access_log=False, server_header=False, lifespan="off",
            timeout_graceful_shutdown=1,  # a browser keeps its connections; Ctrl-C does not wait for it
        )  # fmt: skip
        with suppress(KeyboardInterrupt, SystemExit):  # it was told to end so; SIGTERM is raised as the latter
            uvicorn.Server(settings).run(sockets=[listener])


def prepare(atlas: str, host: str = HOST) -> FastAPI:
    """Return the application of an atlas that was found in order; its encoder is being loaded in the background."""
    from vidatlas.app.library import Library
    from vidatlas.app.site import LOOPBACK, make_site

    library = Library(open_atlas(atlas))
    library.open()
    library.warm()
    # Told to listen to others, it cannot know by which names they call this machine.
    return make_site(library, LOOPBACK if is_loopback(host) else ("*",))


def address_of(host: str, port: int) -> str:
    """Return the address to open in a browser."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether only programs on this machine reach a host."""
    return host in (HOST, "localhost", "::1")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # whoever reads the address may follow it at once
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen on {host}:{port}: {reason}. Choose another --port.") from error
    return listener
