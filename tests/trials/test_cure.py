"""Remedies tried on a short budget: which, judged on what, chosen how, and nothing left behind."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import unveil
from untouched import contents, trained
from unveil.api import Run
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian
from unveil.nn.mlp import MLPDecoder
from unveil.objectives.elbo import Elbo
from unveil.objectives.importance import Iwae
from unveil.posteriors import DiagonalGaussian
from unveil.priors import StandardNormal
from unveil.registry import describe
from unveil.runs.store import RunStore
from unveil.settings.choices import choose
from unveil.settings.phase import Phase
from unveil.train.loop import NonFinite
from unveil.trials.bench import FEWEST, Bench, Count, Judged, Trial, fresh_model, paired
from unveil.trials.cure import HEADS, Tried, cure
from unveil.trials.remedies import AGGRESSIVE, CONTROL, FREE, WARMED, keys_with, remedies_of

SMALL = {"model__latent": 4, "model__width": 32, "train__batch_size": 32, "train__lr": 0.003}


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_digits().images[:500].astype(np.uint8)


@pytest.fixture(scope="module")
def collapsed(digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose latents say nothing, for the rate weighs 50 times too much."""
    out = tmp_path_factory.mktemp("collapsed") / "run"
    return trained(digits, out, objective="beta_elbo", objective__beta=50.0, train__steps=90, model__depth=2, **SMALL)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on pure noise, of which no latent can say anything."""
    x = np.random.default_rng(0).normal(size=(4000, 6)).astype(np.float32)
    sizes = {"model__latent": 2, "model__width": 16, "train__batch_size": 128, "train__lr": 0.003}
    sizes |= {"model__network": "plain", "prior": "standard_normal"}  # its z is not at the optimum from the start
    return trained(x, tmp_path_factory.mktemp("noise") / "run", train__steps=60, **sizes)


def test_a_collapsed_run_gets_a_cure_that_is_alive(collapsed: Run, tmp_path: Path, monkeypatch: Any) -> None:
    """With the test examples poisoned, the folder of the run and that of temporary files as they were."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, weights = contents(collapsed.path), {k: v.clone() for k, v in collapsed.model.state_dict().items()}
    told: list[tuple[str, int, int]] = []
    found = cure(collapsed.store, steps=100, progress=lambda *each: told.append(each))

    assert [tried.name for tried in found.tried] == [CONTROL, WARMED, FREE, AGGRESSIVE] and not found.left_out
    control, _, free, _ = found.tried
    assert found.before.has_collapsed and control.judged.has_collapsed and control.difference is None
    assert not free.judged.has_collapsed and free.judged.rate > 1 and free.is_better
    assert found.chosen == FREE
    assert found.verdict is not None and found.verdict.kind == "failed_optimisation"
    assert "weighs the rate by 50" in found.verdict.sentence
    assert [made for _, made, _ in told] == list(range(1, 601)) and {total for *_, total in told} == {600}

    assert contents(collapsed.path) == before and not list(tmp_path.iterdir())
    assert all(torch.equal(weights[k], v) for k, v in collapsed.model.state_dict().items())
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["format"] == "unveil-cure-1" and said["split"] == "valid" and len(said["tried"]) == 4
    assert said["num_examples"] == len(collapsed.data.valid) and said["estimator"] == "iwae"
    assert [len(row) for row in found.rows()] == 5 * [len(HEADS)]
    assert any("Best: free bits" in line for line in found.lines())
    assert "save the array and put the name of its file" in found.advice and found.advice in found.lines()
    check_command(found.command, free)


