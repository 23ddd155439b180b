"""The search for the best of a family of baselines, on validation examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .examples import Density


@dataclass(frozen=True)
class Family:
    """One kind of baseline, ready to be fitted at any size.

    Arguments:
        sizes: to try, rising.
        knobs: settings to try at the best size, the usual one first.
        fit: (size, knob, start) → density; start 0 is a try, later ones are the thorough fits of what was chosen.
        starts: size → how many of those.
        num_samples: K of the dequantisation, or None.
        phrase: size → "a mixture of 50 categoricals".
        remarks: what to add to it.
    """

    sizes: tuple[int, ...]
    knobs: tuple[float, ...]
    fit: Callable[[int, float, int], Density]
    starts: Callable[[int], int]
    num_samples: int | None
    phrase: Callable[[int], str]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A fitted candidate and its mean validation log p(x)."""

    size: int
    knob: float
    start: int
    valid: float
    density: Density


@dataclass
class Search:
    """Coordinate ascent on validation: every size, every knob at the best one, its neighbours, then thorough fits."""

    fit: Callable[[int, float, int], Density]
    judge: Callable[[Density], float]
    found: list[Found] = field(default_factory=list)

    def run(self, sizes: Sequence[int], knobs: Sequence[float], starts: Callable[[int], int]) -> tuple[int, Density]:
        """The size and the density that are best on validation."""
        for size in sizes:
            self._try(size, knobs[0])
        for knob in knobs[1:]:
            self._try(self.best().size, knob)
        place = sizes.index(self.best().size)
        for size in sizes[max(0, place - 1) : place + 2]:
            self._try(size, self.best().knob)
        chosen = self.best()
        for start in range(1, starts(chosen.size) + 1):
            self._take(chosen.size, chosen.knob, start)
        return self.best().size, self.best().density

    def best(self) -> Found:
        return max(self.found, key=lambda f: f.valid)

    def tried(self, size: int) -> float:
        """The best that tries of one size came to; thorough fits would not be comparable."""
        return max(f.valid for f in self.found if f.size == size and f.start == 0)

    def _try(self, size: int, knob: float) -> None:
        if not any((f.size, f.knob) == (size, knob) for f in self.found):
            self._take(size, knob, 0)

    def _take(self, size: int, knob: float, start: int) -> None:
        density = self.fit(size, knob, start)
        self.found.append(Found(size, knob, start, self.judge(density), density))
