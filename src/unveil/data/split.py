"""Data as the rest of the library sees it: three splits that hand out batches, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..domain import Domain
from ..ops import keyed
from .binarize import draw
from .columnforms import Form, forms_to_json
from .columns import Table
from .knowntexts import KnownTexts
from .raw import Array, short_name
from .texts import one_of

FORMAT = "unveil-data-1"


@dataclass(frozen=True, repr=False)
class Split:
    """N examples in their storage dtype, uint8 or float32, on one device.

    Arguments:
        x: [N, *shape], as stored: grey levels where every batch is a fresh draw, else what batches hold.
        y: [N] int64 codes into `Data.classes`, −1 where a label is not known; or None.
        domain: what `batch` hands out.
        binarize: "draw" (x ~ Bernoulli(v/(n−1)) afresh at each batch) or "none".
        rows: [N] int64, row numbers in the source's order (training rows before test rows).
        levels: n, the number of grey levels before binarization; 0 where nothing was binarized.
        grey: [N, *shape] uint8, the levels behind a fixed draw that x holds; None where x itself holds all there is.
        observed: [N, *shape] bool, False where x is not known and holds 0; None where all of it is.
        z: known latents, a tuple of groups [N, …], a row of NaN where they are not known; or None.
        texts: of joint x, all texts of each example [N, M, T] of which `batch` draws one, and how many [N]; None where
            x holds the only one.
    """

    x: Tensor
    y: Tensor | None
    domain: Domain
    binarize: str
    rows: Tensor
    levels: int = 0
    grey: Tensor | None = None
    observed: Tensor | None = None
    z: tuple[Tensor, ...] | None = None
    texts: tuple[Tensor, Tensor] | None = None

    def __repr__(self) -> str:
        parts = ("y", "observed", "z")
        held = "".join(f", {name}" for name in parts if getattr(self, name) is not None)
        return f"Split({len(self):,} examples of {self.domain}, {'×'.join(map(str, self.domain.shape))}{held})"

    def __len__(self) -> int:
        return self.x.shape[0]

    def batch(self, index: Tensor) -> Batch:
        """The examples at `index` [B] int64; a fresh draw takes its noise from torch's default generator."""
        index = index.to(self.x.device)
        kept = self.x.index_select(0, index)
        if self.domain.parts is None:
            return self._batch(draw(kept, self.levels) if self.binarize == "draw" else kept.float(), index)
        x = kept.float()
        for place in self._binarized if self.binarize == "draw" else ():
            x[place] = draw(kept[place].contiguous(), self.levels)
        for name, place in self.domain.places.items():
            if self.domain.part(name).alphabet is not None and self.texts is not None:
                every, counts = (held.index_select(0, index) for held in self.texts)
                x[:, place] = one_of(every, counts).float()
        return self._batch(x, index)

    def expected(self, index: Tensor) -> Batch:
        """Like `batch`, x being its mean over binarizations, v/(n−1): the input of an embedding, which is no draw."""
        index = index.to(self.x.device)
        v = self.x if self.binarize == "draw" else self.grey
        if v is None:
            return self.batch(index)
        x = v.index_select(0, index).float()
        for place in self._binarized:
            x[place] /= self.levels - 1
        return self._batch(x, index)

    @property
    def _binarized(self) -> list[Any]:
        """The places of a batch of x that a binarization is of: all of them, or those of a modality of joint x."""
        if self.domain.parts is None:
            return [...]
        places = self.domain.places.items()
        return [(slice(None), place) for name, place in places if self.domain.part(name).kind == "binary"]

    @property
    def settled(self) -> Tensor | None:
        """[N, *shape] bool, False where x is missing and that is left out of log p(x); None where nothing is."""
        if self.observed is None or not self.domain.models_gaps:
            return self.observed
        may_be = torch.tensor([column.may_be_missing for column in self.domain.columns or ()])
        found = self.observed | may_be.to(self.observed.device)
        return None if bool(found.all()) else found

    @property
    def whole(self) -> Tensor | None:
        """[N] bool, the examples of which nothing is left out of log p(x); None where that is all of them."""
        return None if self.settled is None else self.settled.flatten(1).all(1)

    def to(self, device: torch.device | str) -> Split:
        return self._map(lambda held: held.to(device))

    def head(self, num_examples: int) -> Split:
        """The first `num_examples` examples (all, where there are fewer)."""
        return self._map(lambda held: held[:num_examples])

    def spread(self, num_examples: int, seed: int = 0) -> Split:
        """At most `num_examples` examples, drawn from all over the split (whose order may be that of the labels)."""
        return self.take(spread_rows(len(self), num_examples, seed))

    def take(self, index: Tensor) -> Split:
        """The examples at `index` [n] int64."""
        index = index.to(self.x.device)
        return self._map(lambda held: held.index_select(0, index))

    def followed_by(self, other: Split) -> Split:
        """Both as one, of new x without labels and known z; grey levels stay where both have them."""
        observed, grey = None, None
        if self.observed is not None or other.observed is not None:
            seen = [torch.ones_like(s.x, dtype=torch.bool) if s.observed is None else s.observed for s in (self, other)]
            observed = torch.cat(seen)
        if self.grey is not None and other.grey is not None:
            grey = torch.cat([self.grey, other.grey])
        x, rows = torch.cat([self.x, other.x]), torch.cat([self.rows, other.rows])
        return replace(self, x=x, rows=rows, y=None, z=None, observed=observed, grey=grey)

    def _batch(self, x: Tensor, index: Tensor) -> Batch:
        y, observed = (None if t is None else t.index_select(0, index) for t in (self.y, self.observed))
        z = None if self.z is None else tuple(group.index_select(0, index) for group in self.z)
        return Batch(x, index, y, observed, z)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Split:
        held = {name: getattr(self, name) for name in ("x", "y", "rows", "grey", "observed")}
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in held.items() if tensor is not None}
        z = None if self.z is None else tuple(map(change, self.z))
        texts = None if self.texts is None else (change(self.texts[0]), change(self.texts[1]))
        return replace(self, **changed, z=z, texts=texts)


