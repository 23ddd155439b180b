"""What a report is about: a finished run, with its model and its held-out data on one device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data import Split
from ..diagnostics.activity import ACTIVE_ROWS, posterior_moments
from ..domain import Domain
from ..model import Model, stands_for_x
from ..models.shared.panels import Panel
from ..ops import keyed
from ..runs.store import RunStore
from ..use.encode import prior_draw

ROWS = 1000  # examples per pass through the encoder


@dataclass(frozen=True)
class Subject:
    """A finished run, ready to be looked at.

    Arguments: run; result, its result.json; info, its data.json; model, in evaluation mode; test and valid, on the
    model's device.
    """

    run: RunStore
    result: dict[str, Any]
    info: dict[str, Any]
    model: Model
    test: Split
    valid: Split

    @staticmethod
    def of(run: RunStore) -> Subject:
        """Read a run; a RequestError says what is missing from an unfinished one."""
        result, device = run.result, run.device
        data = run.data
        return Subject(run, result, run.data_info, run.model, data.test.to(device), data.valid.to(device))

    @property
    def domain(self) -> Domain:
        return self.test.domain

    @property
    def classes(self) -> list[str] | None:
        """The name of each label code, where the data has labels."""
        return self.info["classes"]

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor] | None:
        """Posterior means and standard deviations [N, D] of the test examples that active units are counted on."""
        return posterior_moments(self.model, self.test.head(ACTIVE_ROWS), expected=True)

    @cached_property
    def has_real_z(self) -> bool:
        """Whether x has latents that are real numbers, between which others lie."""
        return stands_for_x(self.model) and all(group.is_floating_point() for group in prior_draw(self.model))

    @cached_property
    def panels(self) -> dict[str, Tensor]:
        """Tensors that this family shows: values per test example, joined over the test set, and values per model."""
        found = {name: value.cpu() for name, value in self._first.items() if isinstance(value, Tensor)}
        own = PER_EXAMPLE & found.keys()
        for first in range(ROWS, min(len(self.test), ACTIVE_ROWS) if own else 0, ROWS):
            more = self._panels(first)
            found |= {name: torch.cat([found[name], more[name].cpu()]) for name in own}
        return found

    @cached_property
    def own(self) -> dict[str, Panel]:
        """Figures that this family alone has, as plain data."""
        return {name: value for name, value in self._first.items() if not isinstance(value, Tensor)}

    @cached_property
    def _first(self) -> dict[str, Any]:
        return self._panels(0)

    @torch.no_grad()
    def _panels(self, first: int) -> dict[str, Any]:
        rows = torch.arange(first, min(first + ROWS, len(self.test)), device=self.test.x.device)
        with keyed("report", "panels", first):
            return self.model.panels(self.test.batch(rows))

    def label(self, split: Split, row: int) -> str | None:
        """The name of the class of one example."""
        code = -1 if split.y is None or self.classes is None else int(split.y[row])
        return None if code < 0 or self.classes is None else self.classes[code]


PER_EXAMPLE = {"kl_per_dimension", "responsibilities"}  # the panels [B, …]; others describe the model
