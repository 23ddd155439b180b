"""Lists on standard output: the parts to choose from, the keys, the runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..estimators.label import label_of
from ..legible import quoted
from ..registry import load_all
from ..runs.paths import runs_in
from ..runs.store import RunStore
from ..settings.keys import Key, estimator_keys
from .streams import print_lines, print_rows


def print_overview(kinds: Sequence[str]) -> None:
    """Every kind with the names in it."""
    rows = [(kind, ", ".join(load_all(kind.removesuffix("s")))) for kind in kinds]
    print_rows([*rows, ("runs", "the runs in runs/"), ("keys", "every KEY=VALUE of unveil fit")])
    print_lines(["", "More of each: unveil list KIND"])


def print_parts(kind: str) -> None:
    """The names of a kind, each with its first sentence."""
    print_rows([(name, _first_line(cls)) for name, cls in load_all(kind).items()])
    if kind == "estimator":
        words = "Settings that unveil evaluate takes as KEY=VALUE (--num-samples is estimator.num_samples):"
        print_lines(["", words, ""])
        print_keys(estimator_keys())


def _first_line(cls: type) -> str:
    summary = getattr(cls, "summary", "")  # of an estimator it is a method
    return (summary if isinstance(summary, str) else "") or (cls.__doc__ or "").strip().split("\n")[0]


def print_keys(keys: Sequence[Key]) -> None:
    """Keys with their types, defaults and meanings."""
    rows = [(key.name, key.type_name, _default(key.default), key.meaning) for key in keys]
    print_rows(rows, ("key", "type", "default", "meaning"))


def _default(value: Any) -> str:
    return str(getattr(value, "registered", ("", value))[1]).lower() if value is not None else "none"


def print_runs(folder: Path) -> None:
    """The runs in a folder, with what they came to."""
    rows = [run_row(path) for path in runs_in(folder)]
    if rows:
        print_rows(rows, ("run", "model", "source", "nats", "how"))
    else:
        print_lines([f"There is no run in {folder.resolve()}. Make one with: unveil fit SOURCE"])


def run_row(path: Path) -> tuple[str, ...]:
    """A run in a table; of one that cannot be read, why."""
    try:
        run = RunStore.load(path)
        model, source = run.config.model_name, run.config.where
        if not run.is_finished:
            return str(path), model, source, "", f"unfinished: unveil resume {quoted(path)}"
        result = run.result
        how = label_of(result)
        return str(path), model, source, f"{result['log_px']:.2f}", f"{how}, {result['direction']}"
    except (RequestError, OSError) as error:
        return str(path), "", "", "", f"cannot be read: {error}"
