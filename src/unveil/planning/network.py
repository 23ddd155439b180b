"""Whether a budget pays for convolutions: they learn more from every example than matrices alone, and see fewer."""

from dataclasses import replace

import torch

from ..data import Data
from ..model import Model
from ..objectives import Objective
from ..ops import threads
from ..registry import lookup
from ..settings.choices import Choices
from ..settings.options import TrainOptions
from ..settings.phase import Phase
from .measure import Probe

PASSES = 30.0  # over the data, from which patches end above an MLP that has the same minutes
MANY = 90.0  # passes with one block, from which two, which see half as many, overfit less
BATCH = 256
TRAINING = 0.75  # share of the minutes that are spent on training
PROBED = 0.7  # seconds


def asks(choices: Choices, data: Data) -> bool:
    """Whether the network is left open, the budget is in minutes and x are many small images."""
    family: type[Model] = lookup("model", choices.names["model"])
    given = choices.values.get("model", {})
    return choices.train.minutes is not None and family.leaves_network_open(data.domain, len(data.train), given)


def with_patches(choices: Choices, depth: int = 1) -> Choices:
    """The same choices with patch networks of so many residual blocks."""
    model = choices.values.get("model", {}) | {"network": "patch", "depth": depth}
    return replace(choices, values=choices.values | {"model": model})


def passes_within(
    minutes: float, model: Model, data: Data, objective: Objective, seed: int, asked: TrainOptions
) -> float:
    """How often training would see every example: seconds of training · batch/(seconds per step · N).

    Arguments: asked, the batch size and threads to time, where they are not left open.
    """
    batch = min(BATCH if asked.batch_size == "auto" else asked.batch_size, len(data.train))
    probe = Probe(model, data, objective, Phase(batch_size=batch), seed)
    with threads(torch.get_num_threads() if asked.threads == "auto" else asked.threads):
        per_step = min(probe.seconds_per_step(bf16, None, budget=PROBED) for bf16 in (True, False))
    return 60 * minutes * TRAINING / per_step * batch / len(data.train)


def verdict(passes: float) -> tuple[int, str]:
    """The residual blocks of the patch networks that are taken, 0 for none, and the sentence that says so."""
    depth = 0 if passes < PASSES else 1 if passes < MANY else 2
    which = {
        0: f"below {PASSES:g}, so the network is mlp",
        1: "so the network is patch",
        2: "so the network is patch, with two blocks",
    }
    return depth, f"Convolutions on patches would see every example {passes:.0f} times in this budget, {which[depth]}."
