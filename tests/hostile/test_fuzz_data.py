"""A fixed number of changed files for every reader of data, and that the files they come from are read."""

from pathlib import Path

import pytest

from hostile import readers
from hostile.fuzzing import READERS, attempt, case

readers.enter()
CASES = 16
REFUSED = ("x.zip", "x.txt", "x.npz, one member")  # whose corpus is no data, or holds some that is none


@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    for seed in range(CASES):
        attempt(READERS[name], case(READERS[name], seed), tmp_path)


@pytest.mark.parametrize("name", [name for name in READERS if name not in REFUSED])
def test_what_was_not_changed_is_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    assert "read" in {attempt(reader, reader.wrap(text), tmp_path)[0] for text in reader.corpus[:2]}
