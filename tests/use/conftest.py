"""Imputation and scores of one mode each, whose kernels few draws will lay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quick import short_adaptation


@pytest.fixture(autouse=True, scope="module")
def few_draws() -> Iterator[None]:
    """As few as one mode in few dimensions needs; a module about the draws has its own `few_draws`."""
    with short_adaptation():
        yield
