"""Long work says on standard error that it goes on, also where there is no terminal."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from quick import fitted
from unveil.cli import main
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


@pytest.mark.parametrize(
    "words",
    [["--gap"], ["--audit"], ["--estimator", "sandwich", "--num-samples", "4", "estimator.num_distributions=40"]],
)
def test_long_judgements_are_not_silent(
    words: list[str], hasty: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    fitted(str(tmp_path / "x.npy"), tmp_path / "run", steps=20, latent=5)
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--limit", "5", "--json", *words]) == 0
    found = capsys.readouterr()
    assert " s\n" in found.err and found.out.lstrip().startswith("{")
