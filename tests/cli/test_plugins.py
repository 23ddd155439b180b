"""docs/plugins.md: its part is chosen by name, and its commands work as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def run_here(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    more = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "unveil", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **more}, check=False)


def test_the_example_is_fitted_and_used_as_it_is_written(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (commands,) = re.findall(r"```\n(unveil .*?)```", PAGE, re.S)
    (tmp_path / "my_parts.py").write_text(example, encoding="utf-8")
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8), np.uint8))
    fit, *later = [shlex.split(line)[1:] for line in commands.splitlines()]
    quick = ["--steps", "2", "train.compile=false", "train.precision=float32", "evaluation.num_samples=2"]
    done = run_here(tmp_path, *fit, *quick)
    assert done.returncode == 0, done.stderr
    for words in later:
        done = run_here(tmp_path, *words)
        assert done.returncode == 0, done.stderr
    at = later[0].index("--plugin")
    without = run_here(tmp_path, *later[0][:at], *later[0][at + 2 :])
    assert without.returncode == 2 and "my_laplace" in without.stderr


def test_work_without_a_terminal_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    from unveil.output import counting as module

    with module.naming() as tell:
        for name in ("bracket", "bracket", "gap"):
            tell(name)
    assert capsys.readouterr().err.splitlines() == ["bracket ...", "gap ..."]
    with module.counting("examples", show=False) as nothing:
        assert nothing is None
