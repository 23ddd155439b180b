"""Real images with gaps: log p of what is observed, against the integral over a z of two dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import unveil
from unveil.models.vae import VAE
from unveil.objectives import Elbo
from unveil.settings.judging import make_estimator
from unveil.train.loop import TrainState, fit, initialise
from unveil.train.stage import Stage

GRID = torch.linspace(-6, 6, 121)


@pytest.mark.needs_data
def test_log_p_of_the_observed_pixels_is_the_integral_over_z(data_home: Path) -> None:
    with np.load(data_home / "mnist.npz") as archive:
        images = archive["x_train"][:400].reshape(400, 28, 28)[:, ::2, ::2]
    gone = np.random.default_rng(0).random(images.shape) < 0.3
    data = unveil.load_data(np.ma.masked_array((images > 127).astype(np.uint8), gone))
    assert data.has_missing
    model = VAE.build(data.domain, has_missing=True, latent=2, network="mlp", width=64, depth=1)
    initialise(model, data.train, 0)
    stage = Stage(Elbo(), steps=150, batch_size=64)
    for _ in fit(model, data.train, stage, TrainState(model, stage), seed=0):
        pass
    model.eval()
    test = data.test.head(8)
    batch = test.batch(torch.arange(8))
    with torch.no_grad():
        found = make_estimator("iwae", 4000)(model, batch)

    z = torch.cartesian_prod(GRID, GRID)
    log_pz = -(z**2).sum(1) / 2 - np.log(2 * np.pi)
    with torch.no_grad():
        p = model.decode((z,)).mean.double().flatten(1)  # p(x_i=1|z), [grid, 784]
    seen = ~torch.from_numpy(gone[test.rows.numpy()]).flatten(1)
    v, cell = batch.x.double().flatten(1), 2 * torch.log(GRID[1] - GRID[0])

    def integral(counted: torch.Tensor) -> torch.Tensor:
        """log ∫ p(z) Π_i p(x_i|z) dz over the pixels that are counted."""
        log_px_z = (counted * v) @ p.log().T + (counted * (1 - v)) @ (1 - p).log().T  # [B, grid]
        return (log_px_z + log_pz).logsumexp(1) + cell

    expected = integral(seen.double())
    assert (found.stderr_mc < 0.15).all()
    assert ((found.log_px - expected).abs() < 4 * found.stderr_mc + 0.005).all()
    whole = integral(torch.ones_like(v))  # a mask that is not used would be seen
    assert ((whole - expected).abs() > 1).all()
