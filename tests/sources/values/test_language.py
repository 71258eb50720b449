"""Languages of titles: those that are told, and texts that no detector likes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vidatlas.sources.values import language
from vidatlas.sources.values.columns import ARROW, typed
from vidatlas.sources.values.language import detector, language_of

needs_detector = pytest.mark.skipif(
    detector() is None, reason="pycld2 has no wheel here; Linux on x86-64 has, up to 3.13"
)


@needs_detector
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How I trolled a Pokemon tournament and nobody noticed", "en"),
        ("POURQUOI PERSONNE NE PARLE DE CES SECRETS ???", "fr"),
        ("ОНИ АПНУЛИ ТИТАНА, НО ПОТЕРЯЛИ РАССУДОК", "ru"),
        ("ついに時代が変わる...【パチンコ 実践】", "ja"),
        ("그녀가 돌아왔다... 툼레이더 신작 최초 공개", "ko"),
        ("محاكي الفلوس", "ar"),
    ],
)
def test_the_language_of_a_title_is_told(text: str, code: str) -> None:
    assert typed(text, "language") == code == language_of(text)


@pytest.mark.parametrize("text", ["", "123 🔥🔥", "\x00\x01\ud800 \ufffe", "\u202e!!!"])
def test_where_there_is_none_to_tell_there_is_none(text: str) -> None:
    assert language_of(text) is None


@needs_detector
def test_controls_and_lone_surrogates_do_not_hide_it() -> None:
    assert language_of("Why does\x00 nobody talk about\ud800 these secrets") == "en"


def test_without_the_package_no_language_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "detector", lambda: None)
    assert language_of("How I trolled a tournament") is None


def test_a_language_is_kept_as_text() -> None:
    assert ARROW["language"] == pa.string()
    assert typed(None, "language") is None
