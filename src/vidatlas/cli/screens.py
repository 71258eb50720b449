"""Screens that commands print: the plan before a run, the tree after it, status, search results."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.filesize import decimal
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from vidatlas.cli.exit import printable
from vidatlas.cli.progress import out_of_memory
from vidatlas.threads import cores
from vidatlas.types import Json, Options, Reason
from vidatlas.views.text import duration

if TYPE_CHECKING:
    from vidatlas.pipeline.embed.preview import Preview
    from vidatlas.recipe import Recipe
    from vidatlas.sources.values.roles import Assumed
    from vidatlas.storage.json_files import Example
    from vidatlas.storage.manifest import PlanCounts


_SHOWN_TAGS = 6
_EXAMPLE = 60
"""Characters of an example."""
_ACTOR_START_SECONDS = 10


def plain(text: str) -> Text:
    """Return data as text that can neither style nor steer a terminal."""
    return Text(printable(text))


def _grid(rows: Iterable[tuple[str, Any]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for label, value in rows:
        grid.add_row(label, value if isinstance(value, Text) else plain(str(value)))
    return grid


def show_preview(console: Console, recipe: Recipe, preview: Preview, atlas: str, device: Device) -> None:
    """Print what is about to happen, with the exact texts that will be encoded."""
    counts, fields = preview.counts, recipe.record.fields
    fill = ", ".join(
        f"{name} {share:.1%}" + (f" (mean {mean:.1f})" if fields[name].separator else "")
        for name, (share, mean) in preview.fill.items()
    )
    total, done = preview.shards
    rows = [
        ("input", f"{decimal(preview.input_bytes)}, {counts['read']:,} rows: {_outcome(counts)}"),
        ("fields", fill),
        ("encoder", f"{preview.encoder.model}, {preview.encoder.dim} dimensions"),
        *([("languages", preview.warning)] if preview.warning else []),
        ("device", device.name),
        (
            "shards",
            f"{total:,} of at most {recipe.source.shard_rows:,} rows" + (f", {done:,} done already" if done else ""),
        ),
        ("time", _time(preview, device.cpus)),
        (
            "disk",
            f"about {decimal(preview.disk_bytes)}"
            + (f" of {decimal(preview.free_bytes)} free" if preview.free_bytes is not None else ""),
        ),
        ("atlas", atlas),
    ]
    samples = [_sample(recipe, example) for example in preview.examples]
    console.print(
        Panel(
            Group(_grid(rows), *samples),
            title=plain(recipe.name),
            subtitle="Ctrl-C is safe: rerun the same command to resume",
            border_style="dim",
        )
    )


def show_assumed(console: Console, assumed: Sequence[Assumed]) -> None:
    """Print what was assumed about an input, how sure it is, and the first value of each column."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("assumed", no_wrap=True)
    table.add_column("column", overflow="fold")
    table.add_column("how sure", no_wrap=True)
    table.add_column("for example", overflow="fold")
    for one in assumed:
        example = " ".join(one.example.split())
        cut = example[:_EXAMPLE] + ("…" if len(example) > _EXAMPLE else "")
        table.add_row(plain(one.key), plain(one.column), one.sure, plain(cut))
    console.print(table)
    console.print("change  with --set KEY=VALUE; write it down with vidatlas recipes --for FILE", highlight=False)


def _outcome(counts: PlanCounts) -> str:
    parts = [f"{counts['kept']:,} to embed"]
    if counts["duplicates"]:
        parts.append(f"{counts['duplicates']:,} duplicates")
    parts += [f"{count:,} {reason}" for reason, count in counts["rejects"].items()]
    return ", ".join(parts)


def _time(preview: Preview, workers: int | None) -> str:
    if preview.shards[0] == preview.shards[1]:
        return "nothing left to embed"
    if preview.compute_seconds is None or workers is None:
        return "known after the first shards"
    return (
        f"about {duration(_ACTOR_START_SECONDS + preview.compute_seconds / workers)} "
        "to embed (a guess from the first shard's tokens)"
    )


