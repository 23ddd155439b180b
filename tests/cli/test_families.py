"""Every verb on a run of each family that is no plain VAE: right, or refused in one sentence."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cli.commands import Done
from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.use.encode import decode

FAMILIES = ("hvae", "vdm", "vqvae", "autoregressive")
SMALL = {"model.width": 8, "model.depth": 1, "train.steps": 4, "evaluation.num_samples": 2}
Verb = Callable[..., Done]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each family on 100 digits; new.npz, 6 others; gaps.npz, the same with values missing."""
    path, x = tmp_path_factory.mktemp("families"), load_digits().images.astype(np.uint8)
    np.savez(path / "x.npz", x=x[:100])
    np.savez(path / "new.npz", x=x[100:106])
    gaps = x[100:106].astype(float)
    gaps[:, 2:4, 3] = np.nan
    np.savez(path / "gaps.npz", x=gaps)
    for name in FAMILIES:
        fitted(path / "x.npz", path / name, report=True, model=name, **SMALL)
    return path


@pytest.fixture
def verb(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Verb:
    monkeypatch.chdir(home)

    def called(*words: str) -> Done:
        capfd.readouterr()
        code = main(words)
        return Done(code, *capfd.readouterr())

    return called


def header(path: Path) -> list[str]:
    with open(path, newline="") as file:
        return next(csv.reader(file))


def is_refused(done: Done, said: str) -> bool:
    return done.code == 2 and said in done.err and len(done.err.splitlines()) <= 3 and "Traceback" not in done.err


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_judged_scored_sampled_compared_and_packed(name: str, home: Path, verb: Verb) -> None:
    assert (home / name / "report.html").is_file()
    assert verb("evaluate", name, "--estimator", "elbo", "--num-samples", "2", "--limit", "5").code == 0
    assert verb("score", name, "new.npz", "-o", "s.csv").code == 0
    assert verb("sample", name, "-o", "s.npz", "-n", "3", "--mean").code == 0
    assert np.load(home / "s.npz")["x"].shape == (3, 8, 8)
    assert verb("compare", name, "hvae" if name != "hvae" else "vdm").code == 0
    assert verb("pack", name, "-o", f"pack-{name}").code == 0


def test_groups_are_encoded_by_name_and_decoded_again(home: Path, verb: Verb) -> None:
    assert verb("encode", "hvae", "new.npz", "-o", "z.csv").code == 0
    names, run = header(home / "z.csv"), Run.load(home / "hvae")
    groups = run.model.groups
    assert len(groups) >= 3 and [n for n in names if n.endswith("_0")] == [f"{g}_0" for g in groups]
    z = run.encode(home / "new.npz")
    assert z.mean.shape == z.stddev.shape == (6, len(z.names)) and len(names) == 2 * len(z.names)
    assert "z1_0_sd" in names and decode(run.store, z.mean).shape == (6, 8, 8)


def test_codes_are_encoded_as_whole_numbers(home: Path, verb: Verb) -> None:
    done = verb("encode", "vqvae", "new.npz", "-o", "codes.csv")
    assert done.code == 0 and "codes in codes.csv" in done.out
    assert all(name == f"code_{i}" for i, name in enumerate(header(home / "codes.csv")))
    run = Run.load(home / "vqvae")
    z = run.encode(home / "new.npz")
    assert z.mean.dtype == np.int64 and z.stddev is None and (z.mean >= 0).all() and (z.mean < 512).all()
    np.testing.assert_allclose(decode(run.store, z.mean), run.reconstruct(home / "new.npz")[1], atol=1e-4)


@pytest.mark.parametrize("words", [("encode", "new.npz"), ("impute", "gaps.npz"), ("reconstruct",), ("interpolate",)])
@pytest.mark.parametrize("name", ["vdm", "autoregressive"])
def test_what_needs_a_z_that_stands_for_x_is_refused_without_one(name: str, words: tuple[str, ...], verb: Verb) -> None:
    assert is_refused(verb(words[0], name, *words[1:], "-o", "o.npz"), "needs latents that stand for x")


def test_what_codes_cannot_do_is_refused(verb: Verb) -> None:
    assert is_refused(verb("interpolate", "vqvae", "-o", "o.npz"), "nothing between two of them")
    assert is_refused(verb("impute", "vqvae", "gaps.npz", "-o", "o.npz"), "does not have them")
    assert is_refused(verb("evaluate", "vqvae", "--estimator", "iwae"), "use the objective or estimator 'elbo'")


def test_gaps_are_filled_by_a_ladder(home: Path, verb: Verb) -> None:
    assert verb("impute", "hvae", "gaps.npz", "-o", "full.npz", "--num-samples", "20").code == 0
    assert np.isfinite(np.load(home / "full.npz")["x"]).all()
    assert is_refused(verb("evaluate", "hvae", "--gap"), "one latent group")


def test_a_temperature_for_each_group(verb: Verb) -> None:
    each = ",".join(["0.5"] * len(Run.load("hvae").model.groups))
    assert verb("sample", "hvae", "-o", "s.npy", "-n", "2", "--temperature", each).code == 0
    assert is_refused(verb("sample", "hvae", "-o", "s.npy", "--temperature", "1,0.5"), "2 temperatures came")
    assert is_refused(verb("sample", "hvae", "-o", "s.npy", "--temperature", "1,-2"), "takes a positive number")


def test_samples_take_the_keys_of_their_family(home: Path, verb: Verb) -> None:
    many, few = (
        (verb("sample", "vdm", "-o", "s.npy", "-n", "3", f"steps={n}", "sampler=ddim").code, np.load(home / "s.npy"))
        for n in (4, 2)
    )
    assert many[0] == few[0] == 0 and not np.array_equal(many[1], few[1])
    assert is_refused(verb("sample", "vdm", "-o", "s.npy", "step=4"), "Did you mean 'sample.steps'")
    assert is_refused(verb("sample", "vdm", "-o", "s.npy", "steps=many"), "sample.steps came as 'many'")
    assert is_refused(verb("sample", "vdm", "-o", "s.npy", "seed=3"), "give it as an option: --seed")
    assert is_refused(verb("sample", "hvae", "-o", "s.npy", "steps=4"), "no key 'sample.steps'")
    assert "sample.steps" in verb("list", "keys").out
