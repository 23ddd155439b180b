"""Programs of a page: what a browser computes is what the model computes, for every family that z can be moved in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import Tensor

import unveil.report.explorer
from contracts.variants import Variant, batch_of, models
from unveil.model import Model, has_real_z, stands_for_x
from unveil.ops import keyed
from unveil.report.explorer.functions import Functions, Programs, programs_of
from unveil.report.explorer.program import HALF, Constants, Untraced
from unveil.report.explorer.replay import replayed
from unveil.report.explorer.space import space_of
from unveil.report.explorer.trace import traced

SCRIPT = Path(unveil.report.explorer.__file__).parent / "program.js"
CLOSE = 2e-3  # of 1 + |value|: weights are in half precision
NOT_JUDGED = ("linear_gaussian", "full_gaussian", "categorical")  # whose q has steps that no page knows
RUN = """([program, name, given]) => {
    const found = programs.all(program)[name](...given.map(a => Float32Array.from(a)));
    return Object.entries(found).map(([key, values]) => [key, [...values]]);
}"""


@pytest.fixture(scope="module")
def computer(browser: Browser) -> Iterator[Page]:
    """A page that can run programs, and nothing else."""
    page = browser.new_context(offline=True).new_page()
    page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
    yield page
    page.context.close()


def computed(page: Page, programs: Programs, name: str, given: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What a browser makes of a program."""
    program = {**programs.constants.to_json(), "each": {name: programs.each[name].to_json()}}
    arrays = [each.flatten().float().tolist() for each in given]
    found = page.evaluate(RUN, [program, name, arrays])
    return {key: torch.tensor(values, dtype=torch.float32) for key, values in found}


def moved() -> list[Any]:
    """Each model of the battery whose z can be moved in; of those alike but for the domain, some."""
    return [param for param in models() if param.values[0].model in ("vae", "hvae", "linear_gaussian")]


def functions_of(model: Model, variant: Variant) -> tuple[Functions, Tensor]:
    """Its functions, and a place in z."""
    with torch.no_grad(), keyed("z"):
        z = torch.cat([group.flatten(1) for group in model.draw_prior(7, model.draw_labels(7))], 1)
    space = space_of(model, z)
    return Functions(model, variant.domain, space, 0), space.of(z)[:1].contiguous()


@pytest.mark.parametrize("variant", moved())
def test_a_browser_computes_what_the_model_does(variant: Variant, computer: Page) -> None:
    model = variant.build()
    if not (stands_for_x(model) and has_real_z(model)):
        return  # z is no number that could be moved: there is no explorer
    functions, place = functions_of(model, variant)
    programs = programs_of(functions)
    assert "decode" in programs.each, programs.missing
    expected = functions.can_judge and not any(name in str(variant) for name in NOT_JUDGED)
    assert ("judge" in programs.each) == expected, programs.missing
    with torch.no_grad(), keyed("x"):
        x = batch_of(variant.domain, 1).x
    for name, given in (("decode", place), ("judge", x)):
        if name in programs.each:
            with torch.no_grad():
                wanted = getattr(functions, name)(given)
            found = computed(computer, programs, name, (given,))
            assert found.keys() == wanted.keys()
            for key, value in wanted.items():
                error = (found[key] - value.flatten()).abs() / (1 + value.flatten().abs())
                assert error.max() < CLOSE, (name, key)


def test_steps_of_torch_that_change_shapes_and_places(computer: Page) -> None:
    weights = torch.arange(24.0).reshape(2, 3, 4)

    def f(x: Tensor) -> dict[str, Tensor]:
        a = (x.reshape(2, 1, 4) * weights).permute(2, 0, 1)[1:, :, ::2].flip(0)
        b = torch.cat([a.amax(-1), a.logsumexp(-1)], -1).cumsum(0)
        return {"a": a, "b": b, "c": torch.where(b > b.mean(), b, -b).softmax(-1), "d": a.std(0)}

    x = torch.tensor([[0.5, -1.0, 2.0, 0.25, 1.0, -0.5, 0.75, 3.0]])
    constants = Constants()
    program = traced(f, x, constants=constants)
    found = computed(computer, Programs(constants, {"f": program}, {}), "f", (x,))
    for key, value in f(x).items():
        torch.testing.assert_close(found[key], value.flatten(), rtol=1e-5, atol=1e-5)


def added_in_place(x: Tensor) -> dict[str, Tensor]:
    out = torch.zeros(2, 2)
    for factor in (1.0, -0.5):
        out += factor * x.exp()
    return {"y": out}


