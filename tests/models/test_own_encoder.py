"""A model with an encoder of the user's own: fitted, saved, and brought back in another process to equal numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import unveil
from quick import PLAIN_KEYS, no_baselines
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian
from unveil.nn.mlp import MLPDecoder
from unveil.posteriors import DiagonalGaussian
from unveil.priors import StandardNormal

PARTS = """
import torch


class MyEncoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(5, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(x))
"""
AGAIN = """
import sys
import numpy as np
from unveil import Run
from my_parts import MyEncoder

np.save(sys.argv[3], Run.load(sys.argv[1], parts={"encoder": MyEncoder}).encode(np.load(sys.argv[2])).mean)
"""


def test_fitted_saved_and_loaded_in_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    from my_parts import MyEncoder

    x = np.random.default_rng(0).normal(size=(80, 5))
    np.save(tmp_path / "x.npy", x)
    domain = unveil.Domain("real", (5,))
    decoder = MLPDecoder(2, (5,), 1, width=12, depth=1)
    model = unveil.VAE(StandardNormal(2), MyEncoder(), DiagonalGaussian(12, 2), decoder, Gaussian(domain))
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    with no_baselines():
        run = unveil.fit(str(tmp_path / "x.npy"), model=model, steps=5, out=tmp_path / "run", show=False, **PLAIN_KEYS)
    assert not torch.equal(before["layer.weight"], run.model.encoder.state_dict()["layer.weight"])
    here = run.encode(x).mean

    with pytest.raises(RequestError, match="MyEncoder"):
        unveil.Run.load(tmp_path / "run").encode(x)

    where = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(unveil.__file__).parents[1]), str(tmp_path)])}
    names = [str(tmp_path / name) for name in ("run", "x.npy", "there.npy", "plugged.npy", "my_parts.py")]
    subprocess.run([sys.executable, "-c", AGAIN, *names[:3]], env=where, check=True, timeout=120)
    assert np.array_equal(here, np.load(names[2]))

    verb = ["encode", names[0], names[1], "-o", names[3], "--plugin", names[4]]
    subprocess.run([sys.executable, "-m", "unveil", *verb], env=where, check=True, timeout=120, capture_output=True)
    assert np.array_equal(here, np.load(names[3])[:, :2])
