"""One process writes in a run, a second is told who does; no two fits share a folder."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forked import forked
from unveil import load_data
from unveil.data import Data
from unveil.errors import RequestError, Unwritten
from unveil.runs import locking
from unveil.runs.config import RunConfig
from unveil.runs.locking import made_alone, only_one
from unveil.runs.paths import HOLDER, LOCK
from unveil.runs.store import RunStore

SAVED = Path(__file__).parent / "0.1.0" / "vae"
CONFIG = json.loads((SAVED / "config.json").read_text(encoding="utf-8"))
FORKS = 8


def created(path: Path, seed: int, numbered: bool, data: Data) -> RunStore:
    return RunStore.create(path, RunConfig.of_json(CONFIG | {"seed": seed}), data, numbered=numbered)


def some() -> Data:
    return load_data(np.arange(40, dtype=np.float32).reshape(20, 2))


def race(path: Path, numbered: bool) -> dict[int, str]:
    """What each of eight processes that begin at one moment came to: its folder, or what it was told."""
    context: Any = multiprocessing.get_context("fork")
    barrier, found, data = context.Barrier(FORKS), context.SimpleQueue(), some()

    def begin(seed: int) -> None:
        barrier.wait()
        try:
            found.put((seed, str(created(path, seed, numbered, data).path)))
        except RequestError as error:
            found.put((seed, f"refused: {error}"))

    children = [context.Process(target=begin, args=(seed,)) for seed in range(FORKS)]
    for child in children:
        child.start()
    told = dict(found.get() for _ in children)
    for child in children:
        child.join()
    return told


def test_fits_that_begin_at_one_moment_have_each_their_folder_and_their_choices(tmp_path: Path) -> None:
    told = forked(race, tmp_path / "runs" / "x-vae-1", True)
    assert len(set(told.values())) == FORKS
    for seed, path in told.items():
        assert json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))["seed"] == seed
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == [f"x-vae-{n}" for n in range(1, FORKS + 1)]


def test_of_fits_that_are_given_one_folder_all_but_one_are_refused(tmp_path: Path) -> None:
    told = forked(race, tmp_path / "run", False)
    (seed,) = [seed for seed, path in told.items() if not path.startswith("refused")]
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["seed"] == seed
    assert all("holds a run" in path or "Another process" in path for other, path in told.items() if other != seed)


def test_what_a_killed_fit_had_begun_is_taken_over_and_a_folder_of_anything_else_is_not(tmp_path: Path) -> None:
    for name in (LOCK, HOLDER, "data.json", f".unveil-{'0' * 16}.tmp"):
        (tmp_path / name).touch()
    with made_alone(tmp_path) as path:
        assert not (path / f".unveil-{'0' * 16}.tmp").exists()
    (tmp_path / LOCK).unlink()
    with pytest.raises(RequestError, match="is not empty"), made_alone(tmp_path):
        pass


def test_a_folder_whose_beginning_fails_goes_again(tmp_path: Path) -> None:
    with pytest.raises(Unwritten), made_alone(tmp_path / "run") as path:
        (path / "data.json").touch()
        raise Unwritten("full")
    assert not (tmp_path / "run").exists()


def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "PATIENCE", 0.0)
    with only_one(tmp_path):
        with pytest.raises(RequestError) as refused, only_one(tmp_path):
            pass
        assert f"Another process ({os.getpid()} on {socket.gethostname()}, since 20" in refused.value.message
        assert refused.value.hint == f"Wait for it, or stop it: kill {os.getpid()}"
    assert locking.holder(tmp_path) == "" and not (tmp_path / HOLDER).exists()


def test_a_note_of_a_killed_process_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another process has its number now."""
    monkeypatch.setattr(locking, "PATIENCE", 0.0)
    context: Any = multiprocessing.get_context("fork")

    def hold() -> None:
        with only_one(tmp_path):
            time.sleep(60)

    child = context.Process(target=hold)
    child.start()
    while not (tmp_path / HOLDER).exists():
        time.sleep(0.002)
    with pytest.raises(RequestError, match=str(child.pid)), only_one(tmp_path):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert (tmp_path / HOLDER).exists() and locking.holder(tmp_path) == ""
    noted = json.loads((tmp_path / HOLDER).read_text(encoding="utf-8"))
    (tmp_path / HOLDER).write_text(json.dumps(noted | {"pid": os.getpid()}), encoding="utf-8")
    assert locking.holder(tmp_path) == ""
    with only_one(tmp_path):
        pass


def test_choices_that_another_process_wrote_are_read_again(tmp_path: Path) -> None:
    one = created(tmp_path / "run", 0, False, some())
    other = RunStore.load(one.path)
    with other.lock():
        other.write_config(RunConfig.of_json(CONFIG | {"seed": 5}))
    with one.lock(), one.lock():
        assert one.config.seed == 5
