"""Codes and no latents at all, through the command line: what each verb gives of them, or how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.commands import Call, finish, start
from cli.test_verbs import read_csv
from quick import WORDS
from unveil.api import Run
from unveil.errors import RequestError
from unveil.use.encode import decode

QUICK = ("--steps", "20", "model.width=16", *WORDS)
CODES = ("--model", "vqvae", "--latent", "4", "model.codebook_size=16", "model.depth=1", *QUICK)
CHAIN = ("--model", "autoregressive", "model.depth=1", *QUICK)


@pytest.fixture(scope="module")
def both(folder: Path) -> Path:
    """The folder with the runs `codes` and `chain`."""
    for name, words in (("codes", CODES), ("chain", CHAIN)):
        done = finish(start("fit", "x.npz", *words, "--out", name, cwd=folder))
        assert done.code == 0, done.err
    return folder


def test_a_fit_of_codes_learns_their_prior_last(both: Path) -> None:
    run = Run.load(both / "codes")
    stages = [row["stage"] for row in run.metrics]
    assert stages == sorted(stages) and set(stages) == {"main", "prior"}
    assert [stage["steps"] for stage in run.train["stages"]] == [14, 6]
    uniform = 4 * np.log(16)
    rates = {row["stage"]: row["valid_rate"] for row in run.metrics if "valid_rate" in row}
    assert rates["main"] == pytest.approx(uniform, abs=1e-4) and rates["prior"] < uniform
    assert run.result["estimator"] == "elbo" and run.result["direction"] == "lower"
    assert run.result["stderr_mc"] == 0 and run.result["rate"] < uniform
    page = (both / "codes" / "report.html").read_text()
    assert all(said in page for said in ("Use of the codes", "What the prior over codes costs", "What codes look like"))


def test_codes_are_encoded_as_whole_numbers(call: Call, both: Path) -> None:
    assert call("encode", "codes", "new.npz", "-o", "codes.csv").code == 0
    found = read_csv(both / "codes.csv")
    assert [name for name in found if name.startswith("code_")] == ["code_0", "code_1", "code_2", "code_3"]
    assert "." not in (both / "codes.csv").read_text() and max(found["code_0"]) < 16


@pytest.mark.parametrize("run", ["codes", "chain"])
def test_samples_and_scores_work_as_they_are(call: Call, both: Path, run: str) -> None:
    assert call("sample", run, "-o", "some.png", "--num-samples", "4").code == 0
    with Image.open(both / "some.png") as image:
        assert image.size[0] > 8
    assert call("score", run, "new.npz", "-o", "scores.csv").code == 0
    assert np.isfinite(read_csv(both / "scores.csv")["log_px"]).all()
    judged = json.loads(call("evaluate", run, "--json").out)
    assert judged["log_px"] == pytest.approx(Run.load(both / run).result["log_px"], abs=1e-4)


def test_going_through_codes_is_compared_with_going_without(call: Call, both: Path) -> None:
    done = call("compare", "codes", "chain")
    assert done.code == 0 and "codes" in done.out + done.err and "chain" in done.out + done.err
    assert Run.load(both / "chain").result["direction"] == "exact"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "codes", "--estimator", "iwae"), "use the objective or estimator 'elbo'"),
        (("interpolate", "codes", "-o", "i.png"), "whole numbers"),
        (("encode", "chain", "new.npz", "-o", "z.csv"), "none"),
        (("reconstruct", "chain", "-o", "r.png"), "none"),
        (("sample", "chain", "-o", "s.png", "--temperature", "0.5"), "no z"),
        (("fit", "x.npz", "--model", "vqvae", "--objective", "iwae", "--steps", "2"), "use the objective or estimator"),
        (("fit", "x.npz", "--model", "vqvae", "model.quantizer=fsq", "model.codebook_size=7919"), "a product of"),
    ],
)
def test_what_does_not_go_is_refused_in_a_sentence(call: Call, both: Path, words: tuple[str, ...], said: str) -> None:
    done = call(*words)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 3


@pytest.mark.parametrize("code", [16, -1, 0.5, np.nan])
def test_a_code_outside_the_book_is_refused(both: Path, code: float) -> None:
    run = Run.load(both / "codes")
    z = np.zeros((2, 4))
    assert decode(run.store, z).shape[0] == 2
    z[1, 2] = code
    with pytest.raises(RequestError, match=r"whole numbers from 0 to 15"):
        decode(run.store, z)
