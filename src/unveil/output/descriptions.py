"""What the terminal shows of texts of pictures, and of a model of both."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..use.description import Description
from .streams import print_lines, print_rows


def print_descriptions(found: Sequence[Description]) -> None:
    """The texts of each picture, one below the other."""
    rows = [
        ((each.file or str(i)) if k == 0 else "", text, f"{log_p:.2f}", f"{error:.2f}")
        for i, each in enumerate(found)
        for k, (text, log_p, error) in enumerate(zip(each.texts, each.log_p, each.stderr, strict=True))
    ]
    print_rows(rows, ("picture", "text", "log p(text|picture)", "+-"))


def rows_of(found: Sequence[Description]) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """The columns of a table of all texts, for `write_table`."""
    rows = [
        (i, k + 1, *told)
        for i, each in enumerate(found)
        for k, told in enumerate(zip(each.texts, each.log_p, each.stderr, strict=True))
    ]
    names = ("row", "rank", "text", "log_p", "stderr")
    columns = {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}
    if any(each.file for each in found):
        columns = {"file": np.array([each.file for each in found for _ in each.texts])} | columns
    return columns, columns


def print_jointly(found: Mapping[str, Any]) -> None:
    """The figures of `evaluate_jointly`, in nats per example."""
    told = {name: value for name, value in found.items() if isinstance(value, Mapping) and "mean" in value}
    rows = [(name, f"{v['mean']:.2f}", f"{v['stderr']:.2f}", f"{v['stderr_mc']:.3f}") for name, v in told.items()]
    print_rows(rows, ("nats per example", "mean", "+-", "of that by draws"))
    print_lines(
        [
            f"{found['num_examples']:,} {found['split']} examples of which both are observed, {found['num_samples']} "
            "draws each. The first three are lower bounds. Differences have no side: they are off by what the bounds "
            "are."
        ]
    )
