"""How many latents the data ask for, where the number is left open."""

from dataclasses import replace

import torch

from ..data import Data
from ..model import Model
from ..ops import keyed
from ..registry import lookup
from ..settings.choices import Choices

ROWS = 10_000


def with_latents(choices: Choices, data: Data) -> tuple[Choices, tuple[str, ...]]:
    """The same choices, with more latents where the data ask for them, and the sentence that says so."""
    family: type[Model] = lookup("model", choices.names["model"])
    own = choices.values.get("model", {})
    given = own | {kind: name for kind, name in choices.names.items() if kind == "likelihood"}
    with keyed("latents", data.seed):
        batch = data.train.batch(torch.randperm(len(data.train))[:ROWS])
    asked = family.num_latents_for(data.domain, batch.x, batch.observed, given)
    if not asked:
        return choices, ()
    told = f"The model has {asked} latents, as many as the best linear model of x; model.latent=N takes another number."
    return replace(choices, values=choices.values | {"model": own | {"latent": asked}}), (told,)
