"""A fixed number of changed files for every reader of a run, and that the files they come from are read."""

from pathlib import Path

import pytest

from hostile import run_readers
from hostile.fuzzing import READERS, attempt, case

CASES = 40


@pytest.fixture(scope="module", autouse=True)
def entered() -> None:
    run_readers.enter()


@pytest.mark.parametrize("name", (*run_readers.JSON, *run_readers.TENSORS, *run_readers.STATES))
def test_a_changed_file_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    assert attempt(reader, reader.corpus[0], tmp_path) == ("read", "")
    for seed in range(CASES):
        attempt(reader, case(reader, seed), tmp_path)
