"""Tables for a part that was asked for and takes numbers alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.compressed import kind_of
from ..data.frames import is_frame
from ..data.tablefiles import SUFFIXES
from ..registry import lookup
from ..settings.choices import Choices


def as_numbers(choices: Choices, source: Any) -> tuple[Choices, tuple[str, ...]]:
    """The choices, a table being read as real numbers where a part takes no mixed columns, and a sentence."""
    asked = {kind: choices.names[kind] for kind in ("model", "likelihood") if kind in choices.names}
    own = next((name for kind, name in asked.items() if _takes_no_mixed(kind, name)), "")
    if not own or choices.data.domain != "auto" or choices.data.kinds or not _is_table(source):
        return choices, ()
    said = f"{own} takes numbers alone, so the columns of the table are read as real numbers (data.domain=real)."
    return replace(choices, values=choices.values | {"data": choices.values.get("data", {}) | {"domain": "real"}}), (
        said,
    )


def _takes_no_mixed(kind: str, name: str) -> bool:
    domains = getattr(lookup(kind, name), "domains", ())
    return bool(domains) and "mixed" not in domains


def _is_table(source: Any) -> bool:
    return is_frame(source) or (isinstance(source, str | Path) and kind_of(Path(source)) in SUFFIXES)
