"""Runs beside each other on standard output, the best first."""

from collections.abc import Sequence

from ..estimators.label import label_of
from ..evaluation.compare import Comparison, Row
from ..evaluation.findings import SIGNS
from .result_table import error_of
from .streams import print_lines, print_rows

BLOCKS = "▁▂▃▄▅▆▇█"


def print_comparison(found: Comparison) -> None:
    """The runs as a table, the best first, and what to keep in mind."""
    print_rows(
        [_compared(row) for row in found.rows], ("run", "model", "objective", "log p(x)", "behind", "how", "training")
    )
    print_lines(line for remark in found.remarks for line in ("", remark))


def _compared(row: Row) -> tuple[str, ...]:
    values, result = row.columns(), row.result
    behind = "" if row.difference == 0 and row.stderr is None else f"{-row.difference:.2f}{error_of(row.stderr)}"
    log_px = f"{SIGNS[result['direction']]} {result['log_px']:.2f}"
    how = label_of(result)
    return row.name, values["model"], values["objective"], log_px, behind, how, sparkline(row.curve[1])


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """A curve as a word of blocks: "▁▄▆▇███"."""
    if not values:
        return ""
    kept = [values[i * (len(values) - 1) // max(1, width - 1)] for i in range(min(width, len(values)))]
    low, high = sorted(kept)[len(kept) // 10], max(kept)
    return "".join(BLOCKS[round(7 * min(1.0, max(0.0, (v - low) / (high - low or 1.0))))] for v in kept)
