"""Every reader of a run's files, for `fuzzing`: a file is changed, and the run is used as each verb begins."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from hostile.fuzzing import register
from quick import fitted
from unveil.output.lists import run_row
from unveil.runs.curves import kept_step, validation_curve
from unveil.runs.store import RunStore
from unveil.use.score import score

X = np.zeros((2, 8, 8), np.uint8)
JSON = ("config.json", "data.json", "result.json", "continuations.json", "metrics.jsonl", "diagnosis.json")
TENSORS = ("weights.safetensors", "scores.safetensors")
STATES = ("state.json", "tensors.safetensors")
DIAGNOSIS = b"""{"format": "unveil-diagnosis-1", "source": "digits", "split": "test", "num_examples": 2, "seed": 0,
"seconds": 1.5, "bracket": {"num_examples": 2, "rows": [{"name": "ELBO", "direction": "lower", "log_px": -3.5,
"stderr_mc": 0.1}], "words": []}, "gap": null, "aggregate": null, "collapse": {"words": "z is used."}, "quality": null,
"structure": null, "findings": [], "sentences": ["Nothing looks wrong."], "why": {"gap": "it has none"}}"""
CONTINUATIONS = b'{"format": "unveil-continuations-1", "continuations": [{"phase": 0, "from_step": 2, "at": 1.5}]}'


@cache
def whole() -> Path:
    """A run with all of its files; nothing is changed in it."""
    path = Path(tempfile.mkdtemp()) / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted("digits", path, steps=4, latent=2, model__width=8)
    (path / "report.html").unlink(missing_ok=True)
    (path / "diagnosis.json").write_bytes(DIAGNOSIS)
    (path / "continuations.json").write_bytes(CONTINUATIONS)
    return path


def use(path: Path) -> None:
    """What the verbs do first with the run that a changed file is in; what is said of a repair is no fault."""
    run = path.parent / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(whole(), run)
    home = next((run / "state").glob("[0-9]*")) if path.name in STATES else run
    shutil.copy(path, home / path.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run_row(run)
        opened = RunStore.load(run)
        kept_step(opened)
        validation_curve(opened)
        opened.continuations, opened.diagnosis, opened.stages(), opened.result, opened.is_finished
        opened.scores("test")
        opened.checkpoint()
        score(opened, X)


def enter() -> None:
    """Register all of them."""
    state = next((whole() / "state").glob("[0-9]*"))
    for name in (*JSON, *TENSORS, *STATES):
        content = ((state if name in STATES else whole()) / name).read_bytes()
        register(name, [content], use)
