"""Pictures of the README: the report and the app of an atlas, by ``python -m tools.pictures ATLAS`` (of the demo)."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, executable

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = "eRn_oZWNT-h"
"""The video of the demo whose page shows the app."""


def main(atlas: str) -> None:
    """Write ``docs/report.png`` and ``docs/app.png``."""
    command = [sys.executable, "-m", "vidatlas", "serve", atlas, "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,  # noqa: S603 - our own command
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS) as browser,
        browser.new_page(viewport={"width": 1400, "height": 1000}) as page,
    ):
        assert server.stdout
        page.goto(f"{server.stdout.readline().split()[0]}/video?id={SHOWN}")
        _save(page, "app.png", 860)
        server.terminate()
        page.goto((Path(atlas).resolve() / "report.html").as_uri())
        page.locator('#map[data-state="complete"]').wait_for()
        page.locator("tr.sub button").nth(1).click()
        page.mouse.move(0, 0)
        _save(page, "report.png", 1870)


def _save(page: Any, name: str, height: int) -> None:
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    # 256 colours: a third of the bytes.
    whole.crop((0, 0, whole.width, height)).quantize(
        method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    ).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
