"""Which family of models a table gets where none is asked for: a few are tried, and the best on validation is taken."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from ..data import Data
from ..data.split import Split
from ..errors import Fact
from ..model import Model
from ..objectives import Elbo
from ..settings.choices import Choices
from ..train.loop import TrainState, fit
from ..train.stage import Stage
from ..train.validation import bound_of_each

CANDIDATES = ("any_order", "vae", "table_mixture")  # the first is taken where another is no better
WIDE = 200  # columns above which a pass for each group of them takes too long, and any_order is not tried
UPDATES, FEWEST, SECONDS = 48, 12, 4.0  # of each try, unless the clock ends it, which it does not before the fewest
BATCH, LR, EXAMPLES = 128, 1e-3, 200
LONGER = 4  # times as long as a try is the training that it begins: its learning rate hardly falls yet


def is_open(choices: Choices, data: Data) -> bool:
    """Whether nobody asked for a model, or for a part or an option of one, and x is a table of mixed columns."""
    return choices.open_model and data.domain.columns is not None


def best_family(
    choices: Choices, data: Data, build: Callable[[Choices], Model], seed: int
) -> tuple[Choices, Model, tuple[str, ...]]:
    """The family that a short try promises most of: its choices, its model, and what each promised in a sentence.

    Each candidate is trained from its own start for 48 updates, or fewer where these take over 4 seconds. What it
    promises is its bound on up to 200 validation examples, with the gain of the second half of the updates added twice
    more: a bound climbs about as far with each doubling, and some families start high and hardly climb. Another than
    the first is taken where it promises more by over the standard error of that gain: a single strange row decides
    nothing. The tries are thrown away: the model is at its start again.
    """
    valid = data.valid.spread(EXAMPLES)
    tried = CANDIDATES[data.domain.num_dims > WIDE :]
    promised: dict[str, Tensor] = {}
    models: dict[str, Model] = {}
    for name in tried:
        models[name] = build(named(choices, name))
        start = copy.deepcopy(models[name].state_dict())
        promised[name] = promise(models[name], data, valid, seed)
        models[name].load_state_dict(start)
    best = max(tried, key=lambda name: _sure_gain(promised[name] - promised[tried[0]]))
    said = _said({name: float(bound.mean()) for name, bound in promised.items()}, best)
    return named(choices, best), models[best], (said,)


def promise(model: Model, data: Data, valid: Split, seed: int) -> Tensor:
    """3 b(n) − 2 b(n/2) in nats [N], about b(4n), of the bounds b of validation examples after n updates."""
    stage = Stage(Elbo(warmup=0.0), steps=LONGER * UPDATES, batch_size=min(BATCH, len(data.train)), lr=LR)
    started, half = time.perf_counter(), UPDATES // 2
    before: Tensor | None = None
    for step in fit(model, data.train, stage, TrainState(model, stage), seed=seed):
        late = time.perf_counter() - started > SECONDS / 2
        if before is None and (step.number >= half or (late and step.number >= FEWEST)):
            half, before = step.number, bound_of_each(model, valid, Elbo()).double()
        if before is not None and step.number >= 2 * half:
            break
    assert before is not None
    return 3 * bound_of_each(model, valid, Elbo()).double() - 2 * before


def _sure_gain(gain: Tensor) -> float:
    """The mean of gains [N] in nats less its standard error; 0 of the first, which gains nothing on itself."""
    if not bool(gain.any()):
        return 0.0
    error = float(gain.std()) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    return float(gain.mean()) - error


def named(choices: Choices, name: str) -> Choices:
    return replace(choices, names=choices.names | {"model": name})


def _said(promised: Mapping[str, float], best: str) -> str:
    told = ", ".join(f"{name} {bound:.2f}" for name, bound in promised.items())
    why = "" if best == max(promised, key=lambda name: promised[name]) else ", which others do not surely surpass"
    return Fact(
        f"Tried shortly, with the bounds on log p(x) in validation that they climb to: {told}. "
        f"{best} is taken{why}; --model NAME takes one."
    )
