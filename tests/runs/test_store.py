"""The store is the one room that knows the files of a run; the facade above it has one line a verb."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import unveil
from quick import QUICK, forget_sums
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.runs.config import RunConfig
from unveil.runs.store import RunStore
from unveil.settings.judging import RANKED
from unveil.settings.options import DataOptions, TrainOptions
from unveil.settings.phase import Phase

SOURCES = Path(inspect.getfile(unveil)).parent
SAVED = Path(__file__).parent / "0.1.0"
FILES = (
    "config.json", "data.json", "result.json", "diagnosis.json", "continuations.json", "metrics.jsonl", "report.html",
    "weights.safetensors", "scores.safetensors",
)  # fmt: skip
STORED = (
    "path", "config", "train", "data_info", "domain", "columns", "is_finished", "result", "diagnosis", "metrics",
    "objective", "model", "data",
)  # fmt: skip


def texts_of(path: Path) -> set[str]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return {node.value for node in strings if id(node) not in docs}


def test_no_other_room_names_a_file_of_a_run() -> None:
    knows = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if any(text == name or text.endswith(f"/{name}") for text in texts_of(path) for name in FILES)
    }
    assert knows == {"runs/store.py", "runs/paths.py"}


@pytest.mark.parametrize("path", sorted(SAVED.iterdir()), ids=lambda path: path.name)
def test_the_choices_of_a_saved_run_come_back_as_they_were(path: Path) -> None:
    """Typed and plain again, nothing is lost and nothing but defaults is added."""
    written = json.loads((path / "config.json").read_text(encoding="utf-8"))
    again = RunConfig.of_json(written).to_json()
    known = {name: again[name] for name in ("versions", "plan")} | {"data": vars(DataOptions()) | written["data"]}
    known["evaluation"] = {"num_examples": None, "ranked": RANKED} | written["evaluation"]
    assert again | {"phases": []} == written | {"phases": []} | known
    for now, before in zip(again["phases"], written["phases"], strict=True):
        assert now.items() >= {k: v for k, v in before.items() if k != "stages"}.items()


@pytest.mark.parametrize("marks", ["", "-999,unknown"])
def test_marks_of_missing_values_of_earlier_runs_keep_their_sense(tmp_path: Path, marks: str) -> None:
    shutil.copytree(SAVED / "any_order", tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    del config["data"]["na_values"]
    config["data"]["missing"] = marks
    (tmp_path / "run" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    data = RunStore.load(tmp_path / "run").config.data
    assert (data.missing, data.na_values) == ("ignored", marks)


def test_a_phase_repeats_its_options_and_leaves_the_budget_open() -> None:
    asked = TrainOptions(clip=3.0, patience=7, finish="iwae", encoder_steps=2)
    phase = Phase(asked, steps=500, batch_size=64, lr=2e-3, ema_half_life=9.0, valid_every=20, threads=2, compile=True)
    again = Phase.of_json(json.loads(json.dumps(phase.to_json())))
    assert again.to_json() == phase.to_json()
    kept = replace(asked, batch_size=64, lr=2e-3, weight_decay=0.0, prior_share=0.0, precision="float32", threads=2)
    assert again.options == replace(kept, compile=True, device="cpu")
    assert (again.options.steps, again.options.valid_every, again.options.ema_half_life) == (None, "auto", "auto")


def test_a_config_that_is_not_whole_is_refused_in_a_sentence(tmp_path: Path) -> None:
    found = json.loads((next(SAVED.iterdir()) / "config.json").read_text(encoding="utf-8"))
    del found["seed"]
    (tmp_path / "config.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RequestError, match="'seed'"):
        RunStore.load(tmp_path)


def test_the_facade_shows_what_the_store_holds_and_does_nothing_itself() -> None:
    run = Run.load(next(SAVED.glob("vae*")))
    for name in STORED:
        if name not in ("data", "diagnosis", "objective", "config", "train"):
            assert getattr(run, name) is getattr(run.store, name) or getattr(run, name) == getattr(run.store, name)
    assert run.config == run.store.config.to_json() and run.train == run.store.phase.to_json()
    verbs = [f for name, f in vars(Run).items() if inspect.isfunction(f) and not name.startswith("_")]
    assert {f.__name__ for f in verbs} >= {"evaluate", "encode", "score", "sample", "impute", "resume", "report"}
    for verb in verbs:
        body = ast.parse(textwrap.dedent(inspect.getsource(verb))).body[0].body  # type: ignore[attr-defined]
        assert len(body) == 2 or verb.__name__ == "report", f"{verb.__name__} does more than call its room"


def test_data_that_was_moved_is_asked_for_and_not_taken_for_a_name(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    np.savez(tmp_path / "x.npz", points=x)
    run = unveil.fit(f"{tmp_path / 'x.npz'}:points", steps=2, out=tmp_path / "run", show=False, options=QUICK)
    (tmp_path / "x.npz").rename(tmp_path / "moved.npz")
    with pytest.raises(RequestError, match=r"not where it was .* unveil relink .* PATH:points .*Run\.load") as refused:
        RunStore.load(run.path).data  # noqa: B018
    assert "cifar10" not in str(refused.value)
    again = unveil.Run.load(run.path, data=f"{tmp_path / 'moved.npz'}:points")
    assert again.data.sha256 == run.data.sha256
    (tmp_path / "x.npz").symlink_to(tmp_path / "moved.npz")
    assert RunStore.load(run.path).data.sha256 == run.data.sha256


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = np.random.default_rng(0).normal(size=(60, 3))
    source = tmp_path_factory.mktemp("small") / "x.npy"
    np.save(source, x)
    return unveil.fit(source, steps=2, out=source.with_name("run"), show=False, options=QUICK).path


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to / "run"))


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64, torch.float64, torch.uint8])
def test_weights_of_another_type_are_not_cast_in_silence(small: Path, tmp_path: Path, kind: torch.dtype) -> None:
    run = copied(small, tmp_path)
    weights = load_file(run / "weights.safetensors")
    name = next(name for name, value in weights.items() if value.is_floating_point() and value.ndim)
    weights[name] = weights[name].to(kind)
    save_file(weights, run / "weights.safetensors")
    with pytest.raises(RequestError, match=rf"do not fit .* of another type {re.escape(name)} \({kind}\)"):
        RunStore.load(run).model  # noqa: B018


def test_weights_that_became_shorter_floats_are_taken(small: Path, tmp_path: Path) -> None:
    run = copied(small, tmp_path)
    weights = load_file(run / "weights.safetensors")
    save_file({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, run / "weights.safetensors")
    assert all(value.dtype == weights[name].dtype for name, value in RunStore.load(run).model.state_dict().items())


WRONG = {
    "none": torch.zeros(0),
    "NaN": torch.tensor([0.0, torch.nan]),
    "inf": torch.tensor([0.0, torch.inf]),
    "integers": torch.tensor([1, 2]),
    "a table": torch.zeros(3, 2),
    "a number": torch.tensor(1.0),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_ranked_among_scores_that_are_none(small: Path, tmp_path: Path, wrong: str) -> None:
    run = copied(small, tmp_path)
    scores = load_file(run / "scores.safetensors")
    save_file(scores | {"valid": WRONG[wrong]}, run / "scores.safetensors")
    with pytest.raises(RequestError, match="holds no log p") as refused:
        unveil.Run.load(run).score(np.zeros((2, 3)))
    typed = str(refused.value).rpartition("step: ")[2]
    assert main(shlex.split(typed)[1:]) == 0
    assert np.isfinite(unveil.Run.load(run).score(np.zeros((2, 3))).percentile).all()


def test_a_validation_example_of_probability_0_is_the_lowest_rank(small: Path, tmp_path: Path) -> None:
    run = copied(small, tmp_path)
    scores = load_file(run / "scores.safetensors")
    save_file(scores | {"valid": torch.tensor([-torch.inf, 1e9])}, run / "scores.safetensors")
    forget_sums(run)
    assert unveil.Run.load(run).score(np.zeros((1, 3))).percentile.tolist() == [50.0]
