"""Real images with gaps: log p of what is observed, against the integral over a z of two dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unveil
from unveil.judging import make_estimator

GRID = torch.linspace(-6, 6, 121)


@pytest.mark.needs_data
def test_log_p_of_the_observed_pixels_is_the_integral_over_z(data_home: Path, tmp_path: Path) -> None:
    with np.load(data_home / "mnist.npz") as archive:
        images = archive["x_train"][:400].reshape(400, 28, 28)
    gone = np.random.default_rng(0).random(images.shape) < 0.3
    x = np.ma.masked_array((images > 127).astype(np.uint8), gone)
    options: dict[str, Any] = {"latent": 2, "model__network": "mlp", "model__width": 64, "model__depth": 1}
    run = unveil.fit(x, out=tmp_path / "run", steps=150, show=False, evaluation__num_samples=10, **options)
    assert run.result["observed"] == pytest.approx(0.7, abs=0.01)
    test = run.data.test.head(8)
    batch = test.batch(torch.arange(8))
    with torch.no_grad():
        found = make_estimator("iwae", 4000)(run.model, batch)

    z = torch.cartesian_prod(GRID, GRID)
    log_pz = -(z**2).sum(1) / 2 - np.log(2 * np.pi)
    with torch.no_grad():
        p = run.model.decode((z,)).mean.double().flatten(1)  # p(x_i=1|z), [grid, 784]
    seen = ~torch.from_numpy(gone[test.rows.numpy()]).flatten(1)
    v = batch.x.double().flatten(1)
    each = torch.where(v[:, None] > 0, p.log(), (1 - p).log())  # [B, grid, 784]
    log_px_z = torch.where(seen[:, None], each, 0.0).sum(-1)
    expected = (log_px_z + log_pz.double()).logsumexp(1) + 2 * torch.log(GRID[1] - GRID[0])

    assert (found.stderr_mc < 0.15).all()
    assert ((found.log_px - expected).abs() < 4 * found.stderr_mc + 0.005).all()
    whole = torch.where(v[:, None] > 0, p.log(), (1 - p).log()).sum(-1)
    assert (
        ((whole + log_pz.double()).logsumexp(1) - expected).abs() > 1
    ).all()  # a mask that is not used would be seen
