"""Contracts do not hang on how many steps a sample is drawn in, or on how many numbers of steps are compared."""

from __future__ import annotations

import inspect

import pytest

from unveil.models.vdm import walks
from unveil.registry import load_all

STEPS = 5


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for family in load_all("model").values():
        defaults = inspect.unwrap(family.sample).__kwdefaults__ or {}
        if "steps" in defaults:
            monkeypatch.setitem(defaults, "steps", STEPS)
    monkeypatch.setattr(walks, "STEPS", (1, STEPS))
