"""Files that are whole or not there, and JSON that says what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from unveil.errors import RequestError, WorkError
from unveil.files import write_json
from unveil.plainfiles import write_atomic
from unveil.records import read_record


def test_a_file_is_the_old_one_until_it_is_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_atomic(path, b"old")
    found = []
    replace = os.replace

    def looked(*paths: Any, **where: int) -> None:
        found.append(path.read_bytes())
        replace(*paths, **where)

    monkeypatch.setattr(os, "replace", looked)
    write_atomic(path, b"new")
    assert found == [b"old"] and path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_what_is_written_reaches_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, call=call, **k: (done.append(name), call(*a, **k)))
    write_atomic(tmp_path / "result.json", b"new")
    assert done[:2] == ["fsync", "replace"]


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match="No space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_no_number_of_a_json_is_infinite_and_its_format_is_read_first(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"format": "a-1", "log_px": float("nan")})
    write_json(path, {"format": "a-1", "log_px": None})
    assert read_record(path, "a-1", dict) == {"format": "a-1", "log_px": None}
    with pytest.raises(RequestError, match=r"has the format 'a-1' and this version reads 'a-2'"):
        read_record(path, "a-2", dict)
