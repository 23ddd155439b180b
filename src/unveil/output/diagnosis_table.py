"""A diagnosis on standard output: the bracket of log p(x) as a table, then what was found and what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..evaluation.findings import SIGNS
from .result_table import drawn, number_of
from .streams import print_lines, print_rows

SYNTHETIC = ("synthetic rows", "", "real rows, or by chance", "better")


def print_diagnosis(found: Mapping[str, Any], page: Path) -> None:
    """The bracket as a table, what else was measured, and the findings with their remedies."""
    print_lines([f"{found['num_examples']:,} {found['split']} examples of {found['source']}{drawn(found)}", ""])
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
    if found.get("synthetic"):
        print_lines([""])
        print_rows(found["synthetic"]["rows"], SYNTHETIC)
        print_lines(["", *found["synthetic"]["words"]])
    print_lines(["", *_left_out(found["why"])])
    for finding in found["findings"]:
        print_lines([f"{finding['code']}: {finding['sentence']} {finding['remedy']}"])
    if not found["findings"]:
        print_lines(found["sentences"])
    print_lines(["", f'The report shows it, under "How good is it, really": {page}'])


def _left_out(why: Mapping[str, str]) -> list[str]:
    """What was not measured, a sentence for each reason."""
    parts: dict[str, list[str]] = {}
    for name, reason in why.items():
        parts.setdefault(reason, []).append(name)
    return [
        f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} left out: {reason}"
        for reason, names in parts.items()
    ]


def _rung(row: Mapping[str, Any]) -> tuple[str, ...]:
    value, error = (number_of(row[name], "{:.3f}") for name in ("log_px", "stderr_mc"))
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
    compared = f"Samples compared with held-out x (in brackets: training x): {pairs}."
    return [compared, f"Distances are measured in {found['features']}."]


def _labels(found: Mapping[str, Any]) -> str:
    names = {"z": "z", "ppca": "pPCA codes of the same size", "x": "x itself"}
    told = ", ".join(f"{100 * found[name]['knn']:.0f} % from {words}" for name, words in names.items() if name in found)
    return f"Nearest neighbours find the label of a test example: {told}."
