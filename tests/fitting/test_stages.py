"""Stages and schedules: what each option changes, what it leaves as it was, and a kill in a later stage."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.fitting.events import Progress, Validated
from unveil.fitting.prepare import prepare
from unveil.fitting.signals import StopRequests
from unveil.fitting.trainer import Trainer
from unveil.likelihoods import Gaussian
from unveil.model import Model
from unveil.models.vae import VAE
from unveil.objectives import Elbo, Loss
from unveil.ops import keyed
from unveil.planning.stages import check_stages
from unveil.priors import LearnedGaussian
from unveil.runs.store import RunStore
from unveil.settings.options import TrainOptions
from unveil.settings.phase import Phase
from unveil.train.checkpoint import load_checkpoint
from unveil.train.loop import TrainState, fit, initialise
from unveil.train.stage import Stage

REAL = Domain("real", (5,))
STEPS, EVERY = 40, 5
SMALL = {"model.latent": 2, "model.width": 8, "model.depth": 1, "prior": "gaussian"}


def rows() -> Tensor:
    with keyed("rows"):
        return torch.randn(120, 2) @ torch.randn(2, 5) + 0.3 * torch.randn(120, 5)


def split() -> Split:
    return Split(rows(), None, REAL, "none", torch.arange(120))


def vae(**arguments: Any) -> VAE:
    with keyed("weights"):
        model = VAE.build(REAL, latent=2, width=8, depth=1, prior=LearnedGaussian, **arguments)
    initialise(model, split(), 0)
    return model


def options(**train: Any) -> dict[str, Any]:
    plain = {"steps": STEPS, "valid_every": EVERY, "batch_size": 32, "compile": False}
    return SMALL | {f"train.{k}": v for k, v in (plain | train).items()}


def started(path: Path, **train: Any) -> RunStore:
    return prepare(rows(), out=path, options=options(**train)).start()


def trained(run: RunStore) -> Trainer:
    trainer = Trainer(run, run.data, None, None)
    for _ in trainer.train(StopRequests()):
        pass
    return trainer


def untimed(run: RunStore) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "time"} for row in run.metrics]


# What is planned


def test_by_default_there_is_one_stage(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    assert list(run.phase.stages) == [{"name": "main", "steps": STEPS}]
    (stage,) = run.stages()
    assert (stage.name, stage.steps, stage.parts, stage.progress_from) == ("main", STEPS, ("p", "q"), 0.0)


def test_a_run_from_before_there_were_stages_has_one(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    kept = ("steps", "batch_size", "lr", "schedule", "ema_half_life")
    phase = {k: v for k, v in run.phase.to_json().items() if k in kept}
    run.config = replace(run.config, phases=(Phase.of_json(phase),))
    (stage,) = run.stages()
    assert (stage.name, stage.steps, stage.batch_size) == ("main", STEPS, 32)


def test_finish_and_prior_take_their_shares_of_the_steps_from_the_end(tmp_path: Path) -> None:
    run = started(tmp_path / "run", finish="iwae", finish_share=0.3, prior_share=0.2, encoder_steps=2, batch_size=96)
    main, finish, prior = run.stages()
    assert [s.name for s in run.stages()] == ["main", "finish", "prior"]
    assert [s.steps for s in run.stages()] == [20, 12, 8]
    assert [s.objective.registered[1] for s in run.stages()] == ["elbo", "iwae", "iwae"]
    assert [s.encoder_steps for s in run.stages()] == [2, 0, 0]
    assert [s.progress_from for s in run.stages()] == [0.0, 1.0, 1.0]
    assert finish.lr < main.lr and (main.parts, finish.parts, prior.parts) == (("p", "q"), ("p", "q"), ("prior",))
    assert main.batch_size == 96 and finish.batch_size == prior.batch_size == 32  # eight draws of each example


def test_metrics_name_their_stage_and_count_steps_through(tmp_path: Path) -> None:
    run = started(tmp_path / "run", finish="iwae", prior_share=0.25)
    trainer = Trainer(run, run.data, None, None)
    events = list(trainer.train(StopRequests()))
    made = [e.step for e in events if isinstance(e, Progress)]
    assert made == list(range(1, STEPS + 1)) and {e.steps for e in events if isinstance(e, Progress)} == {STEPS}
    judged = [(row["stage"], row["step"]) for row in run.metrics if "valid_bound" in row]
    ends = {
        "main": range(0, 21, 5),  # the start, which is fitted, is judged, too
        "finish": range(20, 31, 5),
        "prior": range(30, 41, 5),
    }
    assert judged == [(name, step) for name, steps in ends.items() for step in steps]
    assert [e.step for e in events if isinstance(e, Validated)] == [step for _, step in judged]


def test_a_stage_begins_with_the_best_weights_of_the_one_before(tmp_path: Path) -> None:
    run = started(tmp_path / "run", finish="beta_elbo", ema_half_life=0.0)
    trainer, best = Trainer(run, run.data, None, None), dict[str, Tensor]()
    for event in trainer.train(StopRequests()):
        if isinstance(event, Validated) and trainer.index == 0:
            best = {k: v.clone() for k, v in trainer.best_weights.items()}
        elif isinstance(event, Validated) and trainer.state.step == 0:
            assert all(torch.equal(v, best[k]) for k, v in trainer.state.model.state_dict().items())
            assert trainer.state.optimizer is not None and not trainer.state.optimizer.state, "the optimiser is new"
            break
    assert best and trainer.index == 1


def test_a_stage_that_stops_early_gives_way_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _worse_and_worse(monkeypatch)
    run = started(tmp_path / "run", finish="iwae", patience=2)
    trained(run)
    judged = [(row["stage"], row["step"]) for row in run.metrics if "valid_bound" in row]
    assert judged == [*(("main", step) for step in (0, 5, 10, 15)), *(("finish", step) for step in (30, 35, 40))]


def _worse_and_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: Iterator[int] = iter(range(0, -1000, -1))
    found = lambda *_: {"bound": float(next(bounds)), "rate": 1.0, "distortion": 1.0}  # noqa: E731
    monkeypatch.setattr("unveil.fitting.trainer.validate", found)


# The prior alone


@pytest.mark.parametrize("sigma", ["learned", "solved"])
def test_only_the_prior_moves_and_everything_else_is_what_it_was_to_the_last_bit(sigma: str) -> None:
    model = vae(likelihood=lambda domain: Gaussian(domain, sigma=sigma))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    stage = Stage(Elbo(), steps=8, batch_size=32, lr=0.1, parts=("prior",), ema_half_life=50.0, progress_from=1.0)
    (*_, last) = fit(model, split(), stage, TrainState(model, stage))
    for state in (model.state_dict(), last.model.state_dict()):
        moved = {k for k, v in state.items() if not torch.equal(v, before[k])}
        assert moved == {"prior.loc", "prior.log_scale"}


def test_the_prior_alone_raises_the_bound_in_a_run(tmp_path: Path) -> None:
    run = started(tmp_path / "run", prior_share=0.5, lr=0.05, ema_half_life=0.0)
    trained(run)
    prior = [row for row in run.metrics if row["stage"] == "prior" and "valid_bound" in row]
    assert prior[-1]["valid_bound"] > prior[0]["valid_bound"]
    assert prior[-1]["valid_distortion"] == pytest.approx(prior[0]["valid_distortion"], abs=1e-5)


# Updates of the encoder alone


def test_updates_of_the_encoder_come_before_each_in_the_first_share_and_move_q_alone() -> None:
    model, met = vae(), list[tuple[dict[str, Tensor], Tensor]]()

    class Spy(Elbo):
        """The ELBO, noting the weights it sees and x."""

        def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
            met.append(({n: p.detach().clone() for n, p in model.named_parameters()}, batch.x))
            return super().__call__(model, batch, progress)

    stage = Stage(Spy(warmup=0.0), steps=4, batch_size=32, encoder_steps=2, aggressive_share=0.5)
    counts, q = [], {n for n, p in model.named_parameters() if id(p) in {id(w) for w in model.parameters_of("q")}}
    for _ in fit(model, split(), stage, TrainState(model, stage)):
        counts.append(len(met))
    assert counts == [3, 6, 7, 8]
    for i, (old, new) in enumerate(itertools.pairwise(met)):
        moved = {n for n in old[0] if not torch.equal(old[0][n], new[0][n])}
        inner = i in (0, 1, 3, 4)
        assert moved == (q if inner else set(old[0])), i
    assert len({x.sum().item() for _, x in met}) == 8, "each update has examples of its own"


# Plateau


def test_the_learning_rate_follows_the_factor_of_the_state() -> None:
    model = vae()
    stage = Stage(Elbo(), steps=6, batch_size=32, lr=0.01, warmup=0.0, schedule="plateau")
    rates = []
    for step in fit(model, split(), stage, TrainState(model, stage)):
        assert step.state.optimizer is not None
        rates.append(step.state.optimizer.lr)
        if step.number in (2, 4):
            step.state.lr_factor /= 2
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025])


def test_validations_that_do_not_improve_halve_the_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _worse_and_worse(monkeypatch)
    run = started(tmp_path / "run", schedule="plateau", plateau=2, patience=0)
    factors = []
    trainer = Trainer(run, run.data, None, None)
    for event in trainer.train(StopRequests()):
        if isinstance(event, Validated):
            factors.append(trainer.state.lr_factor)
    assert factors == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    kept = load_checkpoint(run.path / "state")
    assert kept is not None and kept.values["lr_factor"] == 0.125
    assert Trainer(run, run.data, None, None).state.lr_factor == 0.125


# Killed and resumed

LATER: dict[str, tuple[dict[str, Any], int]] = {
    "in the finish": ({"finish": "dreg", "finish_share": 0.5}, 33),
    "at the first step of the finish": ({"finish": "iwae", "finish_share": 0.5}, 21),
    "with the prior alone": ({"finish": "iwae", "prior_share": 0.25}, 38),
    "among updates of the encoder": ({"encoder_steps": 2, "aggressive_share": 0.5}, 13),
    "on a plateau": ({"schedule": "plateau", "plateau": 1, "lr": 3.0}, 28),
}


@pytest.mark.parametrize("name", LATER)
def test_killed_in_a_later_stage_and_resumed_is_bit_identical(tmp_path: Path, name: str) -> None:
    train, at = LATER[name]
    whole = started(tmp_path / "whole", **train)
    shutil.copytree(whole.path, tmp_path / "killed")
    last = trained(whole)
    killed = RunStore.load(tmp_path / "killed", data=rows())
    events = Trainer(killed, killed.data, None, None).train(StopRequests())
    for event in events:
        if isinstance(event, Progress) and event.step == at:
            break  # nothing is saved, as by a kill
    del events
    kept = load_checkpoint(killed.path / "state")
    assert kept is not None and kept.step == at // EVERY * EVERY
    again = trained(RunStore.load(killed.path, data=rows()))
    assert (whole.path / "weights.safetensors").read_bytes() == (killed.path / "weights.safetensors").read_bytes()
    assert untimed(whole) == untimed(killed)
    assert last.state.lr_factor == again.state.lr_factor and (name != "on a plateau" or again.state.lr_factor < 1)


def test_a_new_phase_has_the_stages_of_the_first_over_its_own_budget(tmp_path: Path) -> None:
    run = started(tmp_path / "run", finish="iwae", finish_share=0.5, prior_share=0.1, encoder_steps=1)
    again = Phase.of_json(json.loads(json.dumps(run.phase.to_json()))).options
    assert (again.finish, again.finish_share, again.prior_share, again.encoder_steps) == ("iwae", 0.5, 0.1, 1)


# Refusals


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"finish": "iwa"}, "no objective named 'iwa'. Did you mean 'iwae'"),
        ({"finish_share": 0.5}, "finish_share has an effect only together with train.finish"),
        ({"finish": "iwae", "finish_share": 1.5}, "finish_share is 1.5; it takes a share"),
        ({"finish": "iwae", "finish_share": 0.6, "prior_share": 0.4}, "add up to 1, which leaves no main stage"),
        ({"prior_share": -0.1}, "prior_share is -0.1"),
        ({"encoder_steps": -1}, "encoder_steps is -1"),
        ({"aggressive_share": 0.5}, "aggressive_share has an effect only together with train.encoder_steps"),
        ({"plateau": 5}, "plateau has an effect only together with train.schedule=plateau"),
        ({"schedule": "plateau", "plateau": 0}, "plateau is 0"),
        ({"schedule": "plateau", "plateau": 10}, "training stops after 10 validations .* below train.patience"),
        ({"prior_share": 0.2, "prior": "standard_normal"}, "the prior of this VAE has no parameters to train"),
        ({"finish": "iwae", "model": "linear_gaussian"}, "LinearGaussian, which is solved in closed form"),
        ({"encoder_steps": 1, "model": "mixture"}, "Mixture, which is solved in closed form"),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_stages_that_cannot_be_are_refused(train: dict[str, Any], said: str) -> None:
    keys = {k: train[k] for k in ("model", "prior") if k in train}
    asked = options(**{k: v for k, v in train.items() if k not in keys}) | keys
    if "model" in keys:
        asked = {k: v for k, v in asked.items() if not k.startswith(("model.", "prior"))}
    with pytest.raises(RequestError, match=said):
        prepare(rows(), options=asked)


def test_known_latents_that_a_finish_would_ignore_are_refused() -> None:
    data = replace(split(), z=(torch.zeros(120, 2),))
    check_stages(TrainOptions(), vae(), data)
    with pytest.raises(RequestError, match="'iwae' would not look at them"):
        check_stages(TrainOptions(finish="iwae"), vae(), data)


def test_patience_waits_for_the_warm_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that only falls stops training at a quarter of it, not after the first few validations."""
    _worse_and_worse(monkeypatch)
    run = started(tmp_path / "run", patience=1, steps=80, valid_every=2)
    trained(run)
    judged = [row["step"] for row in run.metrics if "valid_bound" in row]
    assert judged == list(range(0, 21, 2))
