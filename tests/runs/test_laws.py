"""The laws of a run directory: one writer, nothing lost, and every number with what it is of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from quick import QUICK, fitted, no_baselines
from unveil.api import Run
from unveil.errors import RequestError, WorkError
from unveil.estimators.base import evaluate
from unveil.fitting.events import Progress
from unveil.fitting.phases import continue_fitting
from unveil.fitting.prepare import prepare
from unveil.runs.locking import only_one
from unveil.runs.store import RunStore
from unveil.train import checkpoint
from unveil.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from unveil.use.score import score

SMALL = {"data.binarization": "dynamic", "model.width": 16, "model.latent": 3, "train.steps": 6}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """200 digits of 17 grey levels."""
    path = tmp_path_factory.mktemp("store") / "digits.npy"
    np.save(path, load_digits().images[:200].astype(np.uint8))
    return str(path)


@pytest.fixture(scope="module")
def run(source: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(source, tmp_path_factory.mktemp("store") / "run", **SMALL)


def test_a_result_says_what_it_is_of(run: Run) -> None:
    """Static, dynamic and thresholded digits are different data; a bound means little without its K and its side."""
    found = run.result
    assert (found["binarization"], found["estimator"], found["num_samples"]) == ("dynamic", "iwae", 10)
    assert (found["direction"], found["split"], found["num_examples"]) == ("lower", "test", 20)
    assert found["data_sha256"] == run.data_info["sha256"]
    assert found["log_px_sum"] == pytest.approx(20 * found["log_px"])
    assert found["bits_per_dim"] == pytest.approx(-found["log_px"] / 64 / math.log(2))
    log_px = run.store.scores("test")
    assert found["log_px"] == pytest.approx(log_px.mean())
    assert found["stderr"] == pytest.approx(log_px.std(ddof=1) / math.sqrt(20))


def test_the_training_seed_moves_neither_the_split_nor_a_fixed_draw(source: str) -> None:
    first, second = (prepare(source, seed=seed, options=QUICK | SMALL).data for seed in (0, 1))
    third = prepare(source, options=QUICK | SMALL | {"data.seed": 1}).data
    for name in ("valid", "test"):
        one, two, other = (getattr(data, name) for data in (first, second, third))
        assert torch.equal(one.rows, two.rows) and torch.equal(one.x, two.x)
        assert not torch.equal(one.rows, other.rows)


def test_a_percentile_is_the_share_of_less_likely_validation_examples(run: Run, source: str) -> None:
    x = np.load(source)[:30]
    found = score(run.store, x)
    below = run.store.scores("valid")[None] < found.log_px[:, None]
    np.testing.assert_allclose(found.percentile, 100 * below.mean(1))
    assert found.percentile.min() < 40 and found.percentile.max() > 60


def test_equal_x_far_apart_in_a_set_meet_noise_of_their_own(run: Run) -> None:
    split = run.store.data.train.head(1)._map(lambda held: held.repeat(256, *(1,) * (held.ndim - 1)))
    found, _ = evaluate(run.store.model, split, run.store.config.judging.make())
    assert not torch.equal(found.log_px[:128], found.log_px[128:])


def test_what_was_interrupted_goes_on_to_the_same_numbers(source: str, tmp_path: Path) -> None:
    """Also where the best weights are from before the interruption, which a learning rate far too high sees to."""
    wild = SMALL | {"train.lr": 0.3, "train.warmup": 1.0, "train.ema_half_life": 0, "train.schedule": "constant"}
    wild |= {"train.steps": 12, "train.valid_every": 2}
    whole = fitted(source, tmp_path / "whole", **wild)
    bounds = [row["valid_bound"] for row in whole.metrics if "valid_bound" in row]
    assert len(bounds) == 6 and max(bounds[:3]) > max(bounds[3:]), "nothing that could be forgotten"
    with no_baselines():
        events = prepare(source, out=tmp_path / "run", options=QUICK | wild).events(lambda run: None)
        next(event for event in events if isinstance(event, Progress) and event.step == 7)
        events.close()  # type: ignore[attr-defined]
        run = Run.load(tmp_path / "run")
        assert not run.is_finished
        for _ in continue_fitting(run.store, lambda run: None):
            pass
    assert [row["from_step"] for row in run.result["continuations"]] == [6]
    assert run.store.weights_sha256 == whole.store.weights_sha256
    assert [untimed(row) for row in run.metrics] == [untimed(row) for row in whole.metrics]
    assert run.result["log_px"] == whole.result["log_px"]


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "time"}


def test_data_that_has_changed_is_refused(run: Run, tmp_path: Path) -> None:
    assert RunStore.load(run.path, data=np.load(run.store.config.where)).data.sha256 == run.data_info["sha256"]
    with pytest.raises(RequestError, match="has changed since the fit"):
        RunStore.load(run.path, data=np.load(run.store.config.where)[::-1].copy())


def test_a_run_is_never_overwritten(run: Run, source: str) -> None:
    before = run.store.weights_sha256
    with pytest.raises(RequestError, match="holds a run, and a run is never overwritten"):
        prepare(source, out=run.path, options=QUICK | SMALL)
    with pytest.raises(RequestError, match="never overwritten"):
        RunStore.create(run.path, run.store.config, run.store.data)
    assert run.store.weights_sha256 == before


def test_a_second_writer_is_kept_out(run: Run) -> None:
    with only_one(run.path), pytest.raises(RequestError, match=r"Another process .* is working on"), run.store.lock():
        pass
    with run.store.lock():
        pass


def test_the_state_before_goes_only_when_the_new_one_was_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, {"w": torch.zeros(3)}, {}))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "sha256_of", lambda path: str(path.stat().st_mtime_ns) + path.parent.name)
        with pytest.raises(WorkError, match="reads back differently"):
            save_checkpoint(tmp_path, Checkpoint(2, {"w": torch.ones(3)}, {}))
    found = load_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    for step in (3, 4):
        save_checkpoint(tmp_path, Checkpoint(step, {"w": torch.ones(3)}, {}))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["00000003", "00000004"]
    save_checkpoint(tmp_path, Checkpoint(0, {"w": torch.ones(3)}, {}))  # of the next phase: none of it stands before
    assert [folder.name for folder in tmp_path.iterdir()] == ["00000000"]


def test_a_damaged_state_is_passed_over_for_an_older_one_or_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, Checkpoint(1, {"w": torch.zeros(3)}, {}))
    older = tmp_path / "00000000"
    (tmp_path / "00000001").rename(older)
    (older / "kept").touch()
    save_checkpoint(tmp_path / "new", Checkpoint(1, {"w": torch.ones(3)}, {}))
    newest = (tmp_path / "new" / "00000001").rename(tmp_path / "00000001")
    damaged = newest / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match="00000001 is damaged. Training goes on from the one before it, step 0"):
        found = load_checkpoint(tmp_path)
    assert found is not None and not found.tensors["w"].any()
    older.rename(tmp_path / "gone")
    with pytest.raises(RequestError, match=r"No state under .* is whole"):
        load_checkpoint(tmp_path)
