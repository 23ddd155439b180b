"""Which family of models a table gets where none is asked for: a few are tried, and the best on validation is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..data import Data
from ..errors import Fact
from ..model import Model
from ..objectives import Elbo
from ..settings.choices import Choices
from ..train.loop import fit
from ..train.stage import Stage
from ..train.validation import validate

CANDIDATES = ("any_order", "vae", "table_mixture")  # the first is taken where another is no better
WIDE = 200  # columns above which a pass for each group of them takes too long, and any_order is not tried
UPDATES, FEWEST, SECONDS = 60, 30, 1.2  # of each try, unless the clock ends it, which it does not before the fewest
BATCH, LR, EXAMPLES = 128, 3e-3, 200
MARGIN = 0.01  # nats, by which another has to be better


def is_open(choices: Choices, data: Data) -> bool:
    """Whether nobody asked for a model, or for a part or an option of one, and x is a table of mixed columns."""
    return choices.open_model and data.domain.columns is not None


def best_family(
    choices: Choices, data: Data, build: Callable[[Choices], Model], seed: int
) -> tuple[Choices, tuple[str, ...]]:
    """The choices with the family that came farthest in a short try, and the sentence that says what each reached.

    Each candidate is trained from its own start for up to 60 updates or 1.2 seconds, and judged by its bound on up to
    200 validation examples; the tries are thrown away.
    """
    valid = data.valid.spread(EXAMPLES)
    tried = CANDIDATES[data.domain.num_dims > WIDE :]
    reached: dict[str, float] = {}
    for name in tried:
        model = build(named(choices, name))
        _train(model, data, seed)
        reached[name] = validate(model, valid, Elbo())["bound"]
    best = max(tried, key=lambda name: reached[name] - MARGIN * (name != tried[0]))
    return named(choices, best), (_said(reached, best),)


def named(choices: Choices, name: str) -> Choices:
    return replace(choices, names=choices.names | {"model": name})


def _train(model: Model, data: Data, seed: int) -> None:
    stage = Stage(Elbo(warmup=0.0), steps=UPDATES, batch_size=min(BATCH, len(data.train)), lr=LR)
    started = time.perf_counter()
    for step in fit(model, data.train, stage, seed=seed):
        if step.number >= FEWEST and time.perf_counter() - started > SECONDS:
            break


def _said(reached: Mapping[str, float], best: str) -> str:
    told = ", ".join(f"{name} {bound:.2f}" for name, bound in reached.items())
    return Fact(
        f"Tried shortly, with their bounds on log p(x) in validation: {told}. {best} is taken; --model NAME takes one."
    )
