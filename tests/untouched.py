"""What a refit may not do: look at test examples, or leave anything behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quick import PLAIN
from unveil.api import Run
from unveil.data import Split
from unveil.fitting.prepare import prepare
from unveil.fitting.signals import StopRequests
from unveil.fitting.trainer import Trainer


class Poisoned(Split):
    """A split that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test examples were looked at: {name}")

    def __len__(self) -> int:
        raise AssertionError("the test examples were looked at: their number")


def trained(x: np.ndarray, out: Path, **options: Any) -> Run:
    """A run on an array in memory with weights and no result; its test examples poisoned."""
    fitting = prepare(x, out=out, options=PLAIN, **options)
    run = Run(fitting.start())
    list(Trainer(run.store, fitting.data, fitting.model, fitting.plan.problem).train(StopRequests()))
    run._data = replace(fitting.data, test=object.__new__(Poisoned))
    return run


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with the time it was written."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
