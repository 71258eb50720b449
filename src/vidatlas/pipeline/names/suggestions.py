"""Suggestions of names by a language model, a JSON file each, and ``names.csv``, in which a person accepts them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from vidatlas.pipeline.names.accepted import ByHand, keyed_rows, read_accepted
from vidatlas.pipeline.names.chat import Chat
from vidatlas.pipeline.names.prompt import VERSION, Refusal, messages_for, name_in
from vidatlas.recipe import recipe_of
from vidatlas.storage import store as layout
from vidatlas.storage.store import Store, to_json
from vidatlas.types import Event, Json, Listener, Place, ignore
from vidatlas.views.text import shown

COLUMNS = ("key", "group", "subcategory", "records", "name", "suggestion", "accepted", "terms", "examples")
"""Of ``names.csv``; only key and accepted are read back."""
EXAMPLES = 3
_MOST_SHOWN = 120
"""Characters of each text in a cell."""
_MOST_CHARS = 2_000
"""Characters of an answer that are kept: a longer one is no name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a model answered for one subcategory (``names/<key>.json``)."""

    key: str
    model: str
    prompt_version: int
    prompt_sha256: str
    answer: str
    suggestion: str | None
    refused: Refusal | None
    """Why the answer is no name."""


@dataclass(frozen=True, slots=True)
class Named:
    """Count the subcategories of an atlas by what ``names.csv`` holds of them."""

    subcategories: int
    asked: int
    suggested: int
    refused: Counter[str]
    accepted: int


def name_subcategories(
    atlas: Place, chat: Chat | None = None, limit: int | None = None, listener: Listener = ignore
) -> Named:
    """Write ``names.csv``; with a chat client, ask first for a suggestion for every subcategory that has none yet.

    Args:
        atlas: a reduced atlas; names that were accepted in its ``names.csv`` stay.
        chat: where to ask; None asks nobody, and lists the suggestions that are there.
        limit: ask for the largest subcategories only, so many.
        listener: told how far it has come.

    Raises:
        UsageError: the atlas is not reduced, or the server refuses the question.
        InputError: names.csv has an unusable line.
        UnavailableError: the server gives no answer. What it answered before is kept.
    """
    store = Store(atlas)
    rows = keyed_rows(store)
    read_accepted(store)  # a mistake in it should not cost an hour of asking
    asked = Counter[bool]()
    try:
        if chat:
            chosen = rows[:limit]
            for done, row in enumerate(chosen):
                listener(Event("name", done, len(chosen)))
                asked[_ask(store, chat, row, messages_for(row, recipe_of(store).publish.nouns))] += 1
            listener(Event("name", len(chosen), len(chosen)))
    finally:
        # Read anew: a person may have edited it meanwhile.
        found = _write(store, rows, read_accepted(store), asked[True])
    return found


def _ask(store: Store, chat: Chat, row: Json, messages: list[dict[str, str]]) -> bool:
    """Store the answer of a model for one subcategory; return whether it had to be asked."""
    prompt = hashlib.sha256(json.dumps(messages).encode()).hexdigest()
    known = _answer(store, row["key"])
    if known and (known.model, known.prompt_sha256) == (chat.model, prompt):
        return False
    text = chat.ask(messages)
    name = name_in(text)
    suggestion, refused = (None, name) if isinstance(name, Refusal) else (name, None)
    kept = text[:_MOST_CHARS].encode("utf-8", "replace").decode()
    answer = Answer(row["key"], chat.model, VERSION, prompt, kept, suggestion, refused)
    store.put(layout.suggestion(row["key"]), to_json(asdict(answer)))
    return True


def _answer(store: Store, key: str) -> Answer | None:
    return store.read_json_if_valid(layout.suggestion(key), Answer)


def _write(store: Store, rows: list[Json], accepted: ByHand, asked: int) -> Named:
    """Write names.csv: one line per subcategory, the largest first."""
    out, refused, suggested = io.StringIO(newline=""), Counter[str](), 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        answer = _answer(store, row["key"])
        # Checked again: the file may be a stranger's.
        name = (answer.refused or name_in(answer.answer)) if answer else ""
        if isinstance(name, Refusal):
            refused[str(name)] += 1
            name = ""
        suggested += bool(name)
        chosen = accepted.get((row["group"], row["subcategory"]))
        writer.writerow(
            [
                row["key"],
                _cell([row["group"]]),
                row["subcategory"],
                row["size"],
                _cell([row["name"]]),
                name,
                chosen.name if chosen else "",
                _cell(row["terms"]),
                _cell(row["exemplar_titles"][:EXAMPLES]),
            ]
        )
    # With a byte order mark, spreadsheets read the file as UTF-8.
    store.put(layout.NAMES, out.getvalue().encode("utf-8-sig"))
    return Named(len(rows), asked, suggested, refused, len(accepted))


def _cell(texts: Iterable[str]) -> str:
    """Return texts from data as one cell that a spreadsheet takes for text, not for a formula."""
    text = " | ".join(shown(text, _MOST_SHOWN) for text in texts)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
