"""A run from a stranger writes, reads and removes nothing outside its folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from quick import fitted
from unveil.errors import RequestError, Unwritten
from unveil.plainfiles import TEMPORARY, write_atomic, write_output
from unveil.runs.locking import only_one
from unveil.runs.metrics import append_metrics, cut_metrics, read_metrics, sync_metrics
from unveil.runs.paths import OWN
from unveil.runs.store import RunStore
from unveil.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted("digits", tmp_path_factory.mktemp("whole") / "run", steps=4, latent=2, model__width=8).store.path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"w": torch.arange(3.0) + step}, {"phase": 0})


@pytest.mark.parametrize("name", OWN)
def test_no_file_of_a_run_is_a_link(name: str, run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside)
    with pytest.raises(RequestError, match=r"is a symbolic link; in a run it must be a plain file\."):
        RunStore.load(run)
    assert outside.read_text() == "mine"


def test_no_file_of_a_run_is_a_fifo(run: Path) -> None:
    """A FIFO would be waited for without end."""
    (run / "result.json").unlink()
    os.mkfifo(run / "result.json")
    with pytest.raises(RequestError, match="is a FIFO; in a run it must be a plain file"):
        RunStore.load(run)


def test_a_state_that_is_a_link_loses_nothing(run: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "folders" / "00000001"
    thesis.mkdir(parents=True)
    (thesis / "chapter.txt").write_text("mine")
    shutil.rmtree(run / "state")
    (run / "state").symlink_to(tmp_path / "folders")
    with pytest.raises(RequestError, match=r"state is a symbolic link; in a run it must be a plain folder\."):
        RunStore.load(run)
    for act in (lambda: save_checkpoint(run / "state", checkpoint(2)), lambda: load_checkpoint(run / "state")):
        with pytest.raises(RequestError, match="is a symbolic link"):
            act()
    assert (thesis / "chapter.txt").read_text() == "mine"


def test_only_states_that_were_written_here_are_removed(tmp_path: Path) -> None:
    """Another folder, a link of such a name, and a file beside a state's own stay."""
    root, outside = tmp_path / "state", tmp_path / "outside"
    for folder in (root / "photos", root / "00000001" / "albums", root / "00000002x", outside):
        folder.mkdir(parents=True)
        (folder / "x.txt").write_text("mine")
    (root / "00000001" / "notes.txt").write_text("mine")
    (root / "00000002").symlink_to(outside)
    save_checkpoint(root, checkpoint(3))
    save_checkpoint(root, checkpoint(4))
    save_checkpoint(root, checkpoint(5))
    kept = [root / "photos", root / "00000001" / "albums", outside]
    assert all((folder / "x.txt").read_text() == "mine" for folder in kept)
    assert (root / "00000001" / "notes.txt").read_text() == "mine"
    found = load_checkpoint(root)
    assert not (root / "00000003").exists() and found is not None and found.step == 5


def test_metrics_are_never_written_through_a_link(tmp_path: Path) -> None:
    outside, metrics = tmp_path / "profile", tmp_path / "metrics.jsonl"
    outside.write_text("mine")
    metrics.symlink_to(outside)
    acts: tuple[Callable[[], object], ...] = (
        lambda: append_metrics(metrics, {"stage": "$(touch x)"}),
        lambda: cut_metrics(metrics, 2),
        lambda: sync_metrics(metrics),
        lambda: read_metrics(metrics),
    )
    for act in acts:
        with pytest.raises(RequestError, match="is a symbolic link"):
            act()
    assert outside.read_text() == "mine"


def test_the_last_moment_before_a_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is put there after the name was looked at is not followed either."""
    outside, metrics = tmp_path / "profile", tmp_path / "metrics.jsonl"
    outside.write_text("mine")
    monkeypatch.setattr("unveil.plainfiles.require_plain", lambda path: path.symlink_to(outside))
    with pytest.raises(Unwritten, match="symbolic links"):
        append_metrics(metrics, {"stage": "main"})
    assert outside.read_text() == "mine"


def test_metrics_are_cut_to_whole_lines_and_never_filled_up(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    for step in range(3):
        append_metrics(metrics, {"phase": 0, "step": step})
    size = sync_metrics(metrics)
    with pytest.warns(UserWarning, match="has lost 9,999,99.* bytes: its curves have a gap"):
        cut_metrics(metrics, 10**10)
    assert metrics.stat().st_size == size
    with pytest.warns(UserWarning, match="has lost 23 of 71 bytes"):
        cut_metrics(metrics, size - 1)
    assert [row["step"] for row in read_metrics(metrics)] == [0, 1]


def test_a_temporary_name_cannot_be_linked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it is known: it is made exclusively, and what it leads to stays."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    monkeypatch.setattr("unveil.plainfiles.secrets.token_hex", lambda n: "0" * 2 * n)
    (tmp_path / f".unveil-{'0' * 16}.tmp").symlink_to(outside)
    with pytest.raises(RuntimeError, match="could not be written"):
        write_atomic(tmp_path / "report.html", b"theirs")
    assert outside.read_text() == "mine" and not (tmp_path / "report.html").exists()


def test_a_target_keeps_its_mode_and_a_name_may_be_long(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 249 + ".csv")
    write_atomic(target, b"1")
    target.chmod(0o640)
    write_output(target, b"2")
    assert target.read_bytes() == b"2" and target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_an_output_goes_through_a_link_and_into_a_fifo(tmp_path: Path) -> None:
    real, link, fifo = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "fifo.csv"
    real.write_text("old")
    link.symlink_to(real)
    write_output(link, b"new")
    assert link.is_symlink() and real.read_text() == "new"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_output(fifo, b"new")
    assert os.read(reader, 10) == b"new" and fifo.is_fifo()
    os.close(reader)


def test_what_a_kill_left_behind_goes_when_the_run_is_written_again(run: Path) -> None:
    left, own = (run / f".unveil-{'a' * 16}.tmp", run / ".result.json.123.tmp"), run / "notes.tmp"
    for path in (*left, own):
        path.write_text("half")
    with only_one(run):
        pass
    assert not any(path.exists() for path in left) and own.exists()
    assert not TEMPORARY.fullmatch("notes.tmp")


def test_a_state_of_the_same_step_is_kept_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill at the last moment, between the end of the old state and the new one's name."""
    root = tmp_path / "state"
    save_checkpoint(root, checkpoint(192))
    again = Checkpoint(192, {"w": torch.zeros(3)}, {"phase": 0})

    rename = os.replace

    def killed(*names: Path, **where: int) -> None:
        if not where:  # the state itself, not a file within it
            raise KeyboardInterrupt
        rename(*names, **where)

    with monkeypatch.context() as patch:
        patch.setattr("unveil.train.checkpoint.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(root, again)
    found = load_checkpoint(root)
    assert found is not None and found.step == 192 and not found.tensors["w"].any()
    save_checkpoint(root, checkpoint(200))
    assert [path.name for path in root.iterdir()] == ["00000200"]
