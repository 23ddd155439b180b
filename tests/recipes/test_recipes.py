"""Recipes: each can be carried out, what it reached stands beside what was stated, a cut is never called reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unveil.api import Run
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.fitting.prepare import prepare
from unveil.recipes import Attempt, Goal, Recipe, Reproduction, all_recipes, find, recipe, reproduce
from unveil.recipes import base as registry
from unveil.recipes.base import budget_words
from unveil.registry import lookup
from unveil.report import write_report
from unveil.settings.choices import choose
from unveil.settings.judging import make_estimator

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = all_recipes()
PUBLISHED = [name for name, found in RECIPES.items() if found.goal.kind == "published"]
LADDER = [name for name, found in RECIPES.items() if found.goal.kind != "published"]
IMAGES = Domain("binary", (28, 28))
EACH = pytest.mark.parametrize("name", RECIPES)


# What is there


def test_the_numbers_are_those_that_were_stated() -> None:
    stated = {"mnist-vae": 86.76, "mnist-iwae50": 84.78, "mnist-conv-realnvp": 78.49, "mnist-ladder-vamp": 81.24}
    assert {name: RECIPES[name].goal.nll for name in PUBLISHED} == stated
    assert list(RECIPES)[: len(PUBLISHED)] == PUBLISHED
    assert {name for name in LADDER} == {f"{d}-{m}min" for d in ("mnist", "fashion") for m in (2, 10, 30, 120)}


@EACH
def test_a_recipe_is_whole(name: str) -> None:
    found = RECIPES[name]
    assert found.title and found.goal.what and found.goal.source and found.tuned and found.about and found.hours > 0
    assert found.binarization == "dynamic" and len(set(found.seeds)) == len(found.seeds) >= 3
    assert lookup("source", found.data) and make_estimator(found.estimator, found.num_samples).num_samples == 5000


@EACH
def test_its_options_are_keys_and_make_a_model_and_an_objective(name: str) -> None:
    choices = choose(RECIPES[name].options_with())
    assert choices.data.binarization == "dynamic"
    choices.objective().check(choices.model(IMAGES))


@pytest.mark.parametrize("name", LADDER)
def test_a_rung_of_the_ladder_is_its_budget_alone(name: str) -> None:
    assert RECIPES[name].options == {"train.minutes": float(name.split("-")[1].removesuffix("min"))}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_resolves_on_images_of_its_kind(name: str) -> None:
    images = torch.randint(256, (24, 28, 28), dtype=torch.uint8)
    found = RECIPES[name]
    asked = found.options_with(steps=10) | {"evaluation.num_samples": 1}
    phase = prepare(images, out=Path("never"), options=asked).config.phases[0].to_json()
    assert phase["steps"] == 10 and phase["patience"] == 0 and phase["lr"] == found.options["train.lr"]
    assert [s["name"] for s in phase["stages"]] == ["main", "finish"] if "train.finish" in found.options else ["main"]


def test_the_networks_of_burda_et_al_have_their_sizes() -> None:
    model: Any = choose(RECIPES["mnist-vae"].options).model(IMAGES)
    sizes = [m.weight.shape[::-1] for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
    assert [tuple(size) for size in sizes] == [(784, 200), (200, 200)]
    assert model.prior.num_latents == 50
    objective = choose(RECIPES["mnist-iwae50"].options).objective()
    assert objective.registered == ("objective", "iwae") and objective.num_samples == 50


def numbers(row: str) -> list[str]:
    return sorted(re.findall(r"\d[\d.,]*", row.replace(",", "").replace(";", "")))


def test_the_page_of_recipes_has_every_number() -> None:
    pages = (DOCS / language / "measurements" / "recipes.md" for language in ("en", "zh"))
    page, chinese = (path.read_text(encoding="utf-8") for path in pages)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for name in PUBLISHED:
        found = RECIPES[name]
        (row,) = (line for line in rows if f"`{name}`" in line)
        assert f"| {found.goal.nll:.2f} |" in row and f"{budget_words(found.options)} of" in row, name
        (other,) = (line for line in chinese.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {found.goal.nll:.2f} |" in other and numbers(other) == numbers(row), name
        assert f"of {found.options['train.batch_size']}, about {found.hours:g} h" in row, name
    for name in LADDER:
        start, goal = f"| {RECIPES[name].options['train.minutes']:g} |", f" {RECIPES[name].goal.nll:.2f} |"
        assert any(line.startswith(start) and goal in line for line in rows), name


# Budgets


def test_another_budget_takes_the_place_of_the_recipes_own() -> None:
    found = RECIPES["mnist-vae"]
    assert found.options_with() == {"data.binarization": "dynamic", **found.options}
    assert found.options_with(minutes=2.5)["train.minutes"] == 2.5 and "train.steps" not in found.options_with(
        minutes=2.5
    )
    assert (
        budget_words(found.options) == "500,000 steps"
        and budget_words(found.options_with(minutes=2.5)) == "2.5 minutes"
    )
    with pytest.raises(RequestError, match="as steps and minutes"):
        found.options_with(steps=1, minutes=1.0)


@pytest.mark.parametrize("options", [{}, {"train.steps": 1, "train.minutes": 1.0}], ids=["none", "two"])
def test_a_recipe_has_one_budget(options: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="exactly one"):
        replace(RECIPES["mnist-vae"], options=options)


# Verdicts

FIRST = Attempt(
    seed=0, run="seed-0", nll=87.0, stderr=0.2, stderr_mc=0.01, num_examples=10_000, limit=None, num_test=10_000,
    estimator="iwae", num_samples=5000, steps=500_000, minutes=60.0, wall_minutes=None, judging_minutes=5.0,
    weights="0", versions={},
)  # fmt: skip


def came_to(*nlls: float, name: str = "mnist-vae", limit: int | None = None, **budget: Any) -> Reproduction:
    found, judged = RECIPES[name], 10_000 if limit is None else limit
    attempts = tuple(replace(FIRST, seed=i, nll=v, limit=limit, num_examples=judged) for i, v in enumerate(nlls))
    return Reproduction(found, Path("r"), found.options_with(**budget), limit, attempts)


def test_the_mean_over_seeds_and_its_error_are_put_beside_the_number() -> None:
    found = came_to(86.9, 87.1, 86.7)
    assert found.nll == pytest.approx(86.9) and found.stderr == pytest.approx(0.2 / 3**0.5)
    assert found.difference == pytest.approx(0.14) and found.verdict == "reached"
    told = "\n".join(found.lines())
    assert "86.76 nats (IWAE-5000 on the 10,000 test images; Burda" in told
    assert "Reached    86.90 ± 0.12 nats (IWAE-5000 on 10,000 test examples; the mean of 3 seeds)" in told
    assert "+0.14 nats: reached, inside the tolerance of 0.3." in told
    assert [row[:2] for row in found.rows()] == [("0", "86.90 ± 0.20"), ("1", "87.10 ± 0.20"), ("2", "86.70 ± 0.20")]


@pytest.mark.parametrize(
    ("name", "nll", "verdict", "inside"),
    [
        ("mnist-vae", 87.05, "reached", True),
        ("mnist-vae", 86.50, "reached", True),
        ("mnist-vae", 87.07, "missed", False),
        ("mnist-vae", 86.40, "better", False),
        ("mnist-2min", 82.89, "reached", True),
        ("mnist-2min", 82.91, "missed", False),
        ("fashion-2min", 226.0, "below", None),
        ("fashion-2min", 227.0, "above", None),
    ],
)
def test_verdicts(name: str, nll: float, verdict: str, inside: bool | None) -> None:
    found = came_to(nll, name=name)
    plain = found.to_json()
    assert (found.verdict, plain["verdict"], plain["inside"]) == (verdict, verdict, inside)
    assert all(name in plain["why"] for name, value in plain.items() if value is None)


@pytest.mark.parametrize(
    ("cut", "why"),
    [
        ({"steps": 300}, "the budget was 300 steps and the recipe's is 500,000 steps"),
        ({"minutes": 2.0}, "the budget was 2 minutes and the recipe's is 500,000 steps"),
        ({"limit": 100}, "only 100 test examples were judged"),
    ],
    ids=["steps", "minutes", "limit"],
)
def test_what_was_cut_is_said_and_never_called_reached(cut: dict[str, Any], why: str) -> None:
    found = came_to(86.76, **cut)
    assert found.verdict == "not judged" and found.why_not == why
    assert any(f"not the recipe, because {why}" in line for line in found.lines())
    plain = found.to_json()
    assert plain["inside"] is None and plain["why"]["inside"] == why
    assert not any("reached," in line for line in found.lines())


def test_the_recipes_own_budget_said_again_is_no_cut() -> None:
    assert came_to(86.76, steps=500_000).verdict == "reached"
    assert came_to(82.0, name="mnist-2min", minutes=2.0).verdict == "reached"
    assert came_to(82.0, name="mnist-2min", steps=10**6).verdict == "not judged"


# Carrying one out


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    """A recipe of 30 steps on 60 images."""
    monkeypatch.setattr(registry, "_found", dict(registry._found))
    path = tmp_path_factory.mktemp("source") / "x.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (60, 4, 5)).astype(np.uint8))

    @recipe(
        "tiny",
        title="a tiny VAE",
        goal=Goal("published", 14.0, "IWAE-10 on the test images", "nobody", 10.0),
        data=str(path),
        binarization="threshold",
        tuned="Not tuned.",
        hours=0.001,
        num_samples=10,
        seeds=(0, 1),
    )
    def options() -> dict[str, Any]:
        """Two latents."""
        few = {"model.latent": 2, "model.width": 8, "evaluation.num_samples": 2}
        return few | {"train.steps": 30, "train.patience": 0}

    yield find("tiny")


def test_an_interrupted_seed_is_gone_on_with_to_the_same_weights(tiny: Recipe, tmp_path: Path) -> None:
    whole = reproduce("tiny", seeds=[3], out=tmp_path / "whole", show=False)
    with pytest.raises(RequestError, match="limit is 0"):
        reproduce("tiny", limit=0, out=tmp_path / "cut")
    reproduction = tmp_path / "cut"
    reproduction.mkdir()
    (reproduction / "reproduce.json").write_text((tmp_path / "whole" / "reproduce.json").read_text())
    events = prepare(tiny.data, out=reproduction / "seed-3", seed=3, options=tiny.options_with()).events(write_report)
    for _ in range(20):
        next(events)
    events.close()  # type: ignore[attr-defined]
    assert not Run.load(reproduction / "seed-3").is_finished
    again = reproduce("tiny", seeds=[3], out=reproduction, show=False)
    assert again.attempts[0].weights == whole.attempts[0].weights and again.nll == whole.nll
    assert whole.verdict == again.verdict == "reached" and again.attempts[0].steps == 30


def test_a_directory_of_something_else_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="holds no reproduction"):
        reproduce("tiny", out=tmp_path)


@pytest.mark.parametrize("seeds", [0, [], [-1]], ids=str)
def test_seeds_that_are_none_are_refused(seeds: int | list[int], tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="at least one is needed"):
        reproduce("tiny", seeds=seeds, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="Did you mean 'mnist-vae'"):
        find("mnist-va")