def _sample(recipe: Recipe, example: Example) -> Text:
    line = Text("\n")
    line.append_text(plain(f"{example['id']}  [{example['group']}]"))
    for name, texts in example["texts"].items():
        more = f"  … {len(texts) - _SHOWN_TAGS} more" if len(texts) > _SHOWN_TAGS else ""
        weight = recipe.record.fields[name].weight
        line.append(f"\n  {weight:g} × {name}: " if weight else f"\n  {name}: ", style="dim")
        line.append_text(plain(" | ".join(texts[:_SHOWN_TAGS]) + more))
    return line


@dataclass(frozen=True, slots=True)
class Device:
    """Say in words where encoding will run, and on how many CPUs; None where that is not known."""

    name: str
    cpus: int | None = None


def device_of(options: Options, uses_gpu: bool) -> Device:
    """Return where encoding will run, by an encoder that uses a GPU or does not."""
    address, actors, threads = options.address, options.actors, options.threads
    gpus = options.gpus if options.gpus is not None or uses_gpu else 0
    if address or os.environ.get("RAY_ADDRESS"):
        return Device(f"Ray cluster at {address or os.environ['RAY_ADDRESS']}")
    cards = len(list(Path("/dev").glob("nvidia[0-9]*"))) if gpus is None or gpus > 0 else 0
    if cards:
        return Device(f"{cards} GPU{'s' if cards > 1 else ''} of this machine")
    if options.runner == "serial":
        more = "" if find_spec("ray") else "; with Ray (pip install 'vidatlas[ray]') it uses every core"
        return Device(f"{_processor()}, one process{more}", 1)
    workers = min(actors[1] if actors else cores(), cores())
    pool = f"{workers} actor{'s' if workers > 1 else ''} × {threads} thread{'s' if threads > 1 else ''}"
    return Device(f"{_processor()}, {pool}", workers * threads)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or "CPU",
    )


def show_tree(console: Console, atlas: Any, most: int = 3) -> None:
    """Print categories, their largest topics or subcategories with the share that a name fits, and the counts."""
    frame, levels, counts = atlas.subcategories(), atlas.levels(), atlas.counts
    sizes = frame.groupby("group")["size"].sum().sort_values(ascending=False, kind="stable")
    many = [atlas.nouns.records(counts["kept"]), atlas.nouns.groups(len(sizes)), f"{len(frame):,} subcategories"]
    tree = Tree(Text(" · ".join(many), style="bold"))
    for group, size in sizes.items():
        inside = frame[frame["group"] == group]
        branch = tree.add(plain(f"{group}  {size:,}").append(f"  in {len(inside)}", style="dim"))
        nodes = levels[(levels["group"] == group) & (levels["level"] == 1)]
        lone = inside[inside["levels"].map(len) == 0]
        top = [*nodes.itertuples(), *lone.itertuples()]
        for row in sorted(top, key=lambda row: -row.size)[:most]:
            below = f"  in {len(row.subcategories)}" if hasattr(row, "subcategories") else ""
            fits = "" if row.coverage is None or row.coverage != row.coverage else f"  fits {row.coverage:.0%}"
            branch.add(plain(f"{row.name}  {row.size:,}").append(below + fits, style="dim"))
    console.print(tree)
    console.print(
        plain(
            f"{counts['read']:,} read = {counts['kept']:,} kept + {counts['rejected']:,} "
            f"rejected + {counts['duplicates']:,} duplicates"
        )
    )


def show_status(console: Console, status: Json) -> None:
    """Print how far an atlas is."""
    shards, counts, progress = status["shards"], status["counts"], status["progress"]
    stages = "  ".join(f"{'✓' if done else '·'} {stage}" for stage, done in status["stages"].items())
    rows: list[tuple[str, Any]] = [("atlas", status["atlas"]), ("recipe", status["recipe"]), ("stages", stages)]
    if counts:
        rows.append(("input", f"{counts['read']:,} rows: {_outcome(counts)}"))
        left = shards["total"] - shards["done"]
        rows.append(("shards", f"{shards['done']:,} of {shards['total']:,}" + (f", {left:,} left" if left else "")))
    rows += _embedded(status["embedded"])
    if status["reduced"]:
        rows.append(
            (
                "reduced",
                f"{status['reduced']['subcategories']:,} subcategories in {status['reduced']['groups']:,} categories",
            )
        )
    if progress:
        rows.append(("last run", _last_run(progress)))
    if status["timings"]:
        rows.append(("time", ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in status["timings"].items())))
    if status["held"]:
        held = status["held"]
        rows.append(("held by", f"process {held.get('pid')} on {held.get('host')} since {held.get('since')}"))
    if status["content_sha256"]:
        rows.append(("content", f"sha256 {status['content_sha256']}"))
    console.print(_grid(rows))
    _show_rejects(console, counts)


