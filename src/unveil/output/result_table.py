"""A judged bound on standard output: a small table and a sentence."""

from collections.abc import Mapping
from typing import Any

from ..estimators.label import label_of
from ..evaluation.carried import carried_words
from ..evaluation.findings import SIDES, labels_known_in_part, quantity
from .streams import print_lines, print_rows


def print_result(result: Mapping[str, Any]) -> None:
    """A small table of a judged bound, and a sentence."""
    print_rows([row for row in _result_rows(result) if row[1]])
    named = {"given": "examples of", "simulated": "examples made up by"}
    part = named.get(result["split"], f"examples of the {result['split']} split of")
    decoded = "" if result["precision"] == "float32" else f", decoder in {result['precision']},"
    how = f"{label_of(result)}{decoded} on {result['num_examples']:,}"
    text = (
        f"{quantity(result)} is {SIDES[result['direction']]} {result['log_px']:.2f}{error_of(result['stderr'])} nats "
        f"per example: {how} {part} {result['source']}{drawn(result)}.{labels_known_in_part(result)}"
    )
    carried = carried_words(dict(result))
    print_lines(["", text, *([carried] if carried else []), *result.get("words", [])])
    print_lines([f"{found['code']}: {found['sentence']}" for found in result.get("findings", [])])


def drawn(result: Mapping[str, Any]) -> str:
    """From how many the examples were drawn; nothing where all of them were taken."""
    count = result["num_examples"]
    total = result.get("drawn_from") or count
    return "" if total == count else f" ({total:,} in all; these were drawn with seed {result['seed']})"


def _result_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (quantity(result), f"{result['log_px']:.3f}{error_of(result['stderr'], 3)} nats"),
        ("median", number_of(result.get("median"), "{:.3f} nats")),
        ("error of the estimator", number_of(result["stderr_mc"], "{:.4f} nats")),
        ("upper side", number_of(result.get("upper"), "{:.3f} nats")),
        ("gap between the sides", _gap_row(result)),
        ("bf16 \u2212 float32", _precision_row(result.get("precision_difference"))),
        ("accepted proposals", number_of(result.get("accepted"), "{:.0%}")),
        ("bits per dimension", number_of(result["bits_per_dim"], "{:.4f}")),
        ("ELBO", number_of(result["elbo"], "{:.3f} nats")),
        ("rate", number_of(result["rate"], "{:.3f} nats")),
        ("distortion", number_of(result["distortion"], "{:.3f} nats")),
        ("active units", number_of(result["active_units"], "{:,}")),
        ("effective samples", number_of(result.get("ess"), f"{{:.1f}} of {result['num_samples']}")),
        ("k\u0302 above 0.7", number_of(result.get("khat_above_0.7"), "{:.0%} of the examples")),
        ("binarization", result["binarization"] or ""),
        ("seconds", f"{result['seconds']:.1f}"),
    ]


def _gap_row(result: Mapping[str, Any]) -> str:
    if "gap" not in result:
        return ""
    spread = f"median {result['gap_median']:.4f}, 99th percentile {result['gap_p99']:.4f}"
    return f"{result['gap']:.4f}{error_of(result['gap_stderr'], 4)} nats, {spread}"


def _precision_row(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    share = f"on {found['num_examples']:,} examples, at most {found['max_abs']:.4f}; not subtracted"
    return f"{found['mean']:+.4f}{error_of(found['stderr'], 4)} nats {share}"


def number_of(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def error_of(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f" ± {value:.{digits}f}"
