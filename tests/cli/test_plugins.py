"""docs/en/how-to/plugins.md: its part is chosen by name, and its commands work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cli.commands import finish, start

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "plugins.md").read_text(encoding="utf-8")


def test_the_example_is_fitted_and_used_as_it_is_written(tmp_path: Path) -> None:
    (example,) = re.findall(r"```{code-block} python\n:caption: my_parts.py\n\n(.*?)```", PAGE, re.S)
    (commands,) = re.findall(r"```console\n(unveil .*?)```", PAGE, re.S)
    (tmp_path / "my_parts.py").write_text(example, encoding="utf-8")
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8), np.uint8))
    fit, *later = [shlex.split(line)[1:] for line in commands.splitlines()]
    quick = ["--steps", "2", "train.compile=false", "train.precision=float32", "evaluation.num_samples=2"]
    quick += ["evaluation.baselines=none", "model.width=16"]
    done = finish(start(*fit, *quick, cwd=tmp_path))
    assert done.code == 0, done.err
    for words in later:
        done = finish(start(*words, cwd=tmp_path))
        assert done.code == 0, done.err
    at = later[0].index("--plugin")
    without = finish(start(*later[0][:at], *later[0][at + 2 :], cwd=tmp_path))
    assert without.code == 2 and "my_laplace" in without.err


def test_work_without_a_terminal_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    from unveil.output import counting as module

    with module.naming() as tell:
        for name in ("bracket", "bracket", "gap"):
            tell(name)
    assert capsys.readouterr().err.splitlines() == ["bracket ...", "gap ..."]
    with module.counting("examples", show=False) as nothing:
        assert nothing is None
