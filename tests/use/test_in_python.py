"""What a person meets in Python: signatures, short words, frames, sizes that do not fit, names of the flags."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import unveil
from quick import QUICK, fitted
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.vae import VAE

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unveil.Run:
    return fitted(TABLE, tmp_path_factory.mktemp("r") / "run", steps=5, model__width=16)


@pytest.mark.parametrize("verb", ["evaluate", "diagnose", "score", "impute", "sample", "reconstruct", "interpolate"])
def test_help_shows_the_arguments_of_a_verb(verb: str) -> None:
    method = getattr(unveil.Run, verb)
    first, *others = inspect.signature(method).parameters.values()
    assert first.name == "self" and len(others) > 1
    assert all(p.kind is not p.VAR_KEYWORD or verb == "sample" for p in others), "sample takes a family's own"
    assert "see `unveil" not in (inspect.getdoc(method) or "see `unveil")


def test_samples_of_a_table_are_a_frame_with_its_columns(run: unveil.Run) -> None:
    drawn = run.sample(7)
    assert isinstance(drawn, pd.DataFrame) and list(drawn) == ["a", "b", "c"] and len(drawn) == 7
    pd.testing.assert_frame_equal(drawn, run.sample(7))


def test_a_pack_fills_gaps(run: unveil.Run, tmp_path: Path) -> None:
    unveil.pack(run, tmp_path / "pack")
    new = TABLE.head(5).copy()
    new.loc[2, "b"] = np.nan
    pd.testing.assert_frame_equal(unveil.load(tmp_path / "pack").impute(new), run.impute(new))


def test_data_is_shown_in_a_line(run: unveil.Run) -> None:
    assert repr(run.data) == "Data('array': 48 + 6 + 6 examples, 3, real)"
    assert repr(run.data.train) == "Split(48 examples of real, 3)"


def test_the_names_of_the_flags_are_taken(tmp_path: Path) -> None:
    y = np.arange(60) % 2
    options: dict[str, Any] = {"steps": 3, "show": False, "options": QUICK}
    run = unveil.fit(TABLE.to_numpy(), y=y, condition="label", latent=3, out=tmp_path / "run", **options)
    assert run.model.num_classes == 2 and run.config["model"]["prior"]["num_latents"] == 3


@pytest.mark.parametrize("z", [torch.zeros(4, 3), (torch.zeros(4, 3),)], ids=["tensor", "tuple"])
def test_one_group_of_z_is_a_tensor_or_a_tuple(z: Any) -> None:
    model = VAE.build(Domain("real", (2,)), latent=3)
    assert model.decode(z).mean.shape == (4, 2)


def test_another_number_of_groups_is_refused() -> None:
    model = VAE.build(Domain("real", (2,)), latent=3)
    with pytest.raises(RequestError, match="z came as 2 groups; this model takes a tuple of 1"):
        model.decode((torch.zeros(4, 3), torch.zeros(4, 3)))


def parts(**changed: nn.Module) -> dict[str, nn.Module]:
    built = VAE.build(Domain("real", (2,)), latent=3, width=8, network="plain")
    names = {"prior": "prior", "encoder": "encoder", "posterior": "posterior_head", "decoder": "decoder"}
    found = {name: getattr(built, own) for name, own in names.items()}
    return {**found, "likelihood": built.likelihood, **changed}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"encoder": nn.Linear(2, 5)}, r"The encoder gives \(1, 5\) for one example, and the posterior takes \(1, 8\)"),
        (
            {"decoder": nn.Linear(3, 7)},
            r"The decoder gives \(1, 7\) for one example, and the likelihood takes \(1, 2\)",
        ),
        ({"decoder": nn.Linear(4, 2)}, r"The decoder does not take an input of shape \(1, 3\)"),
        ({"encoder": nn.Linear(9, 8)}, r"The encoder does not take an input of shape \(1, 2\)"),
    ],
    ids=["encoder out", "decoder out", "decoder in", "encoder in"],
)
def test_parts_that_do_not_fit_are_refused_by_their_sizes(changed: dict[str, nn.Module], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        VAE(**parts(**changed))  # type: ignore[arg-type]
