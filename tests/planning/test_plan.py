"""From "auto" to numbers: what a plan picks, that it says so, and that each choice can be overridden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from unveil.data import Data, Split, load
from unveil.errors import RequestError
from unveil.fitting.place import num_bytes, placed
from unveil.fitting.prepare import prepare
from unveil.models.vae import VAE
from unveil.objectives import Elbo, Iwae
from unveil.ops import keyed
from unveil.planning import measure as probing
from unveil.planning import plan as planning
from unveil.planning.judging import plan_judging
from unveil.planning.measure import Probe, bytes_per_row
from unveil.planning.plan import Request, Speed, resolve
from unveil.planning.stages import with_prior_share
from unveil.priors import LearnedGaussian
from unveil.settings.judging import Judging
from unveil.settings.options import EvaluationOptions, TrainOptions
from unveil.train import loop

SMALL: dict[str, Any] = {"model__width": 16, "model__depth": 1, "latent": 2, "evaluation__num_samples": 2}


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging is not what is looked at here."""
    monkeypatch.setattr(Probe, "seconds_per_validation", 0.01)
    monkeypatch.setattr(Probe, "seconds_per_sample", lambda self, name: 1e-6)
    monkeypatch.setattr(Probe, "seconds_per_row", lambda self, name: 1e-6)


def model(data: Data, **arguments: Any) -> VAE:
    with keyed("weights"):
        return VAE.build(data.domain, latent=2, **{"width": 16, "depth": 1} | arguments)


def request(data: Data, **options: Any) -> Request:
    judging = EvaluationOptions(num_samples=2)
    return Request(model(data), data, Elbo(), TrainOptions(**{"steps": 50} | options), judging, 0, 0.0)


# The prior alone


def test_the_prior_alone_is_trained_on_larger_batches_and_timed_on_few_examples(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    asked = loop.encoded

    def counted(model: VAE, data: Split, seed: int) -> Split:
        counts.append(len(data))
        return asked(model, data, seed)

    monkeypatch.setattr(loop, "encoded", counted)
    learned = request(digits, prior_share=0.5)
    learned = replace(learned, model=model(digits, prior=LearnedGaussian))
    main, alone = resolve(learned).phase.stages
    assert (alone["name"], alone["batch_size"], main["steps"], alone["steps"]) == ("prior", 512, 25, 25)
    assert counts and max(counts) <= 512
    finish = resolve(replace(learned, objective=Iwae(num_samples=2))).phase  # p(z) enters its weights
    assert finish.stages[-1]["batch_size"] == finish.batch_size


def test_of_a_budget_in_steps_the_prior_takes_a_third_at_most_unless_it_is_told(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VAE, "prior_share", 0.6)
    learned = model(digits, prior=LearnedGaussian)
    for options, share in (
        (TrainOptions(minutes=2.0), 0.6),
        (TrainOptions(), 0.6),
        (TrainOptions(steps=50), 0.3),
        (TrainOptions(epochs=5), 0.3),
        (TrainOptions(steps=50, prior_share=0.5), 0.5),
    ):
        assert with_prior_share(options, learned).prior_share == share


# What is picked is written down, and can be overridden


def test_every_choice_is_in_the_plan_and_nothing_is_left_to_be_found(digits: Data) -> None:
    phase = resolve(request(digits)).phase
    chosen = {
        name: getattr(phase, name) for name in ("precision", "compile", "threads", "batch_size", "lr", "ema_half_life")
    }
    assert "auto" not in chosen.values() and chosen["batch_size"] == 64 and chosen["threads"] == 1
    assert (chosen["precision"], chosen["compile"]) == ("float32", False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("precision", "bf16"), ("precision", "float32"), ("threads", 2), ("batch_size", 37), ("compile", False)],
    ids=str,
)
def test_what_is_asked_for_is_what_is_planned(digits: Data, name: str, value: object) -> None:
    before = torch.get_num_threads()
    assert resolve(request(digits, **{name: value})).phase.to_json()[name] == value
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["threads", "batch_size", "valid_every"])
def test_less_than_one_is_refused(digits: Data, name: str) -> None:
    with pytest.raises(RequestError, match=f"train.{name} is 0; it takes a whole number from 1 upwards"):
        resolve(request(digits, **{name: 0}))


