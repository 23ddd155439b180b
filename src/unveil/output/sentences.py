"""What verbs print: lines that any stream can write, lists, and the table of a result."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import RequestError

if TYPE_CHECKING:
    from ..evaluation.compare import Comparison, Row
    from ..settings.keys import Key

ASCII = str.maketrans(
    {
        "░": ".", "▒": ":", "▓": "*", "█": "#", "×": "x", "±": "+-", "−": "-", "–": "-", "—": "-", "…": "...",
        "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#",
        "≤": "<=", "≥": ">=", "→": "->", "·": ".", "σ": "sigma", "β": "beta", "α": "alpha", 
        "√": "sqrt ", "Σ": "sum ", "‖": "||",
    }
)  # fmt: skip
BLOCKS = "▁▂▃▄▅▆▇█"
WIDE = 1000  # characters, where no terminal says its width


def speakable(text: str, stream: TextIO) -> str:
    """`text` in the characters that a stream can write."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.translate(ASCII).encode("ascii", "replace").decode()
    return text


def say(lines: Iterable[str]) -> None:
    """Lines on standard error."""
    for line in lines:
        print(speakable(line, sys.stderr), file=sys.stderr, flush=True)


def print_rows(rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> None:
    """A table on standard output, as wide as the terminal, or without line breaks where there is none."""
    table = Table(box=None, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i in range(max(map(len, [*rows, heads]), default=0)):
        table.add_column(heads[i] if heads else "", no_wrap=i == 0, style="bold" if i == 0 else "")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(speakable(line.rstrip(), sys.stdout))


# -- lists ------------------------------------------------------------------------------------------------------------


def print_overview(kinds: Sequence[str]) -> None:
    """Every kind with the names in it."""
    from ..registry import load_all

    rows = [(kind, ", ".join(load_all(kind.removesuffix("s")))) for kind in kinds]
    print_rows([*rows, ("runs", "what was fitted in runs/"), ("keys", "every KEY=VALUE of unveil fit")])
    print("\nMore of each: unveil list KIND")


def print_parts(kind: str) -> None:
    """The names of a kind, each with its first sentence."""
    from ..registry import load_all

    print_rows([(name, _first_line(cls)) for name, cls in load_all(kind).items()])
    if kind == "estimator":
        from ..settings.keys import estimator_keys

        print("\nKEY=VALUE of unveil evaluate (--num-samples is estimator.num_samples):\n")
        _print_keys(estimator_keys())


def _first_line(cls: type) -> str:
    return str(getattr(cls, "summary", "")) or (cls.__doc__ or "").strip().split("\n")[0]


def print_keys() -> None:
    """Every key with its type, default and meaning."""
    from ..settings.keys import all_keys

    _print_keys(all_keys())


def _print_keys(keys: Sequence[Key]) -> None:
    rows = [(key.name, key.type_name, _default(key.default), key.meaning) for key in keys]
    print_rows(rows, ("key", "type", "default", "meaning"))


def _default(value: Any) -> str:
    return str(getattr(value, "registered", ("", value))[1]).lower() if value is not None else "none"


def print_runs(folder: Path) -> None:
    """The runs in a folder, with what they came to."""
    rows = [_run_row(path.parent) for path in sorted(folder.glob("*/config.json"), key=lambda p: p.stat().st_mtime)]
    if rows:
        print_rows(rows, ("run", "model", "source", "nats", "how"))
    else:
        print(f"There is no run in {folder.resolve()}. Make one with: unveil fit SOURCE")


def _run_row(path: Path) -> tuple[str, ...]:
    from ..runs.store import RunStore

    try:
        run = RunStore.load(path)
        model, source = run.config.model_name, run.config.where
        if not run.is_finished:
            return str(path), model, source, "", f"unfinished: unveil resume {path}"
        result = run.result
        return str(path), model, source, f"{result['log_px']:.2f}", f"{method(result)}, {result['direction']}"
    except (RequestError, KeyError) as error:
        return str(path), "", "", "", f"cannot be read: {error}"


# -- a result ---------------------------------------------------------------------------------------------------------


def method(result: Mapping[str, Any]) -> str:
    """IWAE-500, or exact."""
    name, samples = result["estimator"], result["num_samples"]
    return f"{name.upper()}-{samples}" if samples else str(name)


def print_result(result: Mapping[str, Any]) -> None:
    """A small table of a judged bound, and a sentence."""
    from ..evaluation.findings import SIDES, quantity

    print_rows([row for row in _result_rows(result) if row[1]])
    named = {"given": "examples of", "simulated": "examples made up by"}
    part = named.get(result["split"], f"examples of the {result['split']} split of")
    how = method(result) + ("" if result["precision"] == "float32" else f", decoder in {result['precision']},")
    text = (
        f"{quantity(result)} is {SIDES[result['direction']]} {result['log_px']:.2f}{_error(result['stderr'])} nats per "
        f"example: {how} on {result['num_examples']:,} {part} {result['source']}."
    )
    print_lines(["", text, *result.get("words", [])])
    print_lines([f"{found['code']}: {found['sentence']}" for found in result.get("findings", [])])


def print_tried(rows: Sequence[Sequence[str]], heads: Sequence[str], lines: Iterable[str]) -> None:
    """Refits as a table, and what to say below it."""
    print_rows(rows, heads)
    print_lines(["", *lines])


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output."""
    for line in lines:
        print(speakable(line, sys.stdout))


def _result_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    from ..evaluation.findings import quantity

    return [
        (quantity(result), f"{result['log_px']:.3f}{_error(result['stderr'], 3)} nats"),
        ("error of the estimator", _number(result["stderr_mc"], "{:.4f} nats")),
        ("upper side", _number(result.get("upper"), "{:.3f} nats")),
        ("gap between the sides", _gap_row(result)),
        ("bf16 \u2212 float32", _precision_row(result.get("precision_difference"))),
        ("accepted proposals", _number(result.get("accepted"), "{:.0%}")),
        ("bits per dimension", _number(result["bits_per_dim"], "{:.4f}")),
        ("ELBO", _number(result["elbo"], "{:.3f} nats")),
        ("rate", _number(result["rate"], "{:.3f} nats")),
        ("distortion", _number(result["distortion"], "{:.3f} nats")),
        ("active units", _number(result["active_units"], "{:,}")),
        ("effective samples", _number(result.get("ess"), f"{{:.1f}} of {result['num_samples']}")),
        ("k\u0302 above 0.7", _number(result.get("khat_above_0.7"), "{:.0%} of the examples")),
        ("binarization", result["binarization"] or ""),
        ("seconds", f"{result['seconds']:.1f}"),
    ]


def _gap_row(result: Mapping[str, Any]) -> str:
    if "gap" not in result:
        return ""
    spread = f"median {result['gap_median']:.4f}, 99th percentile {result['gap_p99']:.4f}"
    return f"{result['gap']:.4f}{_error(result['gap_stderr'], 4)} nats, {spread}"


def _precision_row(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    share = f"on {found['num_examples']:,} examples, at most {found['max_abs']:.4f}; not taken off"
    return f"{found['mean']:+.4f}{_error(found['stderr'], 4)} nats {share}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _error(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f" ± {value:.{digits}f}"


# -- a comparison -----------------------------------------------------------------------------------------------------


def print_comparison(found: Comparison) -> None:
    """The runs as a table, the best first, and what to keep in mind."""
    print_rows(
        [_compared(row) for row in found.rows], ("run", "model", "objective", "log p(x)", "behind", "how", "training")
    )
    for remark in found.remarks:
        print(f"\n{speakable(remark, sys.stdout)}")


def _compared(row: Row) -> tuple[str, ...]:
    from ..evaluation.findings import SIGNS

    values, result = row.columns(), row.result
    behind = "" if row.stderr is None else f"{-row.difference:.2f}{_error(row.stderr)}"
    log_px = f"{SIGNS[result['direction']]} {result['log_px']:.2f}"
    return row.name, values["model"], values["objective"], log_px, behind, method(result), sparkline(row.curve[1])


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """A curve as a word of blocks: "▁▄▆▇███"."""
    if not values:
        return ""
    kept = [values[i * (len(values) - 1) // max(1, width - 1)] for i in range(min(width, len(values)))]
    low, high = sorted(kept)[len(kept) // 10], max(kept)
    return "".join(BLOCKS[round(7 * min(1.0, max(0.0, (v - low) / (high - low or 1.0))))] for v in kept)


# -- a diagnosis ------------------------------------------------------------------------------------------------------


def print_diagnosis(found: Mapping[str, Any], page: Path) -> None:
    """The bracket as a table, what else was measured, and the findings with their remedies."""
    print_lines([f"{found['num_examples']:,} {found['split']} examples of {found['source']}", ""])
    if found["bracket"]:
        print_rows([_rung(row) for row in found["bracket"]["rows"]], ("log p(x)", "", "nats", "error", ""))
        print_lines(["", *found["bracket"]["words"]] if found["bracket"]["words"] else [])
    if found["gap"]:
        print_lines(["", *_gap(found["gap"])])
    for part in ("aggregate", "collapse", "codebook"):
        if found.get(part):
            print_lines(["", found[part]["words"]])
    if found["quality"]:
        print_lines(["", *_quality(found["quality"])])
    if found["structure"] and found["structure"]["labels"]:
        print_lines(["", _labels(found["structure"]["labels"])])
    print_lines(["", *(f"{name} was left out: {why}" for name, why in found["why"].items())])
    for finding in found["findings"]:
        print_lines([f"{finding['code']}: {finding['sentence']} {finding['remedy']}"])
    if not found["findings"]:
        print_lines(found["sentences"])
    print_lines(["", f"{page} shows it: How good is it, really"])


def _rung(row: Mapping[str, Any]) -> tuple[str, ...]:
    from ..evaluation.findings import SIGNS

    value, error = (_number(row[name], "{:.3f}") for name in ("log_px", "stderr_mc"))
    return row["name"], SIGNS[row["direction"]], value, f"± {error}", "" if row["strict"] else "heuristic"


def _gap(gap: Mapping[str, Any]) -> list[str]:
    amortisation, approximation = gap["amortisation"], gap["approximation"]
    return [
        f"Amortisation gap {amortisation['mean']:.2f} ± {amortisation['stderr']:.2f}, approximation gap "
        f"{approximation['mean']:.2f} ± {approximation['stderr']:.2f} nats.",
        gap["advice"],
    ]


def _quality(found: Mapping[str, Any]) -> list[str]:
    names = ("precision", "recall", "density", "coverage")
    pairs = ", ".join(f"{name} {found['samples'][name]:.2f} ({found['reference'][name]:.2f})" for name in names)
    return [f"Samples against held-out x, in brackets training x: {pairs}.", f"Distances in: {found['features']}."]


def _labels(found: Mapping[str, Any]) -> str:
    names = {"z": "z", "ppca": "pPCA codes of the same size", "x": "x itself"}
    told = ", ".join(f"{100 * found[name]['knn']:.0f} % from {words}" for name, words in names.items() if name in found)
    return f"Nearest neighbours tell the label: {told}."
