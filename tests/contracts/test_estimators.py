"""What every estimator promises, with each model that gives what it needs: repeatable numbers with a direction."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from contracts.variants import ALL, Variant, models, split_of
from unveil.data import rowblocks
from unveil.estimators import annealing, base, flow, pilot
from unveil.estimators.base import Estimate, Estimator, evaluate
from unveil.model import Model
from unveil.ops import keyed
from unveil.registry import load_all

BLOCK, ROWS = 16, 20  # a block, in place of one of 128 rows, and a bit
NAMES = list(load_all("estimator"))
FEW = {"num_samples": 4}
SIZES = {"quadrature": {"latent": 1}}  # a grid covers z of few dimensions
CHEAP = {"quadrature": {"tolerance": 0.1, "max_evaluations": 1500}, "local": {"steps": 2, "batch_samples": 2}}
CHEAP |= {name: {"num_distributions": 2, "leapfrog": 1} for name in ("ais", "sandwich")}
CHEAP |= {"layers": {"num_steps": 2}, "flow": {"tolerance": 1e3, "num_samples": 2}}


@pytest.fixture(autouse=True)
def _short_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is promised does not hang on how long a pilot looks or on the rows of a block, and flows are slow."""
    short = (
        (pilot, "CHAINS", 2),
        (pilot, "WARM", 2),
        (annealing, "STAYING", 1),
        (flow, "COARSEST", 1),
        (flow, "FINEST", 2),
    )
    for module, name, value in (*short, (rowblocks, "ROWS", BLOCK)):
        monkeypatch.setattr(module, name, value)


def cases() -> list[object]:
    """Each estimator on one model for each set of facts and each kind of x, or of any x where it works long.

    With UNVEIL_TEST_ALL, on every model.
    """
    found, met = [], set()
    for param, name in itertools.product(models(), NAMES):
        variant, needs = param.values[0], load_all("estimator")[name].needs  # type: ignore[attr-defined]
        kind = () if name in CHEAP else (variant.domain.kind, variant.domain.is_image)
        facts = (name, variant.model, variant.gives, kind)
        if not all(variant.gives & set(need.split("|")) for need in needs) or (facts in met and not ALL):
            continue
        if name in SIZES and variant.num_groups > 1 and variant.domain.is_image and not ALL:
            continue  # a grid over several latents of a wide decoder takes a minute
        met.add(facts)
        found.append(pytest.param(variant, name, id=f"{variant}-{name}", marks=param.marks))
    return found


EACH = pytest.mark.parametrize(("variant", "name"), cases())


def estimator(name: str) -> Estimator:
    cls = load_all("estimator")[name]
    few = FEW if cls().num_samples is not None else {}
    return cls(**few | CHEAP.get(name, {}))  # type: ignore[no-any-return]


def built(variant: Variant, name: str) -> Model:
    return variant.build(**SIZES.get(name, {}))


def judged(variant: Variant, name: str, model: Model | None = None, **options: int) -> Estimate:
    with keyed("split"):
        split = split_of(variant.domain, ROWS)
    return evaluate(model or built(variant, name), split, estimator(name), **options)[0]  # type: ignore[arg-type]


@functools.cache
def whole(variant: Variant, name: str) -> Estimate:
    """Of all rows, with seed 0: what the others are held against."""
    return judged(variant, name)


def test_each_registered_estimator_meets_a_model() -> None:
    assert {param.values[1] for param in cases()} == set(NAMES)  # type: ignore[attr-defined]


@EACH
def test_an_estimate_has_a_value_per_example(variant: Variant, name: str) -> None:
    found = whole(variant, name)
    assert found.log_px.shape == found.stderr_mc.shape == (ROWS,)
    assert found.log_px.dtype == found.stderr_mc.dtype == torch.float64
    assert found.direction in ("lower", "upper", "exact", "other") and found.direction == estimator(name).direction
    assert (found.stderr_mc >= 0).all()
    assert {"elbo", "rate", "distortion", "kl"} <= found.diagnostics.keys()
    assert found.diagnostics["kl"].shape == (ROWS, len(built(variant, name).groups))
    torch.testing.assert_close(found.diagnostics["kl"].sum(-1), found.diagnostics["rate"])
    elbo = -(found.diagnostics["rate"] + found.diagnostics["distortion"])
    torch.testing.assert_close(found.diagnostics["elbo"], elbo)


