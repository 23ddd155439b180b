"""What a report is about: a finished run, with its model and its held-out data on one device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Split
from ..data.columns import Table
from ..data.rowblocks import blocks
from ..data.split import spread_rows
from ..diagnostics.activity import ACTIVE, active_rows, posterior_moments
from ..domain import Domain
from ..estimators.base import rows_of_block, within_reach
from ..legible import shortened
from ..model import Model, has_real_z, stands_for_x
from ..ops import keyed
from ..panels import Panel
from ..runs.given import fitted_table
from ..runs.store import RunStore
from ..use.show import batch_x
from .charts import Array
from .gallery import Painter
from .rounding import some_of

SOME = 1000  # test examples that panels of a family are drawn from
HELD_OUT = 2000  # examples that columns, and the range of real images, are taken from
PASSES = 16  # through the decoder that test and validation examples of a page are
COLUMNS = 12  # of vectors, that are shown
LONGEST = 60  # characters of the name of a class or a column


@dataclass(frozen=True)
class Dimensions:
    """What each latent dimension says.

    Arguments: variance [D] of its posterior mean over num_examples examples; rate [D] in nats, or None.
    """

    variance: Tensor
    rate: Tensor | None
    num_examples: int

    @property
    def order(self) -> Tensor:
        """The dimensions, the one that says most first."""
        return (self.variance if self.rate is None else self.rate).argsort(descending=True, stable=True)

    @property
    def active(self) -> Tensor:
        """Burda's rule: Var_x(E_q[z_d|x]) > 0.01."""
        return self.variance > ACTIVE


@dataclass(frozen=True)
class Subject:
    """A finished run, ready to be looked at.

    Arguments: run; result, its result.json; info, its data.json; model, in evaluation mode; test and valid, on the
    model's device: all examples, or as many large pictures as a page is drawn from in time.
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
        result, data, model, few = run.result, run.data, run.model, within_reach(run.model, PASSES)
        test, valid = (split.spread(few) if few < len(split) else split for split in (data.test, data.valid))
        return Subject(run, result, run.data_info, model, test.to(run.device), valid.to(run.device))

    @property
    def domain(self) -> Domain:
        return self.test.domain

    @property
    def classes(self) -> list[str] | None:
        """The name of each label code, where the data has labels; of a long one its ends."""
        found = self.info["classes"]
        return None if found is None else [shortened(name, LONGEST) for name in found]

    @property
    def num_test(self) -> int:
        """The number of all test examples."""
        return int(self.info["split"]["sizes"]["test"])

    @property
    def family(self) -> str:
        return self.run.config.model_name.replace("_", " ")

    @property
    def num_weights(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def column_names(self) -> list[str]:
        """The names of the first columns, or their numbers from 0."""
        return [self.name_of(i) for i in range(min(COLUMNS, self.domain.num_dims))]

    def name_of(self, i: int) -> str:
        """The name of a column, or its number from 0."""
        return shortened((self.info["columns"] or {i: f"column {i}"})[i], LONGEST)

    @cached_property
    def table(self) -> Table | None:
        """The columns of a mixed table; None of other x."""
        return fitted_table(self.run)

    @cached_property
    def paint(self) -> Painter | None:
        """What turns x into images, where it is one."""
        return Painter.of(self.domain, self.held_out()) if self.domain.picture.is_image else None

    @cached_property
    def counted(self) -> Split:
        """The test examples on which active latents are counted, as in result.json."""
        return active_rows(self.model, self.run.judged("test").to(self.run.device))

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor] | None:
        """Posterior means and standard deviations [N, D] of the examples on which active latents are counted."""
        return posterior_moments(self.model, self.counted, expected=True)

    @cached_property
    def dimensions(self) -> Dimensions | None:
        """How much each latent dimension says; None where z has no mean."""
        if self.moments is None or len(self.moments[0]) < 2:
            return None
        return Dimensions(self.moments[0].var(0), self._rate(), len(self.moments[0]))

    @torch.no_grad()
    def _rate(self) -> Tensor | None:
        """The mean rate of each dimension over the same examples, [D]."""
        found = []
        for block in blocks(len(self.counted), size=rows_of_block(self.model)):
            with keyed("report", "rate", block.first):
                rate = self.model.rate_per_dimension(self.counted.batch(block.rows))  # [B, D]
            if rate is None:
                return None
            found.append(rate[: block.keep].cpu())
        return torch.cat(found).double().mean(0)

    @cached_property
    def has_real_z(self) -> bool:
        """Whether x has latents that are real numbers, between which others lie."""
        return stands_for_x(self.model) and has_real_z(self.model)

    @torch.no_grad()
    def panels(self) -> tuple[Panel, ...]:
        """What only this family can show of itself."""
        rows = spread_rows(len(self.test), SOME)
        with keyed("report", "panels", "order"):
            rows = rows[torch.randperm(len(rows))]  # a panel that shows a few takes them from the front
        with keyed("report", "panels", 0):
            return self.model.panels(self.test.batch(rows))

    def held_out(self, num_examples: int = HELD_OUT) -> Array:
        """x of test examples from all over the test set, NaN where it is not observed."""
        split = self.test.spread(num_examples)
        x = batch_x(split)
        return x if split.observed is None else np.where(split.observed.cpu().numpy(), x, np.nan)

    def some(self, num_examples: int) -> str:
        """What `held_out` gives, in words: "2,000 of the 53,940 test examples", or "all 500 test examples"."""
        return some_of(min(num_examples, len(self.test)), self.num_test, "test examples")

    def label(self, split: Split, row: int) -> str | None:
        """The name of the class of one example."""
        code = -1 if split.y is None or self.classes is None else int(split.y[row])
        return None if code < 0 or self.classes is None else self.classes[code]
