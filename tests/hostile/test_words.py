"""What a stranger wrote into a run is neither run by a shell nor obeyed by a terminal; compiled code is one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from quick import fitted
from unveil.errors import RequestError, WorkError
from unveil.output.lists import print_runs
from unveil.output.streams import harmless, print_lines, say
from unveil.report.sections.repetition import judgement
from unveil.runs.store import RunStore
from unveil.train.compiling import private_cache

TITLE = "\x1b]0;owned\x07"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted("digits", tmp_path_factory.mktemp("whole") / "run", steps=4, latent=2, model__width=8).store.path


def changed(whole: Path, out: Path, name: str, *keys: str, to: Any) -> Path:
    shutil.copytree(whole, out)
    found = json.loads((out / name).read_text())
    place = found
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    (out / name).write_text(json.dumps(found))
    return out


def test_a_command_to_copy_holds_only_names_that_are_registered(whole: Path, tmp_path: Path) -> None:
    run = changed(whole, tmp_path / "run", "config.json", "evaluation", "estimator", to="iwae; touch x #")
    with pytest.raises(RequestError, match="estimator"):
        judgement(RunStore.load(run))
    assert judgement(RunStore.load(whole)).endswith("--estimator iwae --num-samples 10")


def test_a_list_of_runs_sends_no_control_characters(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(whole, tmp_path / "a", "config.json", "source", "where", to=f"x{TITLE}\x9b2J")
    changed(whole, tmp_path / "b", "config.json", "model", "name", to=TITLE)
    changed(whole, tmp_path / "c", "result.json", "direction", to=TITLE)
    print_runs(tmp_path)
    shown = capsys.readouterr().out
    assert "owned" in shown and not set(shown) & {"\x1b", "\x07", "\x9b"}


def test_sentences_and_lines_send_none_either(capsys: pytest.CaptureFixture[str]) -> None:
    say([f"Error: {TITLE}"])
    print_lines([f"{TITLE}\u202egpj.exe\tµ é 猫"])
    found = capsys.readouterr()
    assert not set(found.out + found.err) & {"\x1b", "\x07", "\u202e"}
    assert harmless("a\tµ é 猫\n") == "a\tµ é 猫\n"


def test_compiled_code_lies_where_nobody_else_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = private_cache()
    assert folder.is_relative_to(tmp_path) and folder.stat().st_mode & 0o777 == 0o700 and private_cache() == folder
    folder.chmod(0o777)
    with pytest.raises(WorkError, match="open to others"):
        private_cache()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(WorkError, match="is a link"):
        private_cache()
