"""Whether a fit has the memory that it takes, before its first step."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import WorkError, is_memory
from ..model import Model, device_of
from .available import available
from .measure import PER_WEIGHT, free_bytes

PER_SAVED = 44  # bytes of a weight, beside its own, while a checkpoint is written: measured
BESIDE = 1.5e8  # bytes of judging and report, and of what they import


def check_memory(model: Model, per_row: float, batch: int) -> None:
    """Refuse a fit that cannot have the memory that its weights or its batches take, with what needs less.

    Arguments: per_row, bytes that an example adds to a step at most; half of that it takes surely.
    """
    weights, device = sum(p.numel() for p in model.parameters()), device_of(model)
    step = weights * PER_WEIGHT + batch * per_row / 2
    if device.type != "cpu":
        _check(step, free_bytes(device), f"on {device}", _advice(step, weights * PER_WEIGHT, batch))
        step = 0.0
    free, why = available()
    needed = max(step, float(weights * PER_SAVED)) + BESIDE
    _check(needed, free, f"by {why}" if why else "", _advice(step, weights * PER_SAVED, batch))


def _check(needed: float, free: float, where: str, advice: str) -> None:
    if needed > free:
        raise WorkError(
            f"There is not enough memory: this fit needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are "
            f"free{f' {where}' if where else ''}.",
            advice,
        )


def _advice(step: float, of_weights: float, batch: int) -> str:
    if step - of_weights > of_weights and batch > 1:
        return f"Its batches take most of it: give a smaller train.batch_size than {batch}."
    return "Its weights take most of it: give a smaller model.width, or smaller examples."


def give_back() -> None:
    """Give memory that is free to the system: what reading took does not stand beside what training takes.

    Of a table of 10⁶ rows and 20 columns the allocators of pyarrow and glibc keep 175 MB, more than x takes.
    """
    gc.collect()
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.default_memory_pool().release_unused()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # of glibc; musl has none


@contextmanager
def within_memory(what: str, remedy: str) -> Iterator[None]:
    """Work that may take all memory: the sentence to say then."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_memory(error):
            raise
        free, why = available()
        told = f": {free / 1e9:.1f} GB are left{f' by {why}' if why else ''}"
        raise WorkError(f"There is not enough memory for {what}{told}.", remedy) from error
