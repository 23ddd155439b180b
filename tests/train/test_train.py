"""The loop in the caller's hands: what each update takes in, what it moves, and what it refuses to do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from descent import Descent
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian
from unveil.model import Model
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE
from unveil.objectives import Elbo, Iwae, Loss
from unveil.ops import keyed
from unveil.priors import LearnedGaussian
from unveil.train.ema import Average, interval
from unveil.train.loop import Guard, NonFinite, Problem, Step, TrainState, fit, initialise
from unveil.train.order import rows_of
from unveil.train.stage import Stage
from unveil.train.validation import validate

REAL = Domain("real", (6,))


def split(num: int = 100, shift: float = 0.0) -> Split:
    with keyed("rows"):
        x = shift + torch.randn(num, 2) @ torch.randn(2, 6) + 0.3 * torch.randn(num, 6)
    return Split(x, None, REAL, "none", torch.arange(num))


def vae(**arguments: object) -> VAE:
    with keyed("weights"):
        return VAE.build(REAL, latent=2, width=16, depth=1, **arguments)  # type: ignore[arg-type]


def stage(steps: int = 12, **arguments: object) -> Stage:
    return Stage(Elbo(), steps=steps, batch_size=32, **arguments)  # type: ignore[arg-type]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# The generator


def test_the_loop_is_in_the_callers_hands() -> None:
    model, steps = vae(), []
    for step in fit(model, split(), stage(12)):
        assert isinstance(step, Step) and step.examples == 32 * step.number
        assert math.isfinite(step.bound) and step["rate"] >= 0 and math.isfinite(step["distortion"])
        steps.append(step.number)
        if step.number == 7:
            break
    assert steps == list(range(1, 8))


def test_training_raises_the_bound_and_is_a_function_of_the_seed() -> None:
    found = []
    for seed in (0, 0, 1):
        model = vae()
        bounds = [step.bound for step in fit(model, split(), stage(100, lr=1e-2), seed=seed)]
        found.append((bounds, weights(model)))
    assert found[0][0] == found[1][0] and equal(found[0][1], found[1][1])
    assert found[0][0] != found[2][0]
    assert sum(found[0][0][-10:]) > sum(found[0][0][:10]) + 2


def test_what_is_done_between_two_updates_changes_nothing() -> None:
    """A caller that draws, judges and prints gets the weights of one that does not."""
    quiet, busy = vae(), vae()
    for _ in fit(quiet, split(), stage()):
        pass
    for step in fit(busy, split(), stage()):
        torch.rand(step.number)
        validate(step.model, split(50), Elbo())
        step.model.sample(3)
    assert equal(weights(quiet), weights(busy))


def test_initialisation_happens_once_and_not_on_a_given_state() -> None:
    model, data = vae(), split(shift=5.0)
    next(fit(model, data, stage()))
    torch.testing.assert_close(model.centre, data.x.mean(0))
    model = vae()
    state = TrainState(model, stage())
    next(fit(model, data, stage(), state))
    assert torch.equal(model.centre, torch.zeros(6))


def test_no_steps_are_no_steps() -> None:
    assert list(fit(vae(), split(), stage(0))) == []


# The order of examples


@pytest.mark.parametrize(("num", "size"), [(10, 3), (10, 10), (7, 16), (100, 32), (1, 4)])
def test_every_epoch_meets_each_example_once_and_no_batch_is_short(num: int, size: int) -> None:
    steps = 3 * num
    batches = [rows_of(step, size, num, seed=5) for step in range(steps)]
    assert all(len(rows) == size for rows in batches)
    met = torch.cat(batches)
    epochs = met[: len(met) // num * num].reshape(-1, num)
    assert all(epoch.sort().values.equal(torch.arange(num)) for epoch in epochs)
    if num == 100:
        assert not epochs[0].equal(epochs[1]) and not epochs[0].equal(torch.arange(num))


def test_the_position_is_a_function_of_the_step() -> None:
    """So a resumed run goes on where it was, whatever it asked for before."""
    straight = [rows_of(step, 32, 100, seed=1) for step in range(20)]
    for step in (17, 3, 3, 11):
        assert rows_of(step, 32, 100, seed=1).equal(straight[step])
    assert not rows_of(3, 32, 100, seed=2).equal(straight[3])


def test_the_loop_takes_the_rows_of_its_step() -> None:
    data, seen = split(), []

    class Spy(Elbo):
        """The ELBO, noting x."""

        def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
            seen.append((batch.x.clone(), float(progress)))
            return super().__call__(model, batch, progress)

    for _ in fit(vae(), data, Stage(Spy(), steps=7, batch_size=32), seed=4):
        pass
    expected = [data.x[rows_of(step, 32, 100, seed=4)] for step in range(7)]
    assert all(x.equal(e) for (x, _), e in zip(seen, expected, strict=True))
    torch.testing.assert_close([p for _, p in seen], [step / 7 for step in range(7)])


# The average of the weights


def test_the_average_follows_its_formula() -> None:
    """θ̄ ← θ̄ + (1 − keep)(θ − θ̄), keep = min(½^(B/half-life), (1 + t)/(10 + t))."""
    live = vae()
    average = Average(live, half_life=320.0)
    expected = {k: v.double() for k, v in weights(live).items()}
    for step in range(200):
        with torch.no_grad():
            for p in live.parameters():
                p.add_(torch.randn_like(p))
        average.update(step, 32)
        keep = min(0.5 ** (32 / 320), (1 + step) / (10 + step))
        for name, p in live.named_parameters():
            expected[name] = keep * expected[name] + (1 - keep) * p.detach().double()
    for name, p in average.model.named_parameters():
        torch.testing.assert_close(p.double(), expected[name], rtol=1e-4, atol=1e-4)
        assert not p.requires_grad


def test_a_long_average_takes_in_every_eighth_step_what_eight_would_have() -> None:
    """The closed form, and within a hundredth of the spread of the weights what every step would have given."""
    size, half_life = 32, 32 * 400.0
    assert [interval(h, 32) for h in (1.0, 32 * 31.0, 32 * 32.0, half_life, 1e9)] == [1, 1, 2, 8, 8]
    live = vae()
    average, offset = Average(live, half_life), live.likelihood.offset
    start = average.model.likelihood.offset.double()
    closed, each = start.clone(), start.clone()
    for step in range(4000):
        with torch.no_grad():
            offset.add_(0.05 * torch.randn_like(offset))
        average.update(step, size)
        keep = min(0.5 ** (size / half_life), (1 + step) / (10 + step))
        each = keep * each + (1 - keep) * offset.detach().double()
        if step % 8 == 7:
            taken = (step + 1) // 8
            keep = min(0.5 ** (8 * size / half_life), taken / (9 + taken))
            closed = keep * closed + (1 - keep) * offset.detach().double()
    found = average.model.likelihood.offset.double()
    torch.testing.assert_close(found, closed, rtol=1e-4, atol=1e-4)
    spread = 0.05 * (400 / math.log(2) / 2) ** 0.5  # of θ − θ̄, θ being a random walk
    torch.testing.assert_close(found, each, rtol=0, atol=0.02 * spread)


def test_half_of_the_weight_is_gone_after_a_half_life_whatever_the_batch_size() -> None:
    for size in (16, 64):
        live = vae()
        average = Average(live, half_life=640.0)
        first = average.model.likelihood.offset.clone()
        with torch.no_grad():
            live.likelihood.offset.add_(1.0)
        for step in range(640 // size):
            average.update(1000 + step, size)  # long after the fast start
        torch.testing.assert_close(average.model.likelihood.offset, first + 0.5)


def test_the_evaluated_model_is_the_average_and_the_trained_one_is_not() -> None:
    model, steps = vae(), list(itertools.islice(fit(vae(), split(), stage(ema_half_life=100.0)), 12))
    assert steps[-1].model is not steps[-1].state.model
    assert not equal(weights(steps[-1].model), weights(steps[-1].state.model))
    assert not equal(weights(steps[-1].model), weights(model))
    plain = next(fit(model, split(), stage()))
    assert plain.model is model


# Clip, schedule, decay


@pytest.mark.parametrize("size", [1e-3, 50.0])
def test_a_long_gradient_is_scaled_down_to_the_clip(size: float) -> None:
    model = vae()
    optimizer = Descent(model.parameters())
    parameters = list(model.parameters())
    for p in parameters:
        p.grad = torch.full_like(p, size)
    before = [p.detach().clone() for p in parameters]
    length = size * sum(p.numel() for p in parameters) ** 0.5
    Guard(parameters, 5.0, torch.device("cpu")).update(optimizer, torch.zeros(()), {}, 0, model)
    moved = torch.cat([(b - p.detach()).flatten() for b, p in zip(before, parameters, strict=True)]).norm()
    torch.testing.assert_close(float(moved), min(length, 5.0), rtol=1e-3, atol=1e-4)


def test_the_cosine_rises_and_falls_to_zero() -> None:
    cosine = Stage(Elbo(), steps=1000, lr=0.4, warmup=0.1)
    rates = [cosine.learning_rate(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.4 / 100) and max(rates) == pytest.approx(0.4 * 0.9755, rel=1e-2)
    assert rates[500] == pytest.approx(0.2) and rates[1000] == pytest.approx(0, abs=1e-12)
    assert all(a > b for a, b in itertools.pairwise(rates[100:]))
    constant = Stage(Elbo(), steps=1000, lr=0.4, warmup=0.1, schedule="constant")
    assert [constant.learning_rate(step) for step in (49, 99, 999)] == pytest.approx([0.2, 0.4, 0.4])


def test_the_optimiser_gets_the_learning_rate_of_each_step() -> None:
    chosen = stage(12, warmup=0.5)
    rates = [step.state.optimizer.lr for step in fit(vae(), split(), chosen)]  # type: ignore[union-attr]
    assert rates == pytest.approx([chosen.learning_rate(step) for step in range(12)])


def test_weight_decay_is_on_matrices_only() -> None:
    model = vae(prior=LearnedGaussian)
    groups = stage(weight_decay=0.3).make_optimizer(model).groups
    decayed = {id(p) for g in groups if g.weight_decay == 0.3 for p in g.parameters}
    names = {name for name, p in model.named_parameters() if id(p) in decayed}
    assert names == {n for n, p in model.named_parameters() if n.endswith("weight")}
    assert all(p.ndim >= 2 for n, p in model.named_parameters() if n in names)
    assert {"likelihood.offset", "likelihood.log_sigma", "prior.loc"} <= {
        n for n, _ in model.named_parameters()
    } - names
    assert sum(len(g.parameters) for g in groups) == len(list(model.parameters()))
    for name in ("adam", "adamax"):  # decay inside their normalised step would not be decay
        assert {g.weight_decay for g in stage(optimizer=name).make_optimizer(model).groups} == {0.0}


# What is not finite


class Poison(Elbo):
    """The ELBO, whose named term is not finite from some step on."""

    def __init__(self, at: float, where: str) -> None:
        super().__init__()
        self.at, self.where = at, where

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        loss = super().__call__(model, batch, progress)
        if float(progress) < self.at:
            return loss
        if self.where == "gradient":
            zero = next(p for n, p in model.named_parameters() if n == "decoder.out.weight").sum() * 0
            return Loss(loss.surrogate + (zero.abs() + 0.0).sqrt() * 0, loss.bound, loss.shared, loss.logs)
        logs = dict(loss.logs) | {self.where: torch.tensor(torch.inf)}
        return Loss(loss.surrogate + torch.inf, loss.bound, loss.shared, logs)


@pytest.mark.parametrize("where", ["rate", "distortion", "gradient"])
def test_a_value_that_is_not_finite_stops_before_the_update(where: str) -> None:
    model, after = vae(), list[dict[str, Tensor]]()
    with pytest.raises(NonFinite) as stopped:
        for _ in fit(model, split(), Stage(Poison(0.5, where), steps=10, batch_size=32)):
            after.append(weights(model))
    assert len(after) == 5 and equal(weights(model), after[-1]) and not equal(after[-1], after[-2])
    message = str(stopped.value)
    assert message.startswith("Update 6 was not made: ")
    assert (f"term {where!r}" if where != "gradient" else "the gradient") in message
    if where == "gradient":
        assert "first in the parameter 'decoder.out.weight'" in message
    assert "train.lr" in message and "train.clip" in message
    assert all(p.requires_grad for p in model.parameters()) and model.network_dtype == torch.float32


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax"])
@pytest.mark.parametrize("broken", ["gradient", "loss"])
def test_on_an_accelerator_a_bad_update_is_masked_and_told_one_step_late(optimizer: str, broken: str) -> None:
    """Simulated on the CPU: `late` is what the device would set."""
    model = vae()
    chosen = stage(optimizer=optimizer)
    opt, parameters = chosen.make_optimizer(model), chosen.parameters(model)
    guard = Guard(parameters, 5.0, torch.device("cpu"))
    guard.late = True

    def update(step: int, bad: bool = False) -> None:
        for p in parameters:
            p.grad = torch.full_like(p, 0.1)
        if bad and broken == "gradient":
            parameters[3].grad = torch.full_like(parameters[3], torch.nan)
        loss = torch.tensor(torch.inf if bad and broken == "loss" else 1.0)
        guard.update(opt, loss, {"rate": loss}, step, model)

    update(0)
    good = weights(model)
    state = {id(p): {k: v.clone() for k, v in opt.state[p].items()} for p in parameters}
    told_at_once = optimizer == "adamax"  # torch's has no masked update
    if told_at_once:
        with pytest.raises(NonFinite, match="Update 2 was not made"):
            update(1, bad=True)
    else:
        update(1, bad=True)
        assert equal(weights(model), good)
        with pytest.raises(NonFinite, match="Update 2 was not made"):
            update(2)
    assert equal(weights(model), good)
    for p in parameters:
        assert all(torch.equal(v, state[id(p)][k]) for k, v in opt.state[p].items()), "moments were spoilt"


def test_on_an_accelerator_good_updates_are_those_of_the_cpu() -> None:
    found = []
    for late in (False, True):
        model = vae()
        chosen = stage(clip=0.5)
        opt, parameters = chosen.make_optimizer(model), chosen.parameters(model)
        guard = Guard(parameters, chosen.clip, torch.device("cpu"))
        guard.late = late
        for step in range(5):
            for p in parameters:
                p.grad = torch.full_like(p, 0.1 * (step + 1))
            guard.update(opt, torch.zeros(()), {}, step, model)
        guard.finish(model)
        found.append(weights(model))
    assert equal(*found)


def test_the_last_update_is_told_too() -> None:
    model = vae()
    chosen = stage()
    opt, parameters = chosen.make_optimizer(model), chosen.parameters(model)
    guard = Guard(parameters, 5.0, torch.device("cpu"))
    guard.late = True
    for p in parameters:
        p.grad = torch.full_like(p, torch.nan)
    guard.update(opt, torch.ones(()), {}, 0, model)
    with pytest.raises(NonFinite, match="Update 1"):
        guard.finish(model)
    guard.finish(model)  # once


# Stages


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"steps": -1}, "train.steps is -1"),
        ({"batch_size": 0}, "train.batch_size is 0"),
        ({"lr": 0.0}, "train.lr is 0.0; it takes a positive number"),
        ({"lr": math.nan}, "train.lr is nan"),
        ({"clip": -2.0}, "train.clip is -2.0"),
        ({"weight_decay": -1.0}, "train.weight_decay is -1.0"),
        ({"ema_half_life": -1.0}, "train.ema_half_life is -1.0"),
        ({"warmup": 1.5}, "train.warmup is 1.5"),
    ],
)
def test_what_makes_no_stage_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Stage(Elbo(), **({"steps": 3} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "came", "near"), [("optimizer", "adan", "adam"), ("schedule", "cosinus", "cosine")])
def test_an_unknown_name_is_refused_and_not_taken_for_another(key: str, came: str, near: str) -> None:
    """Also where no hook of the tests checks the types of arguments first."""
    asked = SimpleNamespace(**vars(stage()) | {key: came})
    with pytest.raises(RequestError, match=f"no train.{key} '{came}'. Did you mean '{near}'"):
        Stage.__post_init__(asked)  # type: ignore[arg-type]


def test_a_part_without_parameters_or_of_no_model_is_refused() -> None:
    with pytest.raises(RequestError, match="The part 'prior' of this VAE has no parameters to train"):
        next(fit(vae(), split(), stage(parts=("prior",))))
    with pytest.raises(RequestError, match="no part 'encoder'"):
        next(fit(vae(), split(), stage(parts=("encoder",))))


@pytest.mark.parametrize("part", ["p", "q"])
def test_only_the_parts_of_the_stage_move(part: str) -> None:
    model, data = vae(), split()
    initialise(model, data, 0)
    state = TrainState(model, stage(parts=(part,)))
    before = weights(model)
    chosen = {id(p) for p in model.parameters_of(part)}
    for _ in fit(model, data, state.stage, state):
        assert all((p.grad is None) == (id(p) not in chosen) for p in model.parameters())
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n, p in model.named_parameters() if id(p) in chosen}
    assert all(p.requires_grad for p in model.parameters())


# Closed forms


def test_models_that_are_solved_go_through_the_same_loop() -> None:
    data = split(300)
    for model in (LinearGaussian(REAL, latent=2), Mixture(REAL, num_components=3)):
        steps = list(fit(model, data, stage(4)))
        assert [step.number for step in steps] == [1, 2, 3, 4] and steps[-1].state.optimizer is None
        assert steps[-1].examples == 4 * 300
        assert math.isfinite(steps[-1].bound) and steps[-1].model is model
    assert steps[-1].bound >= steps[0].bound - 1e-3


def test_a_solved_sigma_reaches_the_average_and_is_the_mean_squared_error() -> None:
    data = split(90)
    model = vae(likelihood=lambda domain: Gaussian(domain, sigma="solved"))
    assert model.solves == "some"
    steps = list(fit(model, data, Stage(Elbo(), steps=2, batch_size=32, ema_half_life=50.0)))
    live, averaged = model.likelihood.log_sigma, steps[-1].model.likelihood.log_sigma  # type: ignore[union-attr]
    assert torch.equal(live, averaged) and (live != 0).all()
    with keyed("solve", 0, 2), torch.no_grad():
        batch = data.batch(torch.arange(90))
        p = model.decode(model.posterior(batch).draw(1)[0])
    error = (((batch.x - p.mean[0]) / model.likelihood.scale) ** 2).mean(0)  # type: ignore[operator]
    torch.testing.assert_close((live.exp() + 1e-3) ** 2, error)


def test_a_solved_sigma_is_refreshed_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    solved: list[int] = []
    model = vae(likelihood=lambda domain: Gaussian(domain, sigma="solved"))
    solve = model.solve
    monkeypatch.setattr(model, "solve", lambda batches: (solved.append(1), solve(batches)))
    counts = [len(solved) for _ in fit(model, split(96), Stage(Elbo(), steps=8, batch_size=32))]
    assert counts == [0, 0, 1, 1, 1, 2, 2, 3]


# The state


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax"])
@pytest.mark.parametrize("half_life", [0.0, 100.0, 3200.0])  # the last is taken in every 6th step
def test_a_state_put_back_goes_on_bit_by_bit(optimizer: str, half_life: float) -> None:
    chosen, data = stage(20, optimizer=optimizer, ema_half_life=half_life), split()
    whole, bounds = vae(), []
    for step in fit(whole, data, chosen, seed=3):
        bounds.append(step.bound)
    first = vae()
    for step in fit(first, data, chosen, seed=3):
        if step.number == 9:
            kept = {k: v.clone() for k, v in step.state.tensors().items()}
            break
    assert {k.split("/")[0] for k in kept} == {"model", "optimizer", "guard"} | ({"average"} if half_life else set())
    second = VAE.build(REAL, latent=2, width=16, depth=1)
    state = TrainState(second, chosen)
    state.load(kept, 9)
    rest = list(fit(second, data, chosen, state, seed=3))
    assert [step.bound for step in rest] == bounds[9:] and rest[0].number == 10
    assert equal(weights(second), weights(whole))
    if half_life:
        assert equal(weights(rest[-1].model), weights(step_model(whole, chosen, data)))


def step_model(model: Model, chosen: Stage, data: Split) -> Model:
    """The average at the end of an uninterrupted training."""
    again = vae()
    return list(fit(again, data, chosen, seed=3))[-1].model


# Precision


class Watch:
    """Notes the dtype of what reaches encoder, decoder and likelihood."""

    def __init__(self, model: VAE) -> None:
        self.x: list[Tensor] = []
        self.features: list[torch.dtype] = []
        self.inside: list[torch.dtype] = []
        likelihood, heads = model.likelihood, [m for m in model.modules() if isinstance(m, nn.Linear)]
        forward = likelihood.forward

        def watched(h: Tensor, observed: Tensor | None = None) -> object:
            self.features.append(h.dtype)
            p = forward(h, observed)
            log_prob = p.log_prob
            p.log_prob = lambda x: (self.x.append(x.clone()), log_prob(x))[1]  # type: ignore[method-assign]
            return p

        likelihood.forward = watched  # type: ignore[method-assign,assignment]
        for module in heads:
            module.register_forward_hook(lambda _m, _i, out: self.inside.append(out.dtype))


@pytest.mark.parametrize("objective", [Elbo(), Iwae(num_samples=2)], ids=["elbo", "iwae"])
def test_x_and_densities_never_pass_through_bf16(objective: Elbo | Iwae) -> None:
    """200.37 would come out of bf16 as 200.0."""
    model, data = vae(), split(64, shift=0.0)
    data.x[:, 0] = 200.37 + torch.arange(64) / 64
    watch = Watch(model)
    step = next(fit(model, data, Stage(objective, steps=3, batch_size=64), bf16=True))
    arrived = watch.x[-1]
    assert arrived.dtype == torch.float32
    expected = data.x[rows_of(0, 64, 64, 0)]
    assert torch.equal(arrived, expected) and not torch.equal(expected.bfloat16().float(), expected)
    assert float(arrived[:, 0].min()) == float(torch.tensor(200.37))
    assert set(watch.features) == {torch.float32}
    assert torch.bfloat16 in watch.inside and torch.float32 in watch.inside  # networks; the posterior's head
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert step.logs["bound"].dtype in (torch.float32, torch.float64)


def test_without_bf16_nothing_is_bf16() -> None:
    model = vae()
    watch = Watch(model)
    next(fit(model, split(), stage()))
    assert set(watch.inside) == {torch.float32}


def test_between_two_bf16_updates_the_model_judges_in_float32() -> None:
    model, data = vae(), split()
    for step in fit(model, data, stage(3), bf16=True):
        assert step.model is model and model.network_dtype == torch.float32
        with keyed("same"):
            inside = validate(step.model, data, Elbo())
        kept = vae()
        kept.load_state_dict(model.state_dict())
        with keyed("same"):
            assert validate(kept, data, Elbo()) == inside


def test_bf16_trains_to_about_the_same_bound() -> None:
    ends = []
    for bf16 in (False, True):
        bounds = [s.bound for s in fit(vae(), split(), stage(60, lr=1e-2), bf16=bf16)]
        ends.append(sum(bounds[-10:]) / 10)
    assert abs(ends[0] - ends[1]) < 0.3


# Validation


def test_validation_is_the_mean_over_every_example_once() -> None:
    data = split(1203)
    model, goal = vae(), Elbo(num_samples=2)
    found = validate(model.train(), data, goal)
    assert model.training and found == validate(model, data, goal)
    bounds = []
    with torch.no_grad():
        for first in (0, 500, 1000):
            with keyed("valid", first):
                bounds.append(goal(model.eval(), data.batch(torch.arange(first, min(first + 500, 1203)))).bound)
    assert found["bound"] == pytest.approx(float(torch.cat(bounds).double().mean()), rel=1e-5)
    assert found["bound"] == pytest.approx(-found["rate"] - found["distortion"], rel=1e-4)


def test_dropout_is_for_training_only() -> None:
    model, data = vae(dropout=0.5), split()
    assert validate(model.train(), data, Elbo()) == validate(vae(), data, Elbo())
    problem: Callable[..., tuple[Tensor, dict[str, Tensor]]] = Problem(model.train(), stage())
    with keyed("same"):
        first = problem(data.x, None, None, None, torch.tensor(0.5))[0]
    model.eval()
    with keyed("same"):
        assert problem(data.x, None, None, None, torch.tensor(0.5))[0] != first