def test_the_lines_before_a_fit_say_what_was_picked() -> None:
    asked = {"train__precision": "bf16", "train__threads": 2, "train__batch_size": 50}
    found = prepare("digits", steps=20, **asked, **SMALL)
    assert "20 steps of 50 (0.7 epochs), bf16, 2 threads; memory" in found.lines[-1]
    plain = prepare("digits", steps=20, **SMALL)
    assert "20 steps of 64 (0.9 epochs); memory" in plain.lines[-1]


# Batch size from memory


def test_a_row_costs_what_autograd_keeps_of_it(digits: Data) -> None:
    """The layers' inputs alone are D + 4·W numbers a row; twice the width is about twice the bytes."""
    narrow, wide = (bytes_per_row(model(digits, width=w, depth=2), digits, Elbo()) for w in (128, 256))
    assert narrow > 2 * 4 * (64 + 4 * 128) and 1.3 < wide / narrow < 2.0
    several = bytes_per_row(model(digits, width=128, depth=2), digits, Elbo(num_samples=8))
    assert 3 < several / narrow < 8  # the decoder runs for each


def test_a_batch_is_halved_until_its_step_fits(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(digits)
    each, fixed = bytes_per_row(asked.model, digits, Elbo()), probing.bytes_of_weights(asked.model)
    monkeypatch.setattr(planning, "free_bytes", lambda device: 2 * (fixed + 20 * each))
    plan = resolve(asked)
    assert plan.phase.batch_size == 16 and any("The batch size is 16" in note for note in plan.notes)
    own = resolve(request(digits, batch_size=64))
    assert own.phase.batch_size == 64 and any("A batch of 64 needs about" in note for note in own.notes)
    monkeypatch.setattr(planning, "free_bytes", lambda device: 1.0)
    assert resolve(asked).phase.batch_size == 1


# Compiling


class Timed(Probe):
    """A probe whose clock is a table: eager and compiled seconds of a step, and of compiling."""

    def __init__(self, eager: float, compiled: float, compiling: float) -> None:
        self.eager, self.of_compiled, self.compiling, self.tried = eager, compiled, compiling, 0

    def seconds_per_step(self, bf16: bool, problem: Any, budget: float = 1.5, **limits: float) -> float:
        return self.eager if problem is None else self.of_compiled

    def compiled(self, bf16: bool) -> tuple[Any, str]:
        self.tried += 1
        return "compiled", ""


def speed(data: Data, probe: Timed, **options: Any) -> Speed:
    asked = request(data, **options)
    return planning._pick_speed(asked, probe, planning._chosen(asked), large=False)


def test_compiling_is_tried_where_the_run_would_repay_it_whatever_its_budget_is_in(digits: Data) -> None:
    for budget, tried in (({"steps": 100}, 0), ({"steps": 100_000}, 1)):
        probe = Timed(eager=0.01, compiled=0.005, compiling=20.0)
        found = speed(digits, probe, **budget)
        assert probe.tried == tried and (found.problem == "compiled") == bool(tried)
    short, long = Timed(0.01, 0.005, 20.0), Timed(0.01, 0.005, 20.0)
    speed(digits, short, steps=None, minutes=2.0), speed(digits, long, steps=None, minutes=5.0)
    assert (short.tried, long.tried) == (0, 1)


def test_a_step_that_compiling_does_not_shorten_is_not_compiled(digits: Data) -> None:
    found = speed(digits, Timed(0.01, 0.0099, 20.0), steps=100_000)
    assert found.problem is None and found.notes == (
        "A compiled step takes 0.99 times as long as an uncompiled one; not used.",
    )


def test_later_stages_are_counted_with_their_compiling(digits: Data) -> None:
    long = speed(digits, Timed(0.01, 0.005, 20.0), steps=100_000, finish="iwae")
    assert long.problem == "compiled" and long.compiling == 20.0
    slow = speed(digits, Timed(0.01, 0.0095, 90.0), steps=100_000, finish="iwae")
    assert slow.problem is None and slow.compiling == 0.0
    asked = speed(digits, Timed(0.01, 0.02, 90.0), steps=10, compile=True)
    assert asked.problem == "compiled"


def test_without_a_compiler_it_says_so_and_goes_on(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing.shutil, "which", lambda name: None)
    plan = resolve(request(digits, compile=True))
    assert plan.phase.compile is False and plan.problem is None
    assert "Not compiled: there is no C++ compiler." in plan.notes


def test_a_compiler_that_fails_is_told_and_left(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(torch.nn.Module):
        """What a compiler returns that finds out late."""

        def forward(self, *inputs: object) -> object:
            raise RuntimeError("no such instruction")

    monkeypatch.setattr(probing, "compiled", lambda model, stage: Broken())
    monkeypatch.setattr(probing.shutil, "which", lambda name: "/bin/c++")
    plan = resolve(request(digits, compile=True))
    assert plan.phase.compile is False and "Not compiled: the compiler failed (RuntimeError)." in plan.notes


# Budget


def test_minutes_leave_room_for_validations_and_compiling(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fourth of the steps would be lost to 25 validations of 2 seconds; there are fewer."""
    monkeypatch.setattr(Probe, "seconds_per_step", lambda *a, **k: 0.01)
    monkeypatch.setattr(Probe, "seconds_per_validation", 2.0)
    asked = replace(request(digits, steps=None, minutes=2.0), started=planning.time.perf_counter())
    plan = resolve(asked)
    looks = plan.phase.steps / plan.phase.valid_every
    assert 4.9 <= looks < 6 and 0.01 * plan.phase.steps + 2 * looks < 100
    monkeypatch.setattr(Probe, "seconds_per_validation", 0.01)
    assert resolve(asked).phase.steps / resolve(asked).phase.valid_every == pytest.approx(25, abs=1)


def test_a_batch_is_halved_until_the_minutes_pay_for_updates(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """8 examples take 0.8 s, and 60 % of 2 minutes are 72 s: 100 updates of 8 do not fit either."""
    monkeypatch.setattr(planning, "LARGE", 0.0)
    monkeypatch.setattr(Probe, "seconds_per_step", lambda self, *a, **k: 0.1 * self.stage.batch_size)
    for minutes, size in ((2.0, 8), (6.0, 16), (600.0, 64)):
        asked = replace(
            request(digits, steps=None, minutes=minutes, compile=False), started=planning.time.perf_counter()
        )
        plan = resolve(asked)
        assert plan.phase.batch_size == size, minutes
        told = [note for note in plan.notes if "train.batch_size=N takes another" in note]
        assert len(told) == (size < 64) and all(f"The batch size is {size}," in note for note in told)
    assert resolve(request(digits, steps=None, minutes=2.0, batch_size=64, compile=False)).phase.batch_size == 64
    assert resolve(request(digits, compile=False)).phase.batch_size == 64  # its budget is in steps


def test_validations_that_take_long_look_at_fewer_examples_and_then_are_fewer() -> None:
    """Of 100 s left: 0.1 s each; 1 s each; 50 s each for 1,000 examples; and 50 s for 100, the fewest."""
    assert planning._looks(100.0, 0.1, 1000) == (25, None)
    assert planning._looks(100.0, 1.0, 1000) == (10, None)
    assert planning._looks(100.0, 50.0, 1000) == (5, 100)
    assert planning._looks(100.0, 50.0, 100) == (1, None)
    assert planning._looks(-5.0, 50.0, 1000) == (1, 100)


def test_minutes_in_which_nothing_is_learned_are_said(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "seconds_per_step", lambda *a, **k: 10.0)
    plan = resolve(replace(request(digits, steps=None, minutes=1.0), started=planning.time.perf_counter()))
    assert plan.phase.steps == 5
    assert any("Only 5 updates fit into 1 min" in note and "--size" in note for note in plan.notes)


# Where the data is kept


def test_data_that_would_fill_an_accelerator_stays_where_it_is(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "meta" stands for a device; nothing is computed."""
    total = sum(num_bytes(split) for split in (digits.train, digits.valid, digits.test))
    assert total > digits.train.x.nbytes > 64 * len(digits.train) - 1
    for free, where in ((3 * total, "meta"), (2 * total, "cpu")):
        monkeypatch.setattr("unveil.fitting.place.free_bytes", lambda device, free=free: float(free))
        assert placed(digits, "meta").train.x.device.type == where


def test_a_mean_over_draws_is_judged_with_as_few_as_a_small_budget_pays_for(digits: Data) -> None:
    """A diffusion takes a pass of its network for each draw: ten of every example would leave no time to train."""

    class Slow(Probe):
        def __init__(self) -> None:
            self.model, self.data = model(digits), digits

        def seconds_per_sample(self, estimator: str) -> float:
            return 1.0

    drawn = {
        name: plan_judging(EvaluationOptions(estimator=name), Slow(), None, 1.0)[0].num_samples
        for name in ("elbo", "iwae")
    }
    assert drawn == {"elbo": 2, "iwae": 10}


def test_judging_keeps_to_its_share_of_the_minutes(digits: Data) -> None:
    """Of an hour, 8 % are 288 s. Draws are 5 ms, 0.1 s or 10 s: all examples, fewer of them, fewest with 2 draws."""

    class Timed(Probe):
        def __init__(self, seconds: float) -> None:
            self.model, self.data, self.seconds = model(digits), digits, seconds

        def seconds_per_sample(self, estimator: str) -> float:
            return self.seconds

        def seconds_per_row(self, estimator: str) -> float:
            return 0.001

    for seconds, expected in (
        (0.005, Judging("iwae", 132, None, 179)),
        (0.1, Judging("iwae", 10, 128, 128)),
        (10.0, Judging("iwae", 2, 128, 50)),
    ):
        found, taken, said = plan_judging(EvaluationOptions(), Timed(seconds), 60.0, 3000.0)
        assert found == expected and (taken < 288 or seconds == 10.0)
        told = f"The result judges {found.num_examples} of {len(digits.test)} test examples"
        assert [told in sentence for sentence in said] == [True] * (found.num_examples is not None)


def test_an_exact_judge_keeps_to_its_share_of_the_minutes_too(digits: Data) -> None:
    """Of an hour, 8 % are 288 s. An example takes 0.1 ms or 2 s: all of them, or the fewest."""

    class Timed(Probe):
        def __init__(self, seconds: float) -> None:
            self.model, self.data = model(digits), digits
            self.seconds_per_validation = seconds * len(digits.valid)

    for seconds, expected, taken in (
        (1e-4, Judging("exact", None, None, 179), 0.0358),
        (2.0, Judging("exact", None, 128, 100), 456.0),
    ):
        found, takes, said = plan_judging(EvaluationOptions(estimator="exact"), Timed(seconds), 60.0, 3000.0)
        assert found == expected and takes == pytest.approx(taken)
        assert bool(said) == (found.num_examples is not None)
    assert plan_judging(EvaluationOptions(estimator="exact"), Timed(2.0), None, 10.0)[0].num_examples is None


# What can only fail is refused before anything is trained


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"evaluation.num_samples": 0}, "evaluation.num_samples is 0"),
        ({"evaluation.estimator": "quadrature", "model.latent": 10}, "this model's z has 10"),
        ({"evaluation.estimator": "exact"}, "The estimator 'exact'"),
        ({"train.ema_half_life": -3.0}, "train.ema_half_life"),
        ({"train.patience": -1}, "train.patience is -1"),
        ({"train.finish": "iwae", "train.clip": -1.0}, "train.clip"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_can_only_fail_is_refused_by_the_plan(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        prepare("digits", options={"train.steps": 2, "model.width": 8, **options})