@EACH
def test_estimates_do_not_depend_on_limit_or_on_what_ran_before(variant: Variant, name: str) -> None:
    for limit in (5, BLOCK + 2):
        torch.rand(5)
        part = judged(variant, name, limit=limit)
        assert len(part.log_px) == limit
        torch.testing.assert_close(part.log_px, whole(variant, name).log_px[:limit], rtol=0, atol=1e-4)
    assert torch.equal(part.log_px[:BLOCK], whole(variant, name).log_px[:BLOCK])
    assert torch.equal(part.stderr_mc[:BLOCK], whole(variant, name).stderr_mc[:BLOCK])


@EACH
def test_estimates_depend_on_the_seed_and_leave_the_callers_noise_alone(variant: Variant, name: str) -> None:
    first, before = whole(variant, name), torch.random.get_rng_state()
    second = judged(variant, name, seed=1, limit=BLOCK)
    assert torch.equal(before, torch.random.get_rng_state())
    is_noisy = bool(first.stderr_mc.max() > 1e-9)
    assert torch.allclose(first.log_px[:BLOCK], second.log_px, rtol=0, atol=1e-9) != is_noisy


@EACH
def test_a_model_is_judged_in_evaluation_mode_and_put_back(variant: Variant, name: str) -> None:
    model = variant.build_anew(**SIZES.get(name, {})).train()
    seen: list[bool] = []

    def spied(method: Callable[..., object]) -> Callable[..., object]:
        def called(*args: object, **more: object) -> object:
            seen.append(model.training or torch.is_grad_enabled())
            return method(*args, **more)

        return called

    for method in ("posterior", "draw_terms", "log_prob", "enumerate", "draw_prior"):
        setattr(model, method, spied(getattr(model, method)))
    judged(variant, name, model, limit=1)
    assert seen and not any(seen) and model.training


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_of_a_split_are_each_judged_once_and_in_order(name: str) -> None:
    variant = next(p.values[0] for p in cases() if p.values[1] == name)  # type: ignore[attr-defined]
    split, model = split_of(variant.domain, ROWS), built(variant, name)
    done: list[tuple[int, int]] = []
    first, seconds = evaluate(model, split, estimator(name), progress=lambda a, b: done.append((a, b)))
    several = name == "exact"  # which takes a few blocks at once, since it draws no noise
    assert done == ([(ROWS, ROWS)] if several else [(BLOCK, ROWS), (ROWS, ROWS)]) and seconds > 0
    other = split_of(variant.domain, ROWS)
    last = replace(split, x=torch.cat([split.x[:-1], other.x[-1:]]))
    changed, _ = evaluate(model, last, estimator(name))
    assert torch.equal(changed.log_px[:-1], first.log_px[:-1]) and changed.log_px[-1] != first.log_px[-1]


def test_a_block_is_decoded_in_pieces_of_a_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 draws of 128 rows at a time: what is held does not grow with K, and every draw is counted."""
    monkeypatch.setattr(rowblocks, "ROWS", 128)
    sizes: list[int] = []
    variant = next(p.values[0] for p in cases() if p.values[1] == "iwae" and "rsample" in p.values[0].gives)  # type: ignore[attr-defined]
    model = variant.build_anew()
    infer = model.infer

    def spied(batch: object, num_samples: int, **rest: object) -> object:
        sizes.append(num_samples)
        return infer(batch, num_samples, **rest)  # type: ignore[arg-type]

    model.infer = spied  # type: ignore[method-assign,assignment]
    evaluate(model, split_of(variant.domain, 10), load_all("estimator")["iwae"](num_samples=38))
    assert sizes == [16, 16, 6] and base.DECODED // rowblocks.ROWS == 16
