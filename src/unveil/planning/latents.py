"""How many latents the data ask for, and whether these follow a mixture, where that is left open."""

from dataclasses import replace

import torch

from ..data import Data
from ..model import Model
from ..ops import keyed
from ..registry import lookup
from ..settings.choices import Choices
from ..settings.keys import PARTS

ROWS = 10_000


def with_latents(choices: Choices, data: Data) -> tuple[Choices, tuple[str, ...]]:
    """The same choices, with the latents and the prior that the data ask for, and the sentences that say so."""
    family: type[Model] = lookup("model", choices.names["model"])
    own = choices.values.get("model", {})
    given = own | {kind: name for kind, name in choices.names.items() if kind in PARTS}
    with keyed("latents", data.seed):
        batch = data.train.batch(torch.randperm(len(data.train))[:ROWS])
    latents, components = family.sizes_for(data.domain, batch.x, batch.observed, len(data.train), given)
    names, values, told = choices.names, choices.values, []
    if latents:
        values = values | {"model": own | {"latent": latents}}
        number = f"{latents} latent{'s' * (latents > 1)}"
        told += [f"The model has {number}, as many as the best linear model of x; model.latent=N takes another number."]
    if components:
        names = names | {"prior": "mixture"}
        values = values | {"prior": {"num_components": components}}
        told += [
            f"The prior is a mixture of {components} Gaussians, as held-out rows fit it better than one; "
            "prior=standard_normal takes one."
        ]
    return replace(choices, names=names, values=values), tuple(told)
