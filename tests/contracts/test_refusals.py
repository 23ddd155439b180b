"""What does not fit is refused before the first step, in a sentence with a remedy, whether zuko was imported or not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

from contracts.refusals import DOMAINS, refusals
from contracts.variants import split_of
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Likelihood, fitting
from unveil.model import REMEDIES, Model
from unveil.objectives import Elbo
from unveil.registry import load_all
from unveil.settings.choices import choose
from unveil.train.loop import fit
from unveil.train.stage import Stage

SOURCES = Path(__file__).parents[2] / "src"


@cache
def said() -> dict[str, str]:
    return refusals()


def gives_of(model: str, domain: Domain) -> frozenset[str] | None:
    try:
        return choose({"model": model}).model(domain).gives
    except RequestError:
        return None


def unmet(kind: str) -> dict[str, tuple[frozenset[str], str]]:
    """What is tried → (what the model gives, the need it does not meet), over models and domains."""
    found = {}
    for model in load_all("model"):
        for domain in DOMAINS:
            gives = gives_of(model, domain)
            for name, cls in load_all(kind).items():
                for facts, given in (("own", gives), ("no", frozenset[str]())):
                    missing = [n for n in cls.needs if not (given or frozenset()) & set(n.split("|"))]  # type: ignore[attr-defined]
                    if gives is not None and missing:
                        found[f"{model} {domain}, {facts} facts, {kind} {name}"] = (gives, missing[0])
    return found


@pytest.mark.parametrize("kind", ["objective", "estimator"])
def test_what_a_model_does_not_give_is_refused_with_the_need_and_a_remedy(kind: str) -> None:
    """Also where a need hangs on the model: weights of q apart from those of p, of several groups."""
    expected, refused = unmet(kind), {k for k in said() if f"facts, {kind} " in k}
    assert expected and expected.keys() <= refused
    for what in refused:
        message = said()[what]
        name = what.split()[-1]
        assert f"The {kind} {name!r} does not work with this " in message, what
        remedies = REMEDIES | dict(load_all("model")[what.split()[0]].remedies)  # type: ignore[attr-defined]
        assert what not in expected or any(remedies[n.split("|")[0]] in message for n in needs_of(kind, name)), what
        assert re.search(r" this \w+: .*; use \S+", message), message


def needs_of(kind: str, name: str) -> frozenset[str]:
    return load_all(kind)[name].needs  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["objective", "estimator"])
def test_the_remedy_is_one_that_the_model_can_follow(kind: str) -> None:
    followed = 0
    for what, (gives, _) in unmet(kind).items():
        for name in re.findall(r"'(\w+)'", said()[what].split(" does not work with ")[1]):
            homes = [k for k in ("objective", "estimator") if name in load_all(k)]
            assert homes, f"{said()[what]!r} names something that is not there"
            if "own facts" in what:
                assert any(gives & set(n.split("|")) for h in homes for n in needs_of(h, name))
                followed += 1
    assert followed or not any("own facts" in what for what in unmet(kind))


def test_each_need_that_can_be_unmet_has_its_remedy() -> None:
    needs = {n for kind in ("objective", "estimator") for cls in load_all(kind).values() for n in cls.needs}  # type: ignore[attr-defined]
    assert needs and {need.split("|")[0] for need in needs} <= REMEDIES.keys()


def test_nothing_is_trained_where_the_objective_is_refused() -> None:
    domain = Domain("real", (3,))
    model: Model = choose({"model.latent": "2"}).model(domain)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    needy = type("Needy", (Elbo,), {"needs": frozenset({"exact"}), "registered": ("objective", "needy")})
    with pytest.raises(
        RequestError, match=r"'needy' does not work with this VAE: .* no closed form; use the estimator 'iwae'"
    ):
        next(fit(model, split_of(domain, 20), Stage(needy(), steps=1)))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("name", load_all("likelihood"))
def test_a_likelihood_refuses_other_domains_and_names_those_that_fit(name: str) -> None:
    cls: type[Likelihood] = load_all("likelihood")[name]
    refused = [domain for domain in DOMAINS if domain.kind not in cls.domains]
    assert refused and len(refused) < len(DOMAINS)
    for domain in refused:
        message = said()[f"likelihood {name} {domain}"]
        assert repr(name) in message and f"the data is {domain}" in message
        named = message.split("it fits ")[1].split(". ")[0].rstrip(".").split(", ")
        assert named == fitting(domain) != []
    assert {k for k in said() if k.startswith(f"likelihood {name} ")} == {f"likelihood {name} {d}" for d in refused}


def test_a_model_takes_some_domain_and_tells_the_others_why_not() -> None:
    for name in load_all("model"):
        refused = [d for d in DOMAINS if f"model {name} {d}" in said()]
        assert len(refused) < len(DOMAINS), f"{name} takes no domain"
        assert all(str(d) in said()[f"model {name} {d}"] for d in refused)


def test_a_part_that_a_model_does_not_have_is_refused() -> None:
    assert said()["part mixture prior gaussian"] == "The model 'mixture' has no prior to choose; leave prior= out."
    assert not [what for what in said() if what.startswith("part vae ")]


def test_importing_zuko_changes_no_refusal_and_the_library_does_not_import_it() -> None:
    """zuko switches torch's own checks off for everybody; ours do not lean on them."""
    without, with_zuko = _in_a_process(), _in_a_process("zuko")
    assert not without["zuko"] and with_zuko["zuko"]
    assert without["refusals"] == with_zuko["refusals"] == said()


def _in_a_process(*modules: str) -> dict[str, object]:
    script = Path(__file__).with_name("refusals.py")
    command = [sys.executable, "-W", "error", str(script), *modules]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCES), str(SOURCES.parent / "tests")])}
