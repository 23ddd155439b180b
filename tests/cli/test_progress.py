"""Long work says on standard error that it goes on, also where there is no terminal."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from quick import fitted
from unveil.cli import main
from unveil.diagnostics.gap import gap
from unveil.estimators.bounds import IwaeBound
from unveil.evaluation import diagnose
from unveil.output import counting


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "EVERY", 0.05)


def test_a_line_comes_while_nothing_is_told(hasty: None, capsys: pytest.CaptureFixture[str]) -> None:
    with counting.counting("examples") as progress:
        time.sleep(0.2)
        assert progress is not None
        progress(128, 1000)
        time.sleep(0.2)
    found = capsys.readouterr()
    assert "examples, 0 s" in found.err and "examples 128/1,000, 0 s" in found.err and not found.out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("progress")
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32))
    fitted(str(folder / "x.npy"), folder / "run", steps=5, latent=5, model__width=16)
    return str(folder / "run")


@pytest.mark.parametrize(
    "words",
    [["--gap"], ["--audit"], ["--estimator", "sandwich", "--num-samples", "4", "estimator.num_distributions=40"]],
)
def test_long_judgements_are_not_silent(
    words: list[str], run: str, hasty: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(diagnose, "gap", partial(gap, steps=15, estimator=IwaeBound(num_samples=10)))
    capsys.readouterr()
    assert main(["evaluate", run, "--limit", "2", "--json", *words]) == 0
    found = capsys.readouterr()
    assert " s\n" in found.err and found.out.lstrip().startswith("{")
