"""Figures of a diffusion: its terms, its noise, its way from noise to x, and the effect of the number of steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...batch import Batch
from ...model import Model
from ...model.shared.panels import Bars, Lines, Panel, Strip
from ...ops import keyed
from .noising import Noising
from .steps import descend

FEW, STRIP = 24, 10  # examples that are looked at, and shown
STEPS = (1, 2, 5, 10, 25, 50)  # that are compared
LEAST = 0.1  # nats that are told from none


def diffusion_panels(model: Model, noising: Noising, batch: Batch) -> dict[str, Panel]:
    """All figures of a model that can be cut into layers.

    Arguments: batch, of which a few examples are looked at.
    """
    few = Batch(batch.x[:FEW], y=None if batch.y is None else batch.y[:FEW])
    with keyed("panels"):
        found: dict[str, Panel] = {"terms": _terms(model, few), "noise": _noise(noising)}
        if model.domain.is_image:
            found["chain"] = _chain(model, noising)
        return found | _steps(model, noising, few)


def _terms(model: Model, batch: Batch) -> Bars:
    terms = model.infer(batch, 32)
    path, top = terms.rate.mean((0, 1)).tolist()
    return Bars(
        "The three terms of the bound",
        "What x costs in nats: the end of the noising, whose p(z₁) is N(0, I); the way back from there to z₀; and "
        "x given z₀. All but the way is small where the ends of γ are right.",
        ("the end, z₁", "the way to z₀", "x given z₀"),
        (top, path, float(terms.distortion.mean())),
        "nats",
    )


def _noise(noising: Noising) -> Lines:
    t = torch.linspace(0, 1, 101, device=noising.centre.device, dtype=noising.centre.dtype)
    gamma, places = noising.noise.at(t)[0], t.tolist()
    straight = torch.lerp(gamma[0], gamma[-1], t)
    return Lines(
        "Noise over signal",
        "γ(t), the logarithm of noise over signal. The bound depends on its ends alone; on the way between them "
        "depends how much the bound varies from one time to another, and there it spends most time where most "
        "is learned.",
        {"γ(t)": (places, gamma.tolist()), "straight": (places, straight.tolist())},
        "time t",
        "γ(t)",
    )


def log_lost(nats: float) -> float:
    """log₁₀ of the nats that a bound loses, no less than `LEAST`."""
    return math.log10(max(nats, LEAST))


def _steps(model: Model, noising: Noising, batch: Batch) -> dict[str, Panel]:
    """What T layers lose of the bound, how far draws through T steps are from x, and those draws."""
    whole, y = float(model.infer(batch, 32).elbo.mean()), model.draw_labels(len(batch))
    lost, off, rows = [], [], []
    for steps in STEPS:
        bound = float(model.layers(steps).infer(batch, 1).elbo.mean())
        lost.append(log_lost(whole - bound))
        with keyed("one and many"):  # the same z₁ for each number of steps
            z = descend(noising, len(batch), noising.noise.steps(steps, "angle"), y)
            rows.append(model.decode(z).sample())
        off.append(_energy_distance(batch.x, rows[-1], noising.spread))
    found: dict[str, Panel] = {
        "steps_bound": Lines(
            "The bound against the number of steps",
            f"What the model with T steps loses of the bound in continuous time, {whole:.1f} nats here: a power "
            "of 10. One step is a VAE with a fixed encoder and one Gaussian between its two layers.",
            {"nats lost": (STEPS, lost)},
            "steps T",
            "log₁₀ of nats lost",
            log_x=True,
        ),
        "steps_quality": Lines(
            "Draws against the number of steps",
            "How far draws through T steps are from the data: energy distance, in percent of the distance of two "
            "examples. Few draws, so the trend counts.",
            {"distance": (STEPS, off)},
            "steps T",
            "percent",
            log_x=True,
        ),
    }
    if model.domain.is_image:
        found["large_step"] = Strip(
            "One large step, or many small ones",
            "Draws through T steps, from the same z₁ in each column: one step is a Gaussian around one guess.",
            torch.stack([row[:STRIP] for row in rows]),
            [f"T = {steps}" for steps in STEPS],
        )
    return found


def _chain(model: Model, noising: Noising) -> Strip:
    gamma = noising.noise.steps(STEPS[-1], "angle")
    z = descend(noising, STRIP, gamma, model.draw_labels(STRIP))
    shown = [round(i * (len(z) - 1) / 7) for i in range(7, -1, -1)]
    rows = [noising.unscaled(z[s]) for s in shown]
    return Strip(
        "From noise to x",
        "z on its way down from z₁, pure noise, to z₀, which is x but for a trace of it, in steps of the angle whose "
        "tangent is noise over signal.",
        torch.stack(rows),
        [f"γ = {float(gamma[s]):.1f}" for s in shown],
    )


def _energy_distance(x: Tensor, other: Tensor, spread: Tensor) -> float:
    """√(2 E‖x − x'‖ − E‖x − x₂‖ − E‖x' − x'₂‖) in percent of √(2 E‖x − x'‖), from few of each; 0 for equal ones."""
    a, b = (x / spread).flatten(1), (other / spread).flatten(1)
    B = len(a)
    across = torch.cdist(a, b).mean()
    within = (torch.cdist(a, a).sum() + torch.cdist(b, b).sum()) / max(1, B * (B - 1))
    return float(100 * ((2 * across - within).clamp(min=0) / (2 * across)).sqrt())
