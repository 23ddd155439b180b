"""Signatures are checked as the tests run: also those of functions within functions, and of dataclasses made alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import beartype
import jaxtyping
import pytest
from jaxtyping import TypeCheckError

import checking
from unveil.files import finite
from unveil.settings.judging import Judging
from unveil.settings.options import EvaluationOptions


def test_calls_one_two_four_and_so_on_are_checked_in_each_test() -> None:
    wrong: Any = "3"
    with pytest.raises(TypeCheckError, match="finite"):
        finite(wrong)
    checking.calls.clear()
    refused = []
    for call in range(1, 10):
        try:
            finite(3.0 if call % 2 else wrong)
        except TypeCheckError:
            refused.append(call)
        except TypeError:  # not checked: a text is no number
            pass
    assert refused == [2, 4, 8]


def count() -> int:
    finite(1.0)
    return sum(checking.calls.values())


@pytest.mark.parametrize("which", ["a", "b"])
def test_each_set_of_parameters_is_counted_by_itself(which: str) -> None:
    assert count() == 1


@pytest.mark.parametrize("which", ["a", "b"])
def test_tests_with_the_same_parameters_count_together(which: str) -> None:
    checking.begin(Path(__file__), which)
    first = count()
    checking.begin(Path(__file__), "another")
    assert count() >= 1
    checking.begin(Path(__file__), which)
    assert count() == first + 1


def test_dataclasses_with_the_same_fields_keep_their_own_types() -> None:
    assert Judging("exact", None).num_samples is None
    with pytest.raises(TypeCheckError):
        EvaluationOptions("exact", None)  # type: ignore[arg-type]


def test_a_function_within_a_function_is_checked_with_its_own_values() -> None:
    check: Any = jaxtyping.jaxtyped(typechecker=beartype.beartype)

    def made(amount: int) -> Callable[[int], int]:
        @check  # type: ignore[untyped-decorator]
        def add(x: int) -> int:
            return x + amount

        return add

    assert [made(n)(1) for n in range(3)] == [1, 2, 3]
    wrong: Any = made(4)
    with pytest.raises(TypeCheckError):
        wrong("1")
