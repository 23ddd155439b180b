"""A call that writes fails, or the process ends there: one sentence, nothing half-written, and the same run at last."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forked import forked
from hostile.disk import Disk, standing_between
from hostile.lives import Case, Struck, struck_lives
from quick import fitted
from unveil.api import Run, pack
from unveil.cli.failures import failure
from unveil.errors import REMEDIES, Unwritten
from unveil.output.exports import write_table
from unveil.runs.metrics import append_metrics, read_metrics

CASES: tuple[Case, ...] = (  # the fault, the call, the file, and which of such calls
    ("ENOSPC", "write", "metrics.jsonl", 1),
    ("EIO", "fsync", "state", -1),
    ("full", "mkdir", "state", 2),
    ("read-only", "replace", "result.json", -1),
    ("killed before", "replace", "result.json", 0),
    ("killed after", "replace", "weights.safetensors", -1),
    ("killed before", "replace", "report.html", 0),
    ("killed within", "write", "metrics.jsonl", -1),
)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Struck]:
    folder = str(tmp_path_factory.mktemp("lives"))
    return dict(zip(CASES, forked(struck_lives, folder, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_a_life_that_is_struck_comes_to_the_same(ends: dict[Case, Struck], case: Case) -> None:
    end = ends[case]
    assert end.wrong == "" and end.status == (-9 if case[0].startswith("killed") else 1)
    assert end.status == -9 or (" could not be written: " in end.told and "unveil resume" in end.told)


@pytest.fixture(scope="module")
def x(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("x") / "x.npy"
    np.save(path, np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def run(x: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(str(x), tmp_path_factory.mktemp("run").resolve() / "run", steps=2, latent=2, model__width=4)


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_what_the_system_says_is_one_sentence_and_exit_status_1(number: int, tmp_path: Path) -> None:
    told = failure(Unwritten.of(tmp_path / "x", OSError(number, os.strerror(number))))
    assert told.exit == 1 and told.hint and told.message == f"{tmp_path}/x could not be written: {os.strerror(number)}."
    if number not in (errno.EACCES, errno.EPERM):
        assert failure(OSError(number, os.strerror(number), "x")).exit == 1


WRITERS: dict[str, Callable[[Run, Path], Any]] = {
    "report": lambda run, out: run.report(),
    "relink": lambda run, out: run.relink(run.store.config.where),
    "resume": lambda run, out: run.resume(steps=1),
    "pack": lambda run, out: pack(run, out / "pack"),
    "table": lambda run, out: write_table(out / "t.csv", {"x": np.zeros(3)}, {}),
}


@pytest.mark.parametrize("verb", WRITERS)
def test_a_verb_on_a_full_disk_leaves_everything_as_it_was(verb: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    shutil.copytree(run.path, folder / "run")
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    with standing_between(Disk(folder, 2, "full")), pytest.raises(Unwritten, match="No space left on device"):
        WRITERS[verb](Run.load(folder / "run"), folder)
    left = {path.relative_to(folder) for path in folder.rglob("*")} - set(before)
    assert {path.name for path in left} <= {".lock"}


def test_verbs_that_read_write_nothing(run: Run, x: Path) -> None:
    """So that they work on a run that is read-only."""
    opened = Run.load(run.path)
    with standing_between(Disk(run.path, 1, "read-only")) as disk:
        opened.score(np.zeros((2, 3), np.float32))
        opened.encode(np.zeros((2, 3), np.float32))
        opened.evaluate(num_samples=2)
        opened.sample(2)
    assert disk.calls == []


def test_a_row_of_metrics_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    metrics = tmp_path.resolve() / "metrics.jsonl"
    append_metrics(metrics, {"phase": 0, "step": 1})
    with standing_between(Disk(tmp_path.resolve(), 2, "ENOSPC")), pytest.raises(Unwritten):
        append_metrics(metrics, {"phase": 0, "step": 2})
    assert [row["step"] for row in read_metrics(metrics)] == [1]