def _embedded(counts: Json) -> list[tuple[str, Any]]:
    if not counts.get("texts"):
        return []
    distinct = f"{counts['distinct'] / counts['texts']:.0%} distinct"
    rows: list[tuple[str, Any]] = [
        ("embedded", f"{counts['kept']:,} records, {counts['texts']:,} texts, {distinct}, {counts['tokens']:,} tokens")
    ]
    if counts["compute_seconds"]:
        rate = counts["nodes"] / counts["compute_seconds"]
        share = f", {counts['gemm_share']:.0%} of a matrix product's speed" if counts["gemm_share"] else ""
        rows.append(("model", f"{counts['nodes']:,} tokens computed, {rate:,.0f} a second in each worker{share}"))
        if counts.get("idle_share") is not None:
            rows.append(("devices", f"idle {counts['idle_share']:.0%} of the time, waiting for shards"))
    if len(counts.get("batch_tokens", ())) > 1:
        rows.append(("memory", out_of_memory(counts["batch_tokens"])))
    if counts.get("redone"):
        rows.append(("redone", f"{counts['redone']:,} shards, whose worker or node went in the middle"))
    return rows


def _last_run(progress: Json) -> str:
    rate = f", {progress['rows_per_second']:,.0f} records/s" if progress.get("rows_per_second") else ""
    running, step = progress["state"] == "running", progress.get("step")
    whole = " of this step" if step else ""
    left = f", {duration(progress['eta_seconds'])} left{whole}" if running and progress.get("eta_seconds") else ""
    done = f"{progress['done']:,} of {progress['total']:,}" + (f", {step}" if step and running else "")
    return f"{progress['state']} in {progress['stage']} ({done}){rate}{left}; {duration(progress['age_seconds'])} ago"


def _show_rejects(console: Console, counts: Json) -> None:
    left_out = {**counts.get("rejects", {})}
    if counts.get("duplicates"):
        left_out[Reason.DUPLICATE_ID] = counts["duplicates"]
    ordered = sorted(left_out.items(), key=lambda item: -item[1])
    rows = ({"left out": reason, "rows": f"{count:,}", "why": Reason(reason).meaning} for reason, count in ordered)
    show_rows(console, rows)


def show_notes(console: Console, notes: Sequence[str], most: int = 3) -> None:
    """Print the first of what a reader must know, a line each, and how many more the report has."""
    for note in notes[:most]:
        console.print(plain(f"note    {note}"), soft_wrap=True)
    if len(notes) > most:
        console.print(f"        and {len(notes) - most:,} more: in report.html, under Known limits", highlight=False)


def show_json(console: Console, found: Any) -> None:
    """Print something as indented JSON; escaped, so that nothing it quotes can steer a terminal."""
    console.out(json.dumps(found, indent=2, default=str), highlight=False)


def json_rows(rows: Iterable[Json]) -> Iterator[str]:
    """Yield each row as a line of JSON, escaped like all that is printed of data; dates and times as ISO 8601."""
    yield from (json.dumps(row, default=_iso) + "\n" for row in rows)


def show_rows(console: Console, rows: Iterable[Json]) -> None:
    """Print rows as a table."""
    table: Table | None = None
    for row in rows:
        if table is None:
            table = Table(*row, box=None, padding=(0, 2), header_style="bold")
        table.add_row(*(plain(_cell(value)) for value in row.values()))
    if table is not None:
        console.print(table)


def _iso(value: Any) -> str:
    return str(value.isoformat()).replace("+00:00", "Z")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    return "" if value is None else str(value)
