"""Which family of models a table gets where none is asked for: a few are tried, and the best on validation is taken."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from ..data import Data
from ..errors import Fact
from ..model import Model
from ..objectives import Elbo
from ..settings.choices import Choices
from ..train.loop import fit
from ..train.stage import Stage
from ..train.validation import bound_of_each

CANDIDATES = ("any_order", "vae", "table_mixture")  # the first is taken where another is no better
WIDE = 200  # columns above which a pass for each group of them takes too long, and any_order is not tried
UPDATES, FEWEST, SECONDS = 60, 30, 4.0  # of each try, unless the clock ends it, which it does not before the fewest
BATCH, LR, EXAMPLES = 128, 1e-3, 200


def is_open(choices: Choices, data: Data) -> bool:
    """Whether nobody asked for a model, or for a part or an option of one, and x is a table of mixed columns."""
    return choices.open_model and data.domain.columns is not None


def best_family(
    choices: Choices, data: Data, build: Callable[[Choices], Model], seed: int
) -> tuple[Choices, Model, tuple[str, ...]]:
    """The family that came farthest in a short try: its choices, its model, and what each reached in a sentence.

    Each candidate is trained from its own start for 60 updates, or 4 seconds where these take longer, and judged by its
    bound on up to 200 validation examples. Another than the first is taken where it gains more than the standard error
    of its gain: a single strange row decides nothing. The tries are thrown
    away: the model is at its start again.
    """
    valid = data.valid.spread(EXAMPLES)
    tried = CANDIDATES[data.domain.num_dims > WIDE :]
    reached: dict[str, Tensor] = {}
    models: dict[str, Model] = {}
    for name in tried:
        models[name] = build(named(choices, name))
        start = copy.deepcopy(models[name].state_dict())
        _train(models[name], data, seed)
        reached[name] = bound_of_each(models[name], valid, Elbo()).double()
        models[name].load_state_dict(start)
    best = max(tried, key=lambda name: _sure_gain(reached[name] - reached[tried[0]]))
    said = _said({name: float(bound.mean()) for name, bound in reached.items()}, best)
    return named(choices, best), models[best], (said,)


def _sure_gain(gain: Tensor) -> float:
    """The mean of gains [N] in nats less its standard error; 0 of the first, which gains nothing on itself."""
    if not bool(gain.any()):
        return 0.0
    error = float(gain.std()) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    return float(gain.mean()) - error


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
    why = "" if best == max(reached, key=lambda name: reached[name]) else ", which others do not surely surpass"
    return Fact(
        f"Tried shortly, with their bounds on log p(x) in validation: {told}. "
        f"{best} is taken{why}; --model NAME takes one."
    )
