"""Training p(z) alone: what q(z|x) takes of each example is computed once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..data import Split
from ..domain import Domain
from ..model import Model, device_of, evaluating
from ..objectives.elbo import weighted
from ..ops import keyed
from .stage import Stage

BLOCK = 512  # examples that are encoded at once
ROUNDS = 2  # times that an example is encoded where each visit draws it anew
MOST = 2**28  # numbers that are kept


def encodes(model: Model, stage: Stage, data: Split) -> bool:
    """Whether a stage can train on what examples are encoded to: p(z) alone, by an objective that asks for no more."""
    if set(stage.parts) != {"prior"} or not stage.objective.sums_log_pz or data.z is not None:
        return False
    with keyed("encodes"), evaluating(model):
        one = model.encode(data.batch(torch.arange(1)).to(device_of(model)))
    whole = data.observed is None or data.domain.parts is None
    return one is not None and whole and one.shape[-1] * _rounds(data) * len(data) <= MOST


def encoded(model: Model, data: Split, seed: int) -> Split:
    """The encoded examples as data of their own, those that are drawn anew at each visit several times."""
    found, device = [], device_of(model)
    with evaluating(model):
        for visit in range(_rounds(data)):
            for start in range(0, len(data), BLOCK):
                with keyed("encoded", seed, visit, start):
                    rows = torch.arange(start, min(len(data), start + BLOCK))
                    values = model.encode(data.batch(rows).to(device))
                assert values is not None
                found.append(values)
    x = torch.cat(found)
    return Split(x, None, Domain("real", (x.shape[-1],)), "none", torch.arange(len(x)))


def _rounds(data: Split) -> int:
    return ROUNDS if data.binarize == "draw" or data.texts is not None else 1


class EncodedProblem(nn.Module):
    """−ELBO of encoded examples, of which log p(z) alone moves, and the model's own penalties."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, y: Tensor | None, observed: Tensor | None, z: tuple[Tensor, ...] | None, progress: Tensor
    ) -> tuple[Tensor, Any]:
        loss = weighted(self.model.encoded_terms(x), 1.0)
        return loss.surrogate.mean(), {"bound": loss.bound.mean().detach(), **loss.logs}
