"""YAML text of recipes and of ``--set``: plain data, without aliases, bounded in size."""

from __future__ import annotations

import re
from typing import Any

import yaml

from vidatlas.errors import UsageError

_MOST_CHARS = 1_000_000
"""Most characters of a recipe."""
_SIGNS = re.compile(r"""(?!(["']).*\1$)[^\w\n~\[\]{}]+|[@`%*|>#][^\n]*|\{\w+\}[^\n]+""")
"""Text that YAML would read as syntax: signs alone, but for quoted ones, null and brackets; or behind an indicator, or
behind a ``{name}``."""


class _Loader(yaml.SafeLoader):
    """Read YAML without aliases: a kilobyte of them can expand to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {line} has an alias (*); write the value itself")
        return super().compose_node(parent, index)


def from_yaml(text: str) -> Any:
    """Return the content of YAML as plain data.

    Raises:
        yaml.YAMLError: it is not valid, too large, nested too deeply, or has aliases.
    """
    if len(text) > _MOST_CHARS:
        raise yaml.YAMLError(f"it is longer than {_MOST_CHARS:,} characters")
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except ValueError as error:
        # From PyYAML's constructors of dates and numbers.
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()


def parse_set(text: str) -> tuple[str, Any]:
    """Return the recipe key and value of one ``--set key=value``; the value is parsed as YAML.

    Raises:
        UsageError: it has no "=", or the value is not valid YAML.

    A value that is only signs, such as ``|``, ``#`` or ``::``, and one that begins with a sign of YAML's own, such as
    ``@name`` or ``{country}videos.csv``, is that text.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: write it as key=value, for example --set encoder.model=/path/to/model")
    try:
        return key.strip(), value if _SIGNS.fullmatch(value) else from_yaml(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {text}: the value is not valid YAML ({' '.join(str(error).split())}).") from error
