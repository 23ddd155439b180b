"""`unveil reproduce`: from a recipe to a table of what was reached, gone on with where it stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.commands import Call, Done
from unveil.api import Run
from unveil.cli import main
from unveil.cli.reproduction import seeds_of
from unveil.errors import RequestError
from unveil.files import write_json
from unveil.recipes import all_recipes, base

PLUGIN = """
from unveil.recipes import Goal, recipe

@recipe(
    "tiny", title="a tiny VAE", goal=Goal("published", 14.0, "IWAE-10 on the test images", "nobody", 10.0),
    data="x.npy", binarization="threshold", tuned="Not tuned.", hours=0.001, num_samples=10, seeds=(0, 1),
)
def tiny():
    '''Two latents.'''
    few = {"model.latent": 2, "model.width": 8, "evaluation.num_samples": 2}
    return few | {"train.steps": 20, "train.patience": 0}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with x.npy, 60 images of 4×5, and recipes.py."""
    path = tmp_path_factory.mktemp("reproduce")
    np.save(path / "x.npy", np.random.default_rng(0).integers(0, 256, (60, 4, 5)).astype(np.uint8))
    (path / "recipes.py").write_text(PLUGIN)
    return path


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`unveil reproduce WORDS` in the folder, with its recipes."""
    monkeypatch.chdir(home)
    monkeypatch.setattr(base, "_found", dict(all_recipes()))

    def called(*words: str) -> Done:
        capfd.readouterr()
        return Done(main(["reproduce", *words, "--plugin", "recipes.py"]), *capfd.readouterr())

    return called


def test_a_recipe_is_trained_judged_and_gone_on_with(call: Call, home: Path) -> None:
    done = call("tiny", "--seeds", "1", "--json")
    found, kept = json.loads(done.out), home / "runs" / "reproduce-tiny" / "reproduce.json"
    assert done.code == 0 and next(iter(found)) == "format" and found["format"] == "unveil-reproduce-1"
    assert found == json.loads(kept.read_text()) and found["recipe"]["goal"]["nll"] == 14.0
    (first,) = found["seeds"]
    run = Run.load(first["run"])
    assert run.is_finished and run.train["steps"] == first["steps"] == 20
    assert first["wall_minutes"] > first["minutes"] > 0
    again = run.evaluate(estimator="iwae", num_samples=10)
    assert first["nll"] == found["nll"] == -again["log_px"] and first["num_examples"] == again["num_examples"]
    assert found["stderr"] is None and found["why"]["stderr"] == "one seed has no spread"
    assert found["verdict"] == "reached" and found["inside"] is True
    for line in ("Seed 0: training", "Seed 0: judging", "judged "):
        assert line in done.err

    both = call("tiny", "--seeds", "0,1")  # seed 0 is neither trained nor judged again
    assert both.code == 0 and "Seed 0: trained before" in both.err and "Seed 0: judging" not in both.err
    assert json.loads(kept.read_text())["seeds"][0] == first
    lines = both.out.splitlines()
    assert lines[0].split() == ["seed", "−log", "p(x)", "≤", "examples", "training", "judging"]
    assert lines[1].startswith(f"0     {first['nll']:.2f} ± ") and lines[2].startswith("1 ")
    assert lines[4].startswith("Published  14.00 nats (IWAE-10 on the test images; nobody)")
    assert "the mean of 2 seeds" in lines[5] and "reached, inside the tolerance of 10" in lines[6]

    cut = call("tiny", "--limit", "3")  # would throw away what was judged on all
    assert cut.code == 2 and "judged on the whole test set" in cut.err
    other = call("tiny", "--steps", "5")
    assert other.code == 2 and "tiny with 20 steps; it cannot take tiny with 5 steps" in other.err
    write_json(run.path / "config.json", run.config | {"phases": 2 * run.config["phases"]})
    more = call("tiny", "--seeds", "0,")
    assert more.code == 2 and "was trained further" in more.err


def test_a_cut_is_said(call: Call) -> None:
    words = ("tiny", "--seeds", "4,", "--out", "cut", "--steps", "5", "--limit", "3")
    found = json.loads(call(*words, "--json").out)
    assert [attempt["seed"] for attempt in found["seeds"]] == [4] and found["seeds"][0]["num_examples"] == 3
    assert found["verdict"] == "not judged" and found["inside"] is None
    why = "the budget was 5 steps and the recipe's is 20 steps and only 3 test examples were judged"
    assert found["why"]["inside"] == why
    assert why in call(*words).out


def test_without_a_name_the_recipes_are_listed(call: Call) -> None:
    lines = call().out.splitlines()
    assert lines == call("--list").out.splitlines() and lines[0].startswith("recipe")
    (vae,) = (line for line in lines if line.startswith("mnist-vae "))
    assert "86.76" in vae and "published" in vae and "steps" in vae and "table 1" in vae
    found = json.loads(call("--json").out)
    assert found["format"] == "unveil-recipes-1" and {"mnist-vae", "tiny"} <= {r["name"] for r in found["recipes"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mnist-ave",), "Did you mean 'mnist-vae'?"),
        (("tiny", "--list"), "Both --list and the recipe 'tiny' came"),
        (("--seeds", "2"), "--seeds cannot be used without the name of a recipe"),
        (("--steps", "2"), "--steps cannot be used without the name of a recipe"),
        (("tiny", "--seeds", "few"), "--seeds came as 'few'"),
        (("tiny", "--seeds", "-1,2"), "each is a whole number from 0"),
        (("tiny", "--limit", "0"), "--limit came as '0'"),
        (("tiny", "--steps", "5", "--minutes", "1"), "The budget came as steps and minutes"),
        (("tiny", "--out", "x.npy"), "x.npy exists and holds no reproduction"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_requests(words: tuple[str, ...], said: str, call: Call) -> None:
    done = call(*words)
    assert done.code == 2 and said in done.err and done.out == ""


def test_seeds_are_a_number_or_a_list() -> None:
    assert seeds_of("3") == 3 and seeds_of("3,") == [3] and seeds_of("0, 7") == [0, 7]
    for text in ("1.5", "0,x", ","):
        with pytest.raises(RequestError, match=f"--seeds came as '{text}'"):
            seeds_of(text)
