"""What bf16 networks cost in quality: the same MNIST trainings in float32 and in bf16, seed by seed.

    python bench/precision.py              3 seeds of 1,000 steps of 512, the model and options that `fit` picks
    python bench/precision.py 600 0 1 2    another number of steps, other seeds

Both precisions see the same examples, the same binarization and the same noise. Printed are the bounds on the 5,000
validation images of the averaged weights (evaluation is in float32 for both) and their paired difference.
"""

from __future__ import annotations

import sys
import time

import torch

import unveil
from unveil.registry import describe, seeded
from unveil.settings.choices import choose
from unveil.train.loop import fit
from unveil.train.stage import Stage
from unveil.train.validation import validate

BATCH, LR, DECAY = 512, 3e-3, 0.02


def bound(data: unveil.Data, seed: int, steps: int, bf16: bool) -> float:
    """The validation bound after so many steps."""
    choices = choose({})
    model = seeded(describe(choices.model(data.domain, num_examples=len(data.train))), seed)
    average = 0.01 * steps * BATCH
    stage = Stage(choices.objective(), steps=steps, batch_size=BATCH, lr=LR, weight_decay=DECAY, ema_half_life=average)
    *_, last = fit(model, data.train, stage, seed=seed, bf16=bf16)
    return validate(last.model, data.valid, stage.objective)["bound"]


def main(steps: int, seeds: list[int]) -> None:
    data, apart = unveil.load_data("mnist"), []
    for seed in seeds:
        start = time.perf_counter()
        full, half = (bound(data, seed, steps, bf16) for bf16 in (False, True))
        apart.append(half - full)
        print(
            f"seed {seed}, {steps:,} steps: float32 {full:.3f}, bf16 {half:.3f}, bf16 − float32 {half - full:+.3f} nats"
            f" ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
    found = torch.tensor(apart, dtype=torch.float64)
    error = f" ± {float(found.std()) / len(found) ** 0.5:.3f}" if len(found) > 1 else ""
    print(f"mean {float(found.mean()):+.3f}{error} nats over {len(found)} seeds")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(words[0] if words else 1000, words[1:] or [0, 1, 2])
