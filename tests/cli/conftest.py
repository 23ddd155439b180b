"""A folder with a small source and one run, fitted by the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cli.commands import Call, Done, finish, start
from quick import PLAIN_WORDS as PLAIN
from quick import short_adaptation, short_gap
from unveil.cli import main


@pytest.fixture(autouse=True, scope="module")
def few_draws() -> Iterator[None]:
    """One mode in few dimensions: few draws will lay the kernels over it, and few steps fit a q."""
    with short_adaptation(), short_gap():
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x.npz, 300 digits; new.npz, 20 others; columns.npy, rows of numbers."""
    path = tmp_path_factory.mktemp("cli")
    images = load_digits().images.astype(np.uint8)
    np.savez(path / "x.npz", x=images[:300])
    np.savez(path / "new.npz", x=images[300:320])
    np.save(path / "columns.npy", np.random.default_rng(0).normal(size=(60, 3)))
    return path


@pytest.fixture(scope="session")
def fitted(folder: Path) -> Done:
    """`unveil fit`, which leaves the directory `run` in the folder."""
    return finish(start("fit", "x.npz", "--steps", "60", *PLAIN, "--out", "run", cwd=folder))


@pytest.fixture
def call(folder: Path, fitted: Done, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """A command in this process, in the folder."""
    assert fitted.code == 0, fitted.err
    monkeypatch.chdir(folder)

    def called(*words: str) -> Done:
        capfd.readouterr()
        code = main(words)
        return Done(code, *capfd.readouterr())

    return called
