"""What `islands` and `collapse` measure on healthy and on sick models: the numbers that their thresholds stand between.

    python bench/healthy.py                    every case, 3 seeds
    python bench/healthy.py digits beta_50     those cases

A line per fit: the statistics that the findings are judged by, and the findings themselves. Nothing is written to disk.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unveil.data import Data, load
from unveil.diagnostics.aggregate import aggregate
from unveil.diagnostics.collapse import collapse
from unveil.model import Model
from unveil.registry import describe, seeded
from unveil.settings.choices import choose
from unveil.train.loop import fit
from unveil.train.stage import Stage

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """A model to fit: a source, the keys that differ from the defaults, and the finding that it should have."""

    source: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 1500
    finding: str = ""


def table() -> np.ndarray:
    """1,500 rows of 8 columns that 3 factors explain."""
    rng = np.random.default_rng(0)
    z, W = rng.normal(size=(1500, 3)), 1.5 * rng.normal(size=(3, 8))
    return (z @ W + rng.normal(size=(1500, 8))).astype(np.float32)


def independent() -> np.ndarray:
    """4,000 rows of 8 columns that have nothing to do with each other: p(x|z) explains them without z."""
    return np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)


VAE = {"model.width": 128}
NO_RATE = VAE | {"objective": "beta_elbo", "objective.beta": 0.001}
CASES = {
    "digits": Case(lambda: "digits", VAE),
    "digits_8": Case(lambda: "digits", VAE | {"model.latent": 8}),
    "digits_2": Case(lambda: "digits", VAE | {"model.latent": 2}),
    "digits_vamp": Case(lambda: "digits", VAE | {"prior": "vamp", "prior.num_components": 50}),
    "digits_realnvp": Case(lambda: "digits", VAE | {"prior": "realnvp", "model.latent": 8}),
    "mnist": Case(lambda: "mnist", {"model.network": "mlp"}),
    "moons": Case(lambda: "moons", VAE | {"model.latent": 2}),
    "shapes": Case(lambda: "shapes", VAE | {"model.network": "mlp", "model.latent": 8}, 1000),
    "table": Case(table, VAE | {"model.latent": 3}),
    "table_wide": Case(table, VAE | {"model.latent": 16}),
    "ppca": Case(table, {"model": "linear_gaussian", "model.latent": 3}, 1),
    "mixture": Case(lambda: "digits", {"model": "mixture"}, 30),
    "beta_50": Case(lambda: "digits", VAE | {"objective": "beta_elbo", "objective.beta": 50.0}, finding="collapse"),
    "independent": Case(independent, {"model.width": 16, "model.latent": 2}, finding="collapse"),
    "beta_0": Case(lambda: "digits", NO_RATE | {"objective.beta": 0.0}, finding="islands"),
    "beta_0.001": Case(lambda: "digits", NO_RATE, finding="islands"),
    "beta_0.001_8": Case(lambda: "digits", NO_RATE | {"model.latent": 8}, finding="islands"),
    "beta_0.001_2": Case(lambda: "moons", NO_RATE | {"model.latent": 2}, finding="islands"),
}


def fitted(case: Case, seed: int) -> tuple[Model, Data]:
    """The model after `case.steps` steps of the plain training loop, with averaged weights."""
    data, choices = load(case.source()), choose(case.options)
    model: Model = seeded(describe(choices.model(data.domain)), seed)
    stage = Stage(choices.objective(), case.steps, batch_size=64, lr=2e-3, ema_half_life=2000)
    for step in fit(model, data.train, stage, seed=seed):
        last = step
    return last.model.eval(), data


def line(name: str, case: Case, seed: int) -> str:
    started = time.perf_counter()
    model, data = fitted(case, seed)
    trained = time.perf_counter()
    q, c = aggregate(model, data.test, seed=seed), collapse(model, data.test, seed=seed)
    found = [f.code for f in (*q.findings(), *c.findings())]
    right = found == ([case.finding] if case.finding else [])
    return (
        f"{name:14} {seed} {q.num_examples:5} rate {q.rate:7.2f} I {q.information:5.2f}{'+' if q.capped else ' '} "
        f"KL {q.kl:7.2f} worst {max(q.kl_per_dim):5.2f} mean {sum(q.kl_per_dim) / len(q.kl_per_dim):5.2f} "
        f"spread {max(q.spread_per_dim):6.2f} AUC {q.auc:.3f} ± {q.auc_stderr:.3f} holes {q.holes:.3f} | "
        f"drop {c.drop:8.3f} ± {c.drop_stderr:.3f} active {c.active} | {' '.join(found) or '-'} "
        f"{'' if right else 'WRONG'} [{trained - started:.0f} + {time.perf_counter() - trained:.1f} s]"
    )


def main(names: list[str]) -> None:
    for name in names or CASES:
        for seed in SEEDS:
            print(line(name, CASES[name], seed), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