def spread_rows(total: int, count: int, seed: int = 0) -> Tensor:
    """At most `count` of `total` row numbers, rising: one drawn from each of so many stretches of equal length."""
    count = min(count, total)
    ends = torch.arange(count + 1) * total // max(1, count)
    with keyed("spread", seed, total, count):
        place = torch.rand(count, dtype=torch.float64)
    return ends[:-1] + (place * (ends[1:] - ends[:-1])).long()


@dataclass(frozen=True, repr=False)
class Data:
    """A source, split and fingerprinted.

    Arguments:
        source: the name or absolute path that `load` reads again; "array" for an object in memory.
        domain: what batches of all three splits hold.
        binarization: "dynamic", "static", "threshold", or None (binary already, or left as it is).
        classes: the name of each label code, or None.
        sha256: of the decoded arrays (dtype, shape, bytes).
        seed: of the splits and of every fixed binarization; the training seed never touches it.
        rule: how the splits were made, in a sentence.
        notes: sentences for the user: which domain was recognised and why, hints.
        levels: the number of grey levels before binarization, 0 where nothing was binarized.
        columns: the names of the columns of a table, or None.
        resize: what was done to the size of pictures, in a sentence, or None.
        files: of a folder of pictures, the path of each row's in the source's order, or None.
        factors: known generative factors by name, [N] each in the source's order, or None.
        white, paper: as of `Raw`.
        forms: of a table, how the numbers of each column are held in the training rows, or None.
        table: of a mixed table, its columns, or None.
        separator: of a table of text that semicolons separate, ";".
        known_texts: texts whose vectors are z, or None.
    """

    source: str
    domain: Domain
    train: Split
    valid: Split
    test: Split
    binarization: str | None
    classes: tuple[str, ...] | None
    sha256: str
    seed: int
    rule: str
    notes: tuple[str, ...] = ()
    levels: int = 0
    columns: tuple[str, ...] | None = None
    resize: str | None = None
    factors: Mapping[str, Array] | None = None
    files: tuple[str, ...] | None = None
    white: int | None = None
    paper: str | None = None
    forms: tuple[Form, ...] | None = None
    table: Table | None = None
    separator: str = ","
    known_texts: KnownTexts | None = None

    @property
    def names(self) -> frozenset[str]:
        """Words of the data, such as classes and columns, that no language says in another way."""
        return frozenset([*(self.classes or ()), *(self.columns or ())])

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(split):,}" for split in (self.train, self.valid, self.test))
        return f"Data({self.name!r}: {sizes} examples, {'×'.join(map(str, self.domain.shape))}, {self.domain})"

    @property
    def has_missing(self) -> bool:
        """Whether any entry of the training examples is not observed."""
        return self.train.observed is not None and not bool(self.train.observed.all())

    @property
    def name(self) -> str:
        """A short name for directories and titles: "mnist", "x" for …/x.npz:images, "array"."""
        return short_name(self.source)

    def to_json(self) -> dict[str, Any]:
        """What `data.json` of a run holds."""
        return {
            "format": FORMAT,
            "source": self.source,
            "sha256": self.sha256,
            "split": {
                "rule": self.rule,
                "seed": self.seed,
                "sizes": {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)},
            },
            "domain": self.domain.to_json(),
            "shape": list(self.domain.shape),
            "binarization": self.binarization,
            "levels": self.levels,
            "classes": None if self.classes is None else list(self.classes),
            "columns": None if self.columns is None else list(self.columns),
            "resize": self.resize,
            "white": self.white,
            "paper": self.paper,
            "forms": forms_to_json(self.forms),
            "table": None if self.table is None else self.table.to_json(),
            "separator": self.separator,
            **({} if self.known_texts is None else {"known_texts": self.known_texts.sha256}),
        }
