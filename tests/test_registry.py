"""What is registered is documented, found, and comes back from plain JSON; nothing that JSON names is ever imported."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unveil import registry
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian
from unveil.models.vae import VAE
from unveil.nn.mlp import MLPDecoder
from unveil.ops import keyed
from unveil.posteriors import DiagonalGaussian
from unveil.priors import StandardNormal
from unveil.registry import HOMES, describe, load_all, lookup, rebuild, seeded

REAL = Domain("real", (4,))
EVERYTHING = [(kind, name) for kind in HOMES for name in load_all(kind)]
REGISTERED = pytest.mark.parametrize(("kind", "name"), EVERYTHING)


class OwnEncoder(nn.Module):
    """A user's encoder."""

    num_features = 5

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).tanh()


def own_vae() -> VAE:
    with keyed("own"):
        return VAE(
            StandardNormal(2), OwnEncoder(), DiagonalGaussian(5, 2), MLPDecoder(2, (4,), 1, width=6), Gaussian(REAL)
        )


# Found and documented


@REGISTERED
def test_each_registered_class_says_what_it_is(kind: str, name: str) -> None:
    cls = lookup(kind, name)
    doc = inspect.cleandoc(vars(cls).get("__doc__") or "")
    first = doc.split("\n\n")[0].replace("\n", " ")
    assert first.endswith("."), f"{cls.__name__} needs a docstring of its own whose first sentence ends"
    assert 10 < len(doc.splitlines()[0]) <= 118, "the first line is what `unveil list` prints"
    assert cls.registered == (kind, name)  # type: ignore[attr-defined]


@REGISTERED
def test_each_argument_of_a_registered_class_is_explained(kind: str, name: str) -> None:
    cls = lookup(kind, name)
    source = getattr(cls, "build", cls)
    text = (inspect.getdoc(source) or "") + (inspect.getdoc(cls) or "")
    keys = [p.name for p in inspect.signature(source).parameters.values() if p.kind == p.KEYWORD_ONLY]
    if kind in ("encoder", "decoder", "source"):  # reached through the model's keys
        return
    assert [key for key in keys if key not in text] == []


def test_each_kind_has_at_least_one() -> None:
    assert {kind for kind, _ in EVERYTHING} == set(HOMES)


def test_a_class_deep_in_a_folder_of_its_kind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own_home" / "family" / "parts"
    folder.mkdir(parents=True)
    for home in (folder, *folder.parents[:2]):
        (home / "__init__.py").write_text("")
    (folder / "deep.py").write_text(
        "from unveil.registry import register\n\n@register('source', 'deep')\nclass Deep:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(HOMES, "source", "own_home")
    monkeypatch.setitem(registry._found, "source", {})
    assert list(load_all("source")) == ["deep"]


def test_an_unknown_name_or_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"There is no prior named 'gausian'. Did you mean 'gaussian'\?"):
        lookup("prior", "gausian")
    with pytest.raises(RequestError, match=r"There is no kind 'priors'. Did you mean 'prior'\?"):
        lookup("priors", "gaussian")


# There and back


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.5, "text", (1, 2), {"a": (1, {"b": None})}, REAL, Domain("levels", (2, 3, 1), 17)]
)
def test_plain_values_and_domains_come_back(value: Any) -> None:
    again = rebuild(json.loads(json.dumps(describe(value))))
    assert again == value and type(again) is type(value)


def test_a_seed_gives_the_initial_weights() -> None:
    spec = describe(VAE.build(REAL, latent=2, width=6))
    first, again, other = (seeded(spec, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_arguments_left_out_are_described_by_their_defaults() -> None:
    """So that a changed default of a later version does not change an old run."""
    assert describe(Gaussian(REAL)) == {
        "kind": "likelihood",
        "name": "gaussian",
        "domain": {"domain": {"kind": "real", "shape": [4], "num_levels": None}},
        "sigma": "learned",
        "per_dim": None,
        "floor": 1e-3,
    }


# The user's own parts


def test_an_own_part_is_named_and_comes_back_by_slot_or_by_class() -> None:
    model = own_vae()
    spec = json.loads(json.dumps(describe(model)))
    assert spec["encoder"] == {"class": f"{__name__}.OwnEncoder"}
    batch = Batch(torch.randn(3, 4))
    for parts in ({"encoder": OwnEncoder}, {"OwnEncoder": OwnEncoder}, {"encoder": OwnEncoder()}):
        again = rebuild(spec, parts)
        again.load_state_dict(model.state_dict())
        with keyed("same"):
            expected = model.infer(batch, 2).log_w
        with keyed("same"):
            assert torch.equal(again.infer(batch, 2).log_w, expected)


def test_an_own_part_that_is_not_given_is_asked_for() -> None:
    with pytest.raises(RequestError) as refusal:
        rebuild(describe(own_vae()))
    message = str(refusal.value)
    assert f"encoder = {__name__}.OwnEncoder" in message and "loading a run imports nothing" in message
    assert "parts={'encoder': …}" in message and "--plugin" in message


# What a file may not do

HOSTILE = [
    {"class": "os.system"},
    {"class": "trap.Encoder"},
    {"kind": "model", "name": "os.system"},
    {"kind": "model", "name": "trap.Encoder"},
    {"kind": "model", "name": "trap"},
    {"kind": "trap", "name": "Encoder"},
    {"kind": "os", "name": "system", "command": "touch sprung"},
    {"kind": "prior"},
    {"kind": "prior", "name": "standard_normal"},
    {"kind": "prior", "name": "standard_normal", "num_latents": 2, "__class__": "x"},
    {"kind": ["model"], "name": "vae"},
    {"kind": "model", "name": {"a": 1}},
    {"kind": "model", "name": "vae", "encoder": {"class": "trap.Encoder"}},
]


@pytest.mark.parametrize("spec", HOSTILE, ids=str)
def test_an_altered_description_is_refused_in_a_sentence(spec: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=r"[.:…]"):
        rebuild(spec)


def test_no_description_imports_anything(tmp_path: Path) -> None:
    """A module of the named name lies on the path, and would leave a trace."""
    (tmp_path / "trap.py").write_text("open('sprung', 'w').close()\nclass Encoder: pass\n")
    script = (
        "import json, sys\nfrom unveil.errors import RequestError\n"
        "from unveil.registry import load_all, rebuild, HOMES\n"
        "[load_all(kind) for kind in HOMES]\nbefore = set(sys.modules)\nrefused = 0\n"
        "for spec in json.loads(sys.argv[1]):\n"
        "    try:\n        rebuild(spec)\n    except RequestError:\n        refused += 1\n"
        "print(refused, sorted(set(sys.modules) - before))\n"
        "import trap\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "src"), str(tmp_path)])}
    command = [sys.executable, "-c", script, json.dumps(HOSTILE)]
    (tmp_path / "first").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "first", env=env, check=True)
    assert done.stdout.split(" ", 1) == [str(len(HOSTILE)), "[]\n"]
    assert (tmp_path / "first" / "sprung").exists(), "the trap itself works, when it is imported on purpose"
