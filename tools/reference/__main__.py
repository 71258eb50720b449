"""Pages of the site: python -m tools.reference copies the documentation to build/pages and generates its reference.

The copy has the layout of the repository, so that links work there as they do here: README.md is the start page, and
whatever a page links to is copied too. A link that leads nowhere is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.reference.errors import errors_page
from tools.reference.python_api import python_page
from tools.reference.recipe_keys import recipe_page, recipe_schema

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "build" / "pages"
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")


def main() -> None:
    """Write ``build/pages``."""
    shutil.rmtree(PAGES, ignore_errors=True)
    done: set[Path] = set()
    waiting = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    while waiting:
        file = waiting.pop()
        if file not in done:
            done.add(file)
            waiting += copy(file)
    shutil.copy(Path(__file__).with_name("site.css"), PAGES)
    folder = PAGES / "docs" / "reference"
    folder.mkdir()
    for name, text in reference().items():
        (folder / name).write_text(text, encoding="utf-8")


def reference() -> dict[str, str]:
    """Return the generated files by name."""
    return {
        "recipe.md": recipe_page(),
        "recipe.schema.json": recipe_schema(),
        "commands.md": commands_page(),
        "python.md": python_page(),
        "errors.md": errors_page(),
    }


def commands_page() -> str:
    """Return the page of commands and options, as Typer writes it."""
    command = [sys.executable, "-m", "typer", "vidatlas.cli.main", "utils", "docs", "--name=vidatlas"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")  # noqa: S603 - our own
    text = re.sub(r"^# .*", "# Commands", done.stdout, count=1)
    text = re.sub(r"^Example: (vidatlas .*)$", r"```sh\n\1\n```", text, flags=re.M)
    # Typer cuts what a command is for; its own section has all of it.
    whole = dict(re.findall(r"^## `vidatlas ([\w-]+)`\n\n(.+)$", text, re.M))
    return re.sub(r"^\* `([\w-]+)`: .*\.\.\.$", lambda cut: f"* `{cut[1]}`: {whole[cut[1]]}", text, flags=re.M)


def copy(file: Path) -> list[Path]:
    """Copy a file, a notebook as a page; return the files that it links to."""
    target = PAGES / file.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".ipynb":
        copy_notebook(file, target.with_suffix(".md"))
        return []
    if file.suffix != ".md":
        shutil.copyfile(file, target)
        return []
    text = file.read_text(encoding="utf-8")
    target.write_text(re.sub(r"(\]\([\w./-]+)\.ipynb(?=[)#])", r"\1.md", text), encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    linked = [(file.parent / link).resolve() for link in LINK.findall(prose)]
    for each in linked:
        if not each.is_file():
            raise SystemExit(f"{file.relative_to(ROOT)}: no file {each}. Correct the link.")
    return linked


def copy_notebook(file: Path, target: Path) -> None:
    """Write a notebook as Markdown, with its pictures beside it."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(str(file), {"output_files_dir": f"{file.stem}_files"})
    target.write_text(text, encoding="utf-8")
    for name, data in resources["outputs"].items():
        picture = target.parent / name
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(data)


if __name__ == "__main__":
    main()
