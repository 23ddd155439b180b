"""The files of one phase belong together: a mixture is named, and `resume` makes what is missing without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from quick import fitted
from unveil.api import Run, compare, pack, resume
from unveil.errors import RequestError, WorkError
from unveil.files import write_json
from unveil.runs.seals import sealed
from unveil.train.checkpoint import save_weights


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    return fitted(str(folder / "x.npy"), folder / "run", steps=4, latent=2, model__width=4, report=True).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def never(*args: Any, **options: Any) -> None:
    raise AssertionError("it was trained again")


def files(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in ("weights.safetensors", "report.html", "metrics.jsonl")}


@pytest.mark.parametrize("lost", ["report.html", "scores.safetensors", "weights.safetensors", "result.json"])
def test_resume_makes_what_is_missing_and_trains_nothing(run: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    monkeypatch.setattr("unveil.fitting.trainer.train", never)
    monkeypatch.setattr("unveil.fitting.carry_out.fit_baselines", lambda data, **options: ([], ()))
    before = files(run)
    (run / lost).unlink()
    assert Run.load(run).is_finished == (lost == "report.html")
    assert resume(run).is_finished
    after = files(run)
    assert after["weights.safetensors"] == before["weights.safetensors"]
    assert after["metrics.jsonl"] == before["metrics.jsonl"] and b"</html>" in after["report.html"]
    with pytest.raises(RequestError, match=r"is finished\. To train it further"):
        resume(run)


def test_weights_are_enough_to_go_on_from(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.fitting.trainer.train", never)
    monkeypatch.setattr("unveil.fitting.carry_out.fit_baselines", lambda data, **options: ([], ()))
    for name in ("result.json", "scores.safetensors", "report.html"):
        (run / name).unlink()
    shutil.rmtree(run / "state")
    assert resume(run).is_finished


def test_a_fitted_run_without_weights_and_states_is_not_begun_again(run: Path) -> None:
    (run / "weights.safetensors").unlink()
    shutil.rmtree(run / "state")
    with pytest.raises(RequestError, match="its own weights and states are gone"):
        resume(run)


def in_phase_2(run: Path) -> Run:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    write_json(run / "config.json", config | {"phases": 2 * config["phases"]})
    return Run.load(run)


JUDGES: dict[str, Callable[[Run, Path], Any]] = {
    "report": lambda run, out: run.report(),
    "compare": lambda run, out: compare([run, run]),
    "diagnose": lambda run, out: run.diagnose(limit=2),
    "pack": lambda run, out: pack(run, out / "pack"),
    "evaluate": lambda run, out: run.evaluate(num_samples=2),
}


@pytest.mark.parametrize("verb", JUDGES)
def test_a_mixture_of_phases_is_named(run: Path, tmp_path: Path, verb: str) -> None:
    """Killed between weights and scores of a second phase."""
    found = in_phase_2(run)
    save_weights(run / "weights.safetensors", found.model, sealed(found.store.seal | {"phase": "1"}))
    with pytest.raises(RequestError) as refused:
        JUDGES[verb](Run.load(run), tmp_path)
    assert "it holds weights of phase 2 beside scores of phase 1 and result of phase 1" in refused.value.message
    assert refused.value.hint == f"Finish it with: unveil resume {run}"


def test_nothing_is_ranked_among_scores_of_an_earlier_phase(run: Path) -> None:
    found = in_phase_2(run)
    save_weights(run / "weights.safetensors", found.model, sealed(found.store.seal | {"phase": "1"}))
    scores = Run.load(run).score(np.zeros((2, 3), np.float32))
    assert np.isnan(scores.percentile).all() and f"unveil resume {run}" in " ".join(scores.notes)


@pytest.mark.parametrize("verb", ["report", "compare", "diagnose", "pack"])
def test_a_result_of_an_earlier_phase_is_not_shown_as_that_of_the_present_one(
    run: Path, tmp_path: Path, verb: str
) -> None:
    with pytest.raises(RequestError, match=r"is not finished: it is in phase 2\. Finish it with: unveil resume"):
        JUDGES[verb](in_phase_2(run), tmp_path)


def test_a_diagnosis_is_of_its_phase(run: Path) -> None:
    found = Run.load(run)
    parts = dict.fromkeys(("bracket", "gap", "aggregate", "collapse", "quality", "structure"))
    plain = {"source": "x", "split": "test", "num_examples": 2, "seed": 0, "seconds": 1.0}
    said: dict[str, Any] = {"findings": [], "sentences": [], "why": {}}
    found.store.write_diagnosis({"format": "unveil-diagnosis-1", **plain, **parts, **said})
    assert found.diagnosis is not None
    assert in_phase_2(run).diagnosis is None


@pytest.fixture(scope="module")
def other(finished: Path) -> Path:
    """A run of the same data and model with another seed, so that all shapes are alike."""
    source, options = str(finished.parent / "x.npy"), {"steps": 4, "latent": 2, "model__width": 4, "report": True}
    return fitted(source, finished.parent / "other", seed=1, **options).path


@pytest.mark.parametrize("name", ["weights.safetensors", "scores.safetensors", "result.json"])
@pytest.mark.parametrize("verb", JUDGES)
def test_a_file_of_another_run_is_named(run: Path, other: Path, tmp_path: Path, name: str, verb: str) -> None:
    shutil.copy(other / name, run / name)
    with pytest.raises(RequestError, match=rf"{name.split('.')[0]} of another run|not finished"):
        JUDGES[verb](Run.load(run), tmp_path)


def test_weights_of_another_run_make_nothing(run: Path, other: Path) -> None:
    shutil.copy(other / "weights.safetensors", run / "weights.safetensors")
    for verb in (Run.sample, lambda found: found.encode(np.zeros((2, 3), np.float32))):
        with pytest.raises(RequestError, match=r"is not of the run that config.json and data.json describe"):
            verb(Run.load(run))


def test_a_state_of_another_run_is_not_gone_on_from(run: Path, other: Path) -> None:
    for name in ("weights.safetensors", "scores.safetensors", "result.json", "report.html"):
        (run / name).unlink()
    shutil.rmtree(run / "state")
    shutil.copytree(other / "state", run / "state")
    with pytest.raises(RequestError, match=r"state holds a state of another run"):
        resume(run)


@pytest.mark.parametrize("name", ["weights.safetensors", "scores.safetensors"])
def test_a_changed_byte_is_found_and_resume_mends_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("unveil.fitting.trainer.train", never)
    monkeypatch.setattr("unveil.fitting.carry_out.fit_baselines", lambda data, **options: ([], ()))
    before = (run / name).read_bytes()
    (run / name).write_bytes(before[:-2] + bytes([before[-2] ^ 1]) + before[-1:])
    for verb in JUDGES.values():
        with pytest.raises(RequestError, match=r"is not the file that the result was made of|other weights|not whole"):
            verb(Run.load(run), tmp_path)
    scores = Run.load(run).score(np.zeros((2, 3), np.float32))
    assert np.isnan(scores.percentile).all() and "not scored by the model of now" in " ".join(scores.notes)
    assert resume(run).is_finished and (run / "weights.safetensors").read_bytes() == (
        before if name == "weights.safetensors" else (run / "weights.safetensors").read_bytes()
    )
    assert np.isfinite(Run.load(run).score(np.zeros((2, 3), np.float32)).percentile).all()


def test_the_same_files_are_the_same_bytes(run: Path, tmp_path: Path) -> None:
    store = Run.load(run).store
    scores = [store.scores(name) for name in ("valid", "test", "test_without_labels")]
    found = set()
    for _ in range(8):
        store.write_scores(*(torch.from_numpy(each) for each in scores))
        store.write_weights(store.model)
        found.add((run / "scores.safetensors").read_bytes() + (run / "weights.safetensors").read_bytes())
    assert len(found) == 1


def test_an_older_config_beside_newer_files_is_named(run: Path) -> None:
    found = Run.load(run)
    save_weights(run / "weights.safetensors", found.model, sealed(found.store.seal | {"phase": "1"}))
    with pytest.raises(RequestError, match=r"has weights of phase 2 beside a config.json of 1: put the newer back"):
        Run.load(run).store.require_finished()


def test_a_new_result_has_a_new_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unveil.fitting.trainer.train", never)
    monkeypatch.setattr("unveil.fitting.carry_out.fit_baselines", lambda data, **options: ([], ()))
    (run / "report.html").write_text("of the result before", encoding="utf-8")
    (run / "result.json").unlink()
    assert resume(run).is_finished and "</html>" in (run / "report.html").read_text(encoding="utf-8")


def test_a_pack_that_fails_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unveil.runs.store.write_json", full)
    with pytest.raises(WorkError, match="No space left on device"):
        pack(Run.load(run), tmp_path / "out" / "pack")
    assert list((tmp_path / "out").iterdir()) == []