def check_command(command: str | None, free: Tried) -> None:
    """The command of the cure says the run's choices, at its budget, with the other objective."""
    assert command is not None
    words = shlex.split(command)
    assert words[:5] == ["unveil", "fit", "array", "--objective", "free_bits"] and words[5:7] == ["--steps", "90"]
    keys = dict(word.split("=") for word in words if "=" in word)
    assert keys["objective.floor"] == str(free.keys["objective.floor"]) and "objective.beta" not in keys
    assert keys["model.latent"] == "4" and keys["train.batch_size"] == "32"
    assert choose(keys | {"objective": "free_bits"}).objective().floor == free.keys["objective.floor"]


def test_collapse_that_is_the_optimum_is_told_from_failed_training(noise: Run) -> None:
    found = cure(noise.store, steps=150)
    assert found.before.has_collapsed and found.verdict is not None
    assert found.verdict.kind == "optimum" and found.verdict.sentence in found.lines()
    assert found.chosen is None and found.command is None and found.advice == ""
    assert any("None is clearly better" in line for line in found.lines())


def test_no_verdict_without_a_live_start(noise: Run) -> None:
    found = cure(noise.store, steps=1)
    assert found.verdict is not None and found.verdict.kind == "undecided"
    assert "No latent became active in 1 steps" in found.verdict.sentence


def test_an_interrupt_leaves_nothing_behind(collapsed: Run, tmp_path: Path, monkeypatch: Any) -> None:
    def stop(name: str, made: int, total: int) -> None:
        if made == 13:
            raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, count = contents(collapsed.path), torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        cure(collapsed.store, steps=10, progress=stop)
    assert contents(collapsed.path) == before and not list(tmp_path.iterdir())
    assert torch.get_num_threads() == count


def test_a_refit_is_a_function_of_its_seed(collapsed: Run) -> None:
    def weights(seed: int | None) -> torch.Tensor:
        bench = Bench(collapsed.store, seed)
        model, _ = bench.fitted(Trial("again", Elbo()), 6, Count(None, 6))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(None), weights(collapsed.config["seed"]))
    assert not torch.equal(weights(None), weights(1))


def other_objective(run: Run, objective: Any) -> RunStore:
    found = RunStore(run.path, replace(run.store.config, objective=describe(objective)), data=run.data)
    found._model = run.model
    return found


def test_remedies_that_do_not_apply_are_named_with_the_reason(collapsed: Run) -> None:
    bench = Bench(other_objective(collapsed, Iwae()))
    trials, left_out = remedies_of(bench)
    assert [trial.name for trial in trials] == [CONTROL, FREE, AGGRESSIVE]
    assert [left.name for left in left_out] == [WARMED] and "'iwae' has no warm-up" in left_out[0].reason

    bench = Bench(other_objective(collapsed, trials[1].objective))
    bench.phase = replace(bench.phase, asked=replace(bench.phase.asked, encoder_steps=3))
    trials, left_out = remedies_of(bench)
    assert [trial.name for trial in trials] == [CONTROL, WARMED]
    assert [left.name for left in left_out] == [FREE, AGGRESSIVE]


def test_a_remedy_that_does_not_stay_finite_is_left_out(collapsed: Run, monkeypatch: Any) -> None:
    fitted = Bench.fitted

    def failing(self: Bench, trial: Trial, *rest: Any, **more: Any) -> Any:
        if trial.name == WARMED:
            raise NonFinite("Update 3 was not made.")
        return fitted(self, trial, *rest, **more)

    monkeypatch.setattr(Bench, "fitted", failing)
    found = cure(collapsed.store, steps=4)
    assert [tried.name for tried in found.tried] == [CONTROL, FREE, AGGRESSIVE]
    assert [(left.name, left.reason) for left in found.left_out] == [(WARMED, "Update 3 was not made.")]
    assert any("Not tried: warm-up in cycles. Update 3" in line for line in found.lines())


def test_a_closed_form_is_refused(digits: np.ndarray, tmp_path: Path) -> None:
    run = trained(digits, tmp_path / "run", model="mixture", model__num_components=3, train__steps=2)
    with pytest.raises(RequestError, match=r"closed form.*--model vae"):
        cure(run.store, steps=3)


