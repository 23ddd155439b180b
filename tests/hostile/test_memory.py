"""What a large array costs to read: one copy as it came, one as it is kept, and little beside them."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from unveil.data import load, loading
from unveil.domain import values

RNG = np.random.default_rng(0)
ARRAYS = {
    "float64 table": lambda: RNG.random((40_000, 60)),
    "float32 table": lambda: RNG.random((40_000, 60), np.float32),
    "float64 pictures": lambda: RNG.random((20_000, 16, 16)),
    "float32 in fortran order": lambda: np.asfortranarray(RNG.random((5_000, 480), np.float32)),
    "uint8 pictures": lambda: RNG.integers(0, 256, (40_000, 16, 16), dtype=np.uint8),
    "integers": lambda: RNG.integers(0, 1000, (40_000, 60)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_never_held_three_times(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (values, loading):
        monkeypatch.setattr(module, "PIECE", 2**20)
    x = ARRAYS[name]()
    np.save(tmp_path / "x.npy", x)
    size = x.nbytes
    del x
    load("moons")  # what the first of all imports is not counted
    tracemalloc.start()
    try:
        load(tmp_path / "x.npy", seed=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.6 * size
