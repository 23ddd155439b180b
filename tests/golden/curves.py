"""Short trainings whose loss curves are kept as text. `python tests/golden/regenerate.py` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from unveil.data import Split, load
from unveil.domain import Domain
from unveil.model import Model
from unveil.models.autoregressive import Autoregressive
from unveil.models.hvae import HVAE
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE
from unveil.models.vdm import VDM
from unveil.models.vqvae import VQVAE
from unveil.objectives import Elbo, FreeBits, Iwae, Objective
from unveil.ops import keyed
from unveil.train.loop import fit
from unveil.train.stage import Stage

FOLDER = Path(__file__).parent
COLUMNS = ("bound", "rate", "distortion")


def digits() -> Split:
    return load("digits").train


def real() -> Split:
    """400 rows of two correlated latents, in float32."""
    with keyed("golden"):
        x = 3 + torch.randn(400, 2) @ torch.randn(2, 7) + 0.4 * torch.randn(400, 7)
    return Split(x, None, Domain("real", (7,)), "none", torch.arange(400))


def vae(domain: Domain) -> Model:
    with keyed("golden weights"):
        return VAE.build(domain, latent=6, width=48)


def hvae(domain: Domain) -> Model:
    """Groups on two grids, and a vector on top."""
    with keyed("golden weights"):
        return HVAE.build(domain, latent=6, width=16, network="grid", num_groups=4, cell=1)


def vdm(domain: Domain) -> Model:
    with keyed("golden weights"):
        return VDM.build(domain, width=16)


def linear_gaussian(domain: Domain) -> Model:
    with keyed("golden weights"):
        return LinearGaussian(domain, latent=2, noise="diagonal")


def mixture(domain: Domain) -> Model:
    with keyed("golden weights"):
        return Mixture(domain, num_components=5)


def vqvae(domain: Domain) -> Model:
    with keyed("golden weights"):
        return VQVAE.build(domain, latent=4, codebook_size=32, width=16)


def autoregressive(domain: Domain) -> Model:
    with keyed("golden weights"):
        return Autoregressive.build(domain, width=12, depth=2)


Curve = list[tuple[float, ...]]
CURVES: dict[str, tuple[Callable[[], Split], Callable[[Domain], Model], Objective, int]] = {
    "vae-elbo": (digits, vae, Elbo(warmup=0.5), 40),
    "vae-iwae": (digits, vae, Iwae(num_samples=4), 40),
    "hvae": (digits, hvae, FreeBits(floor=2.0, floor_end=0.0), 40),
    "vdm": (digits, vdm, Elbo(warmup=0.0), 30),
    "linear_gaussian": (real, linear_gaussian, Elbo(num_samples=8), 6),
    "mixture": (digits, mixture, Elbo(), 12),
    "vqvae": (digits, vqvae, Elbo(warmup=0.5), 40),
    "autoregressive": (digits, autoregressive, Elbo(), 20),
}


def curve(name: str) -> Curve:
    """One row per step: bound, rate and distortion, in nats."""
    data, build, objective, steps = CURVES[name]
    split = data()
    stage = Stage(objective, steps=steps, batch_size=64, lr=1e-2, ema_half_life=500.0)
    return [tuple(step[c] for c in COLUMNS) for step in fit(build(split.domain), split, stage, seed=1)]


def read(name: str) -> Curve:
    _, *lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [tuple(map(float, line.split()[1:])) for line in lines]


def write(name: str) -> None:
    rows = [f"{i:4d} " + " ".join(f"{v:14.6f}" for v in row) for i, row in enumerate(curve(name), 1)]
    header = "step " + " ".join(f"{c:>14}" for c in COLUMNS)
    (FOLDER / f"{name}.txt").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
