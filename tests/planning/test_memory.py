"""A fit that memory does not hold is refused before its first step, with what needs less."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from quick import QUICK
from unveil.errors import WorkError, is_memory
from unveil.fitting.prepare import prepare
from unveil.planning import available, memory


def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def with_free(monkeypatch: pytest.MonkeyPatch, free: float, why: str = "") -> None:
    for module in (memory, available):
        monkeypatch.setattr(module, "available", lambda: (free, why))
    monkeypatch.setattr("unveil.planning.measure.available", lambda: (free, why))


@pytest.mark.parametrize(
    ("option", "advice"),
    [({"model.width": 3000}, "smaller model.width"), ({"train.batch_size": 200}, "smaller train.batch_size than 160")],
)
def test_a_fit_that_is_too_large_says_what_needs_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: dict[str, Any], advice: str
) -> None:
    monkeypatch.setattr("unveil.planning.plan.bytes_per_row", lambda *args: 2e7)
    with_free(monkeypatch, 4e8, "the limit of this process, ulimit -v")
    with pytest.raises(WorkError, match=r"needs about .* and 0\.4 GB are free by the limit of this process") as refused:
        prepare(x(), out=tmp_path / "run", options=QUICK | {"train.steps": 1, "train.batch_size": 1} | option)
    assert advice in refused.value.hint and not (tmp_path / "run").exists()


def test_memory_that_ends_in_training_keeps_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*args: Any, **options: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    fit = prepare(x(), out=tmp_path / "run", options=QUICK | {"train.steps": 2})
    monkeypatch.setattr("unveil.fitting.trainer.train", ends)
    with pytest.raises(WorkError, match="There is not enough memory for this work on") as told:
        list(fit.events(lambda run: None))
    assert "smaller train.batch_size or model.width" in told.value.hint and (tmp_path / "run" / "state").is_dir()


def test_data_that_memory_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*args: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(sys.modules[prepare.__module__], "load", ends)
    with pytest.raises(WorkError, match=r"not enough memory for the data: .* Give fewer rows or columns"):
        prepare(x(), out=tmp_path / "run")


VERSION_1 = {  # of control groups
    "memory/memory.limit_in_bytes": "900",
    "memory/memory.usage_in_bytes": "1",
    "memory/memory.stat": "cache 9\ninactive_file 50\n",
}


@pytest.mark.parametrize(
    ("told", "files", "left"),
    [
        ("0::/job/step", {"job/memory.max": "1000", "job/memory.current": "400", "job/step/memory.max": "max"}, [600]),
        ("4:cpu:/x\n3:memory:/seen/outside", VERSION_1, [949]),
        ("", {}, []),
    ],
)
def test_the_limits_of_control_groups_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, files: dict[str, str], left: list[int]
) -> None:
    (tmp_path / "mine").write_text(told)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    monkeypatch.setattr(available, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(available, "MINE", tmp_path / "mine")
    assert list(available._left_in_groups()) == left


def test_the_limit_of_the_address_space_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (10**6, resource.RLIM_INFINITY))
    assert available.available() == (0.0, "the limit of this process, ulimit -v")


def test_memory_in_the_words_of_those_who_say_it() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**50)
    assert is_memory(refused.value) and is_memory(MemoryError()) and is_memory(OSError(12, "Cannot allocate memory"))
    assert not is_memory(RuntimeError("shape mismatch")) and not is_memory(OSError(28, "No space left on device"))


@pytest.mark.parametrize("much", [None, 0])
def test_what_reading_much_data_took_is_given_back_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, much: int | None
) -> None:
    """Of little data nothing is worth the time that it takes."""
    given: list[int] = []
    room = sys.modules["unveil.fitting.prepare"]
    monkeypatch.setattr(room, "give_back", lambda: given.append(1))
    if much is not None:
        monkeypatch.setattr(room, "MUCH", much)
    prepare(x(), out=tmp_path / "run", model="linear_gaussian", options=QUICK)
    assert len(given) == (much is not None)


def test_giving_back_asks_every_allocator_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Pool:
        def release_unused(self) -> None:
            asked.append("pyarrow")

    class Library:
        def malloc_trim(self, left: int) -> None:
            asked.append("glibc")

    monkeypatch.setitem(sys.modules, "pyarrow", SimpleNamespace(default_memory_pool=Pool))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library())
    monkeypatch.setattr(memory.sys, "platform", "linux")
    memory.give_back()
    assert asked == ["pyarrow", "glibc"]
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())  # musl has no malloc_trim
    memory.give_back()
    assert asked == ["pyarrow", "glibc", "pyarrow"]
