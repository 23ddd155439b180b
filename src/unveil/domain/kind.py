"""A kind of values: one class says how x of it is recognised, checked, kept and spoken of."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from .values import Array, Values


class Kind(ABC):
    """A kind of values of x.

    Attributes:
        order: its place among the kinds; the first in this order that recognises x is taken.
        is_discrete: whether log p(x) is the logarithm of a probability (and bits per dimension mean something).
        is_finite: whether one dimension takes the values 0 … n − 1, which are kept as uint8.
        ends: the least and the greatest value, where they are known of all x and `is_finite` does not say so.
        inside: one of its values, which stands for those that are not observed while x is checked.
        has_levels: whether n belongs to the domain, as in levels(17).
        has_columns: whether the kinds of its columns belong to it; then `is_discrete` is theirs to say.
        has_alphabet: whether the characters that it is made of belong to it.
        has_parts: whether the domains of its modalities belong to it; then `is_discrete` is theirs to say.
        likelihood: the name of the one that `fit` picks; above 32 levels smooth_likelihood, where there is one.
        retaken: the sentence for x that was recognised as one of `taken_for` and could be asked for as this kind.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    is_discrete: ClassVar[bool]
    is_finite: ClassVar[bool] = False
    ends: ClassVar[tuple[float, float] | None] = None
    inside: ClassVar[float] = 0.0
    has_levels: ClassVar[bool] = False
    has_columns: ClassVar[bool] = False
    has_alphabet: ClassVar[bool] = False
    has_parts: ClassVar[bool] = False
    likelihood: ClassVar[str]
    smooth_likelihood: ClassVar[str] = ""
    retaken: ClassVar[str] = ""
    taken_for: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def recognises(self, x: Values) -> bool:
        """Whether x is of this kind where nobody asked for one."""

    @abstractmethod
    def take(self, x: Values, levels: int, asked: bool) -> tuple[int | None, tuple[str, ...]]:
        """(n of levels(n) or None, sentences that say why), or a refusal of x.

        Arguments: levels, n as asked for, 0 to count them; asked, whether the kind was.
        """

    @abstractmethod
    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        """Refuse new x for a run whose domain, in words, is `domain`."""

    def nearest(self, x: Array, num_levels: int | None) -> Array:
        """The value of the kind nearest to each of x: x itself where it is of the kind, or where none is known."""
        return x

    def store(self, x: Array) -> Array:
        """x as it is kept: a C-contiguous copy, uint8 or float32."""
        return np.array(x, np.uint8 if self.is_finite else np.float32, order="C")


found: dict[str, Kind] = {}  # by name, as far as their files are imported


def kind(name: str) -> Callable[[type[Kind]], type[Kind]]:
    """Class decorator: enter a kind under its name, for `Domain`, data.domain and the likelihoods that name it."""

    def enter(cls: type[Kind]) -> type[Kind]:
        cls.name = name
        found[name] = cls()
        return cls

    return enter


def kinds() -> dict[str, Kind]:
    """Every kind by name, in order; imports the files of this room, each of which may hold one."""
    home = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(home).__path__):
        importlib.import_module(f"{home}.{module.name}")
    return dict(sorted(found.items(), key=lambda item: item[1].order))


def choices() -> tuple[str, ...]:
    """The words that data.domain takes: "auto", or a kind that numbers can be taken as."""
    return ("auto", *(name for name, kind in kinds().items() if not (kind.has_alphabet or kind.has_parts)))
