"""Figures of a diffusion: its terms, its noise, its way from noise to x, and the effect of the number of steps."""

import torch
from torch import Tensor

from ...batch import Batch
from ...model import Model
from ...ops import keyed
from ...panels import Bars, Lines, Panel, Strip
from .noising import Noising
from .steps import descend

FEW, STRIP = 24, 10  # examples that are looked at, and shown
STEPS = (1, 2, 5, 10, 25, 50)  # that are compared
LEAST = 0.1  # nats that are told from none


def diffusion_panels(model: Model, noising: Noising, batch: Batch) -> tuple[Panel, ...]:
    """All figures of a model that can be cut into layers.

    Arguments: batch, of which a few examples are looked at.
    """
    few = Batch(batch.x[:FEW], y=None if batch.y is None else batch.y[:FEW])
    with keyed("panels"):
        chain = (_chain(model, noising),) if model.domain.is_image else ()
        return (_terms(model, few), _noise(noising), *chain, *_steps(model, noising, few))


def _terms(model: Model, batch: Batch) -> Bars:
    terms = model.infer(batch, 32)
    path, top = terms.rate.mean((0, 1)).tolist()
    return Bars(
        "The three terms of the bound",
        "−ELBO is the sum of three costs, in nats: the KL of pure noise z₁ to N(0, I), the steps from z₁ to z₀, and x "
        "given z₀. If both ends of γ are right, the first and the last are small.",
        ("noise z₁", "steps to z₀", "x given z₀"),
        (top, path, float(terms.distortion.mean())),
        "nats",
    )


def _noise(noising: Noising) -> Lines:
    t = torch.linspace(0, 1, 101, device=noising.centre.device, dtype=noising.centre.dtype)
    gamma, places = noising.noise.at(t)[0], t.tolist()
    straight = torch.lerp(gamma[0], gamma[-1], t)
    return Lines(
        "Noise over signal",
        "γ(t) is the logarithm of noise over signal at time t. The value of the bound depends only on both ends of the "
        "curve. Its shape decides how much the loss varies from one t to another; a good shape spends most time where "
        "most is learned.",
        {"γ(t)": (places, gamma.tolist()), "straight line": (places, straight.tolist())},
        "time t",
        "γ(t)",
    )


def _steps(model: Model, noising: Noising, batch: Batch) -> tuple[Panel, ...]:
    """What T layers lose of the bound, how far draws through T steps are from x, and those draws."""
    whole, y = float(model.infer(batch, 32).elbo.mean()), model.draw_labels(len(batch))
    lost, off, rows = [], [], []
    for steps in STEPS:
        bound = float(model.layers(steps).infer(batch, 1).elbo.mean())
        lost.append(max(whole - bound, LEAST))
        with keyed("one and many"):  # the same z₁ for each number of steps
            z = descend(noising, len(batch), noising.noise.steps(steps, "angle"), y)
            rows.append(model.decode(z).sample())
        off.append(_energy_distance(batch.x, rows[-1], noising.spread))
    found = (
        Lines(
            "The bound of T steps",
            f"The curve shows how many nats the ELBO of the model in T steps is below the ELBO in continuous time, "
            f"{whole:.1f} nats here; less than {LEAST} is shown as {LEAST}. A model in one step is a VAE with a fixed "
            "encoder and one Gaussian between its two layers.",
            {"nats lost": (STEPS, lost)},
            "steps T",
            "nats lost",
            log_x=True,
            log_y=True,
        ),
        Lines(
            "The draws of T steps",
            "The curve shows how far draws in T steps are from the data: their energy distance, in percent of the mean "
            "distance between an example and a draw. The draws are few, so look at the trend.",
            {"distance": (STEPS, off)},
            "steps T",
            "percent",
            log_x=True,
        ),
    )
    return (*found, _large_step([row[:STRIP] for row in rows])) if model.domain.is_image else found


def _large_step(rows: list[Tensor]) -> Strip:
    return Strip(
        "One large step or many small ones",
        "Each row shows draws in T steps. A column starts from the same noise z₁ in every row. One step can only draw "
        "from a Gaussian around one guess.",
        rows,
        [f"T = {steps}" for steps in STEPS],
    )


def _chain(model: Model, noising: Noising) -> Strip:
    gamma = noising.noise.steps(STEPS[-1], "angle")
    z = descend(noising, STRIP, gamma, model.draw_labels(STRIP))
    shown = [round(i * (len(z) - 1) / 7) for i in range(7, -1, -1)]
    rows = [noising.unscaled(z[s]) for s in shown]
    return Strip(
        "From noise to x",
        "Each column is one draw. It starts above from pure noise z₁ and ends below at z₀, which is x with a trace of "
        "noise.",
        torch.stack(rows),
        [f"γ = {float(gamma[s]):.1f}".replace("-", "−") for s in shown],
    )


def _energy_distance(x: Tensor, other: Tensor, spread: Tensor) -> float:
    """√(2 E‖x − x'‖ − E‖x − x₂‖ − E‖x' − x'₂‖) in percent of √(2 E‖x − x'‖), from few of each; 0 for equal ones."""
    a, b = (x / spread).flatten(1), (other / spread).flatten(1)
    B = len(a)
    across = torch.cdist(a, b).mean()
    within = (torch.cdist(a, a).sum() + torch.cdist(b, b).sum()) / max(1, B * (B - 1))
    return float(100 * ((2 * across - within).clamp(min=0) / (2 * across)).sqrt())