def kept_then_multiplied(x: Tensor) -> dict[str, Tensor]:
    h = torch.ones(2, 2) * 2
    h *= x
    return {"y": h}


@pytest.mark.parametrize(
    "f",
    [
        added_in_place,
        kept_then_multiplied,
        lambda x: {"y": x[..., [-1, 0]]},
        lambda x: {"y": x.relu().sum(-1, keepdim=True).bool().float()},
        lambda x: {"y": ((x > 0) + (x > 0.5)).float()},
        lambda x: {"y": x.reshape(-1)[torch.tensor([3, 1])] * torch.arange(5000.0)[-2:]},
    ],
    ids=["a sum in place", "a product in place", "the last place", "a truth", "a sum of truths", "large numbers"],
)
def test_steps_that_are_easily_taken_wrongly(f: Any, computer: Page) -> None:
    constants = Constants()
    program = traced(f, torch.tensor([[0.1, 0.2], [0.3, 0.4]]), constants=constants)
    for x in (torch.tensor([[0.5, -1.0], [2.0, 0.25]]), torch.tensor([[-3.0, 0.0], [-0.5, 1.5]])):
        (found,) = computed(computer, Programs(constants, {"f": program}, {}), "f", (x,)).values()
        torch.testing.assert_close(found, f(x)["y"].flatten(), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(replayed(program, constants, x)["y"], f(x)["y"].flatten(), rtol=1e-3, atol=1e-3)


def test_a_program_that_computes_otherwise_is_refused() -> None:
    """A network that asks whether it is trained, or looks at numbers outside of torch, is not written down right."""
    variant = next(p.values[0] for p in moved() if str(p.values[0]).startswith("vae-binary[9x10]"))
    functions, _ = functions_of(variant.build(), variant)
    decoder = functions.model.decoder  # type: ignore[attr-defined]
    plain = decoder.forward
    decoder.forward = lambda z: plain(z) * (3.0 if torch.is_grad_enabled() else 1.0)
    try:
        programs = programs_of(functions)
    finally:
        del decoder.forward
    assert not programs.each and "otherwise" in programs.missing["decode"]


def test_places_are_never_halves() -> None:
    constants = Constants()
    assert constants.place(torch.arange(HALF))[0] == 0 and constants.place(torch.rand(HALF))[0] == 1


def test_large_constants_are_halves_and_kept_once() -> None:
    large, small = torch.randn(HALF), torch.randn(HALF - 1)
    constants = Constants()
    first, again, other = (constants.place(each) for each in (large, large.reshape(2, -1), small))
    assert first == again == [1, 0, HALF] and other == [0, 0, HALF - 1]
    assert constants.num_bytes == 2 * HALF + 4 * (HALF - 1)
    assert constants.place(1e6 * large)[0] == 0  # half precision has no such number


@pytest.mark.parametrize(
    "f",
    [
        lambda x: {"y": torch.linalg.inv(x @ x.T + torch.eye(2))},
        lambda x: {"y": x if bool(x.sum() > 0) else -x},
        lambda x: {"y": x.view(-1)[:1].neg_() + x.sum()},
        lambda x: {"y": torch.native_layer_norm(x, [2], None, None, 1e-5)[1]},
        lambda x: {"y": torch.bernoulli((x > 0).float())},
        lambda x: {"y": torch.rsub(x, x, alpha=2)},
        lambda x: {"y": torch.round(x, decimals=1)},
        lambda x: {"y": torch.nn.functional.softplus(x, 1, threshold=1)},
        lambda x: {"y": x.clamp(0.5, 0.3)},
        lambda x: {"y": x.view(torch.int32).float()},
        lambda x: {"y": (x.long() & 3).float()},
        lambda x: {"y": x.to(torch.uint8).float()},
        lambda x: {"y": x.sum().softmax(0)},
    ],
    ids=[
        "an unknown step",
        "a branch on a value",
        "a view that is changed",
        "a second result",
        "a draw",
        "a factor",
        "decimals",
        "a threshold",
        "ends in the wrong order",
        "other bits",
        "whole numbers",
        "bytes",
        "no dimension",
    ],
)
def test_what_a_page_cannot_compute_is_no_program(f: Any) -> None:
    with pytest.raises(Untraced):
        traced(f, torch.ones(2, 2), constants=Constants())


def test_too_many_weights_are_no_program() -> None:
    variant = next(p.values[0] for p in moved() if str(p.values[0]).startswith("vae-binary[9x10]"))
    functions, _ = functions_of(variant.build(), variant)
    programs = programs_of(functions, most_bytes=1000)
    assert not programs.each and "MB" in programs.missing["decode"]
