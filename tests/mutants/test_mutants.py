"""The faults of `make mutants` can all be applied, and the tests that are to notice are there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from faults import MUTANTS, Mutant
from run import ROOT, lost, of_the_day


def test_each_fault_replaces_what_stands_in_its_file_exactly_once() -> None:
    assert lost(MUTANTS) == []


def test_faults_that_cannot_be_applied_are_all_told() -> None:
    gone = [Mutant(name, "terms.py", old, "", ()) for name, old in (("none", "no such text"), ("many", "return"))]
    told = lost([*gone, Mutant("nowhere", "no/such/file.py", "x", "", ())])
    assert [line.split(":")[0] for line in told] == ["none", "many", "nowhere"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_changes_a_file_that_still_is_python(mutant: Mutant) -> None:
    text = (ROOT / "src" / "unveil" / mutant.file).read_text(encoding="utf-8")
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    assert mutant.new != mutant.old and "\n" not in mutant.old + mutant.new


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_fault_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE) or not name


def test_names_are_unique_and_there_are_enough() -> None:
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 40


def test_each_fault_has_its_day() -> None:
    days = -(-len(MUTANTS) // 3)
    assert {m.name for day in range(days) for m in of_the_day(3, day)} == {m.name for m in MUTANTS}
    assert len(of_the_day(3, 7)) == 3
