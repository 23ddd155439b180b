"""What a report is about: a finished run, with its model and its held-out data on one device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import blocks
from ..diagnostics.activity import active_rows, posterior_moments
from ..domain import Domain
from ..model import Model, stands_for_x
from ..model.shared.panels import Panel
from ..ops import keyed
from ..runs.store import RunStore
from ..use.encode import prior_draw

FIRST = 1000  # test examples that panels are drawn from
PER_EXAMPLE = "kl_per_dimension"  # the panel [N, D] that has a row for each example on which active latents are counted


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
    def counted(self) -> Split:
        """The test examples on which active latents are counted, as in result.json."""
        return active_rows(self.test)

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor] | None:
        """Posterior means and standard deviations [N, D] of the examples on which active latents are counted."""
        return posterior_moments(self.model, self.counted, expected=True)

    @cached_property
    def has_real_z(self) -> bool:
        """Whether x has latents that are real numbers, between which others lie."""
        return stands_for_x(self.model) and all(group.is_floating_point() for group in prior_draw(self.model))

    @cached_property
    def panels(self) -> dict[str, Tensor]:
        """Tensors that this family shows: of the first test examples, of the model, and `PER_EXAMPLE`."""
        found = {name: value.cpu() for name, value in self._first.items() if isinstance(value, Tensor)}
        if PER_EXAMPLE in found:
            parts = (
                self._panels(self.counted, block.rows, block.first)[PER_EXAMPLE][: block.keep]
                for block in blocks(len(self.counted))
            )
            found[PER_EXAMPLE] = torch.cat(list(parts)).cpu()
        return found

    @cached_property
    def own(self) -> dict[str, Panel]:
        """Figures that this family alone has, as plain data."""
        return {name: value for name, value in self._first.items() if not isinstance(value, Tensor)}

    @cached_property
    def _first(self) -> dict[str, Any]:
        return self._panels(self.test, torch.arange(min(FIRST, len(self.test))))

    @torch.no_grad()
    def _panels(self, split: Split, rows: Tensor, first: int = 0) -> dict[str, Any]:
        with keyed("report", "panels", first):
            return self.model.panels(split.batch(rows))

    def label(self, split: Split, row: int) -> str | None:
        """The name of the class of one example."""
        code = -1 if split.y is None or self.classes is None else int(split.y[row])
        return None if code < 0 or self.classes is None else self.classes[code]
