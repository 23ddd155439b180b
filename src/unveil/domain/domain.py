"""The set that an example comes from: a kind of values, and a shape."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..errors import RequestError, nearest
from ..records import Text, check_record
from .columns import ColumnDomain, ColumnRecord
from .kind import Kind, found, kinds

MOST_VALUES = 2**31  # of one example
Shape = Annotated[list[Annotated[int, Meta(ge=1, le=MOST_VALUES)]], Meta(min_length=1, max_length=4)]


class PartRecord(Struct):
    """A modality as files hold it; its domain is checked when it is made."""

    name: Text
    domain: dict[str, Any]


class DomainRecord(Struct):
    """A domain as files hold it."""

    kind: Text
    shape: Shape
    num_levels: Annotated[int, Meta(ge=2, le=2**31)] | None
    columns: list[ColumnRecord] | None = None
    alphabet: str | None = None
    parts: list[PartRecord] | None = None

    def __post_init__(self) -> None:
        if math.prod(self.shape) > MOST_VALUES:
            raise ValueError(f"has a shape of more than {MOST_VALUES:,} values")
        if self.columns is not None and [len(self.columns)] != self.shape:
            raise ValueError(f"has {len(self.columns):,} columns and the shape {self.shape}")


@dataclass(frozen=True)
class Domain:
    """The set that one example x comes from.

    Arguments:
        kind: the name of a kind of values: "binary" (0 or 1), "levels" (integers 0 … num_levels − 1), "count" (integers
            from 0 upwards), "unit" (numbers in [0, 1]), "real", "mixed" (columns of several kinds), "text"
            (characters), "joint" (several modalities), or one of the user's own.
        shape: the shape of one example: (D,) vectors, (H, W) or (H, W, C) images.
        num_levels: the number of levels; only for a kind that has them.
        columns: what each column can hold; only of mixed x.
        alphabet: the characters 1 … A of texts; only of text.
        parts: (name, domain) of each modality, in the order in which x holds their values; only of joint x.
    """

    kind: str
    shape: tuple[int, ...]
    num_levels: int | None = None
    columns: tuple[ColumnDomain, ...] | None = None
    alphabet: str | None = None
    parts: tuple[tuple[str, Domain], ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in found and self.kind not in kinds():
            raise RequestError(f"There is no domain {self.kind!r}.", nearest(self.kind, found))
        if self.of_kind.has_levels != (self.num_levels is not None):
            takers = " or ".join(repr(name) for name, kind in kinds().items() if kind.has_levels)
            raise RequestError(f"Domain {self.kind!r} came with num_levels={self.num_levels}; only {takers} takes one.")
        if not self.shape or min(self.shape) < 1:
            raise RequestError(f"One example has the shape {self.shape}; every size must be at least 1.")
        if self.of_kind.has_columns != (self.columns is not None):
            raise RequestError(f"Domain {self.kind!r} came with columns={self.columns}; only mixed x has them.")
        if self.columns is not None and self.shape != (len(self.columns),):
            raise RequestError(f"{len(self.columns)} columns came for examples of shape {self.shape}.")
        self._check_text_and_parts()

    def _check_text_and_parts(self) -> None:
        if self.of_kind.has_alphabet != (self.alphabet is not None):
            raise RequestError(f"Domain {self.kind!r} came with alphabet={self.alphabet!r}; only text has one.")
        if self.alphabet is not None and (not self.alphabet or len(set(self.alphabet)) < len(self.alphabet)):
            raise RequestError("The alphabet of a text holds at least one character, and each once.")
        if self.of_kind.has_parts != (self.parts is not None):
            raise RequestError(f"Domain {self.kind!r} came with parts={self.parts}; joint x, and only that, has them.")
        if self.parts is None:
            return
        if len({name for name, _ in self.parts}) < len(self.parts) or not self.parts:
            raise RequestError("The modalities of joint x have names, each of which comes once.")
        if self.shape != (sum(part.num_dims for _, part in self.parts),):
            raise RequestError(f"Modalities of {self.sizes} values came for examples of shape {self.shape}.")

    @staticmethod
    def joined(**parts: Domain) -> Domain:
        """Joint x of these modalities, in this order."""
        return Domain("joint", (sum(part.num_dims for part in parts.values()),), parts=tuple(parts.items()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of values of each modality."""
        return tuple(part.num_dims for _, part in self.parts or ())

    @property
    def picture(self) -> Domain:
        """The domain of the pictures in x: its own, or that of the modality of joint x that is an image."""
        return next((part for _, part in self.parts or () if part.is_image), self)

    def pictures(self, x: Any) -> Any:
        """The pictures [..., *shape] in x, an array or a tensor: of joint x its image, of all else x itself."""
        if self.parts is None or x.shape[-1:] != self.shape:
            return x
        return next((self.split(x)[name] for name, part in self.parts if part.is_image), x)

    def part(self, name: str) -> Domain:
        """The domain of a modality."""
        found = dict(self.parts or ())
        if name not in found:
            raise RequestError(f"There is no modality {name!r}.", nearest(name, found))
        return found[name]

    @property
    def places(self) -> dict[str, slice]:
        """Where the values of each modality stand among the D of joint x."""
        ends = list(itertools.accumulate(self.sizes))
        names = [name for name, _ in self.parts or ()]
        return {name: slice(end - size, end) for name, end, size in zip(names, ends, self.sizes, strict=True)}

    def split(self, x: Any) -> dict[str, Any]:
        """Joint x [..., D], an array or a tensor, by modality, each [..., *shape]."""
        return {name: x[..., own].reshape(*x.shape[:-1], *self.part(name).shape) for name, own in self.places.items()}

    @property
    def of_kind(self) -> Kind:
        return found[self.kind]

    @property
    def num_dims(self) -> int:
        """D, the number of values in one example."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether an example has a height and a width."""
        return len(self.shape) in (2, 3)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        if not self.is_image:
            raise RequestError(f"x of shape {self.shape} is not an image.")
        height, width, *channels = self.shape
        return height, width, channels[0] if channels else 1

    @property
    def is_discrete(self) -> bool:
        """Whether log p(x) is the logarithm of a probability (and bits per dimension mean something)."""
        inner = self.columns if self.columns is not None else [part for _, part in self.parts or ()]
        return all(each.is_discrete for each in inner) if inner else self.of_kind.is_discrete

    @property
    def models_gaps(self) -> bool:
        """Whether which values are missing is part of log p(x): the values are not missing at random."""
        return any(column.may_be_missing for column in self.columns or ())

    @property
    def is_finite(self) -> bool:
        """Whether one dimension takes finitely many values, `levels` of them."""
        return self.of_kind.is_finite

    @property
    def levels(self) -> int:
        """The number of values that one dimension can take; 2 for binary."""
        if not self.is_finite:
            raise RequestError(f"{self.kind.capitalize()} data has no levels.")
        return self.num_levels or 2

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the greatest value of one dimension, where they are known of all x."""
        return (0.0, self.levels - 1.0) if self.is_finite else self.of_kind.ends

    def __str__(self) -> str:
        if self.parts is not None:
            return f"joint({', '.join(f'{name}: {part}' for name, part in self.parts)})"
        if self.alphabet is not None:
            return f"text({len(self.alphabet)} characters, at most {self.num_dims})"
        return self.kind if self.num_levels is None else f"{self.kind}({self.num_levels})"

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "shape": list(self.shape), "num_levels": self.num_levels}
        if self.columns is not None:
            found["columns"] = [column.to_json() for column in self.columns]
        if self.alphabet is not None:
            found["alphabet"] = self.alphabet
        if self.parts is not None:
            found["parts"] = [{"name": name, "domain": part.to_json()} for name, part in self.parts]
        return found

    @staticmethod
    def from_json(stored: dict[str, Any]) -> Domain:
        """The domain that `to_json` gave; what is none is refused."""
        check_record(stored, DomainRecord, "The domain")
        columns = stored.get("columns")
        known = None if columns is None else tuple(map(ColumnDomain.from_json, columns))
        parts = stored.get("parts")
        inner = None if parts is None else tuple((part["name"], Domain.from_json(part["domain"])) for part in parts)
        shape, alphabet = tuple(stored["shape"]), stored.get("alphabet")
        return Domain(stored["kind"], shape, stored["num_levels"], known, alphabet, inner)