def test_budgets(collapsed: Run) -> None:
    bench = Bench(collapsed.store)
    trials, _ = remedies_of(bench)
    assert bench.steps_of(trials, 7, None) == 7
    assert bench.steps_of(trials, None, 1e-6) == FEWEST
    assert bench.steps_of(trials, None, 100.0) == bench.own_steps == 90
    for steps, minutes in ((0, None), (None, -1.0), (5, 1.0)):
        with pytest.raises(RequestError, match="The budget came as"):
            bench.steps_of(trials, steps, minutes)


def test_later_stages_of_the_run_are_left_out(collapsed: Run) -> None:
    run = other_objective(collapsed, Elbo())
    later = {"finish": "iwae", "finish_share": 0.5, "patience": 1, "ema_half_life": 64.0}
    run.config = replace(run.config, phases=(Phase.of_json(run.phase.to_json() | later),))
    stage = Bench(run)._stage(Trial("again", Elbo()), 40)
    assert stage.steps == 40 and stage.name == "main" and stage.lr == run.phase.lr
    assert stage.ema_half_life == pytest.approx(0.01 * 40 * 32)


def judged(log_px: float) -> Judged:
    return Judged(log_px, 0.1, log_px, 1.0, 2.0, None, 3.0, False, np.array([log_px]), np.array([log_px]))


@pytest.mark.parametrize(
    ("difference", "stderr", "better"), [(1.0, 0.4, True), (1.0, 0.6, False), (2e-5, 1e-5, False), (-1.0, 0.1, False)]
)
def test_clearly_better_takes_two_standard_errors_and_a_size(difference: float, stderr: float, better: bool) -> None:
    tried = Tried(FREE, {}, judged(-3.0), 1.0, difference, stderr)
    assert tried.is_better is better
    assert tried.row()[2] == f"{difference:+.2f} ± {stderr:.2f}" and tried.row()[4] == "–"
    assert not Tried(CONTROL, {}, judged(-3.0), 1.0).is_better


def test_differences_are_paired() -> None:
    base = np.array([10.0, 20.0, 70.0])
    assert paired(base + np.array([1.0, 2.0, 3.0]), base) == pytest.approx((2.0, 1 / 3**0.5))
    assert paired(base[:1] + 1, base[:1]) == (1.0, float("inf"))


def test_another_objective_brings_its_own_arguments() -> None:
    keys = {"objective": "beta_elbo", "objective.beta": 50.0, "model.latent": 4}
    assert keys_with(keys, {"objective": "free_bits", "objective.floor": 1.0}) == {
        "model.latent": 4, "objective": "free_bits", "objective.floor": 1.0,
    }  # fmt: skip
    assert keys_with(keys, {"objective.warmup": 0.5}) == keys | {"objective.warmup": 0.5}


class Own(nn.Module):
    """An encoder of the user's own."""

    def __init__(self, scale: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 8)
        if scale:
            self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(x))


@pytest.mark.parametrize("scale", [False, True])
def test_a_part_that_came_as_an_object_starts_anew(scale: bool, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    decoder, likelihood = MLPDecoder(2, (6,), 1, width=8, depth=1), Gaussian(unveil.Domain("real", (6,)))
    model = unveil.VAE(StandardNormal(2), Own(scale), DiagonalGaussian(8, 2), decoder, likelihood)
    fitting = unveil.fitting.prepare(x, out=tmp_path / "run", model=model, options={"train.steps": 2})
    run = fitting.start()
    fitted = fitting.model.encoder.layer.weight.clone()
    if scale:
        with pytest.raises(RequestError, match=r"'encoder'.*Own.*no reset_parameters"):
            fresh_model(run, 0)
        return
    one, again, other = (fresh_model(run, seed).encoder.layer.weight for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other) and not torch.equal(one, fitted)
    assert torch.equal(fitting.model.encoder.layer.weight, fitted)
