"""Names and values from a user: taken as meant, or refused with what came and the nearest that would do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalldomains import of_kind
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.likelihoods import Gaussian
from unveil.model import Model
from unveil.models.vae import VAE
from unveil.priors import LearnedGaussian
from unveil.registry import HOMES, describe, load_all, lookup, rebuild
from unveil.settings.choices import choose
from unveil.settings.keys import Key, all_keys, parse
from unveil.settings.options import TrainOptions

REAL = Domain("real", (4,))


def taken_by(model: str) -> Domain:
    """Real x, or what a family takes that takes none."""
    own = lookup("model", model).domains
    return REAL if not own or "real" in own else of_kind(own[0], 4)


KEYS = sorted({key.name for key in all_keys()})
KINDS = ("model", "objective", "prior", "posterior", "likelihood")


# Taken as meant


def test_nothing_asked_is_the_default() -> None:
    chosen = choose({})
    assert chosen.names == {"model": "vae", "objective": "elbo"} and chosen.values == {}
    assert chosen.train == TrainOptions()
    assert isinstance(chosen.model(REAL), VAE)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("model.latent", "16", 16),
        ("model.latent", 16, 16),
        ("model.latent", " +16 ", 16),
        ("model.dropout", "0.25", 0.25),
        ("model.dropout", "0", 0.0),
        ("model.network", "mlp", "mlp"),
        ("train.lr", "1e-3", 1e-3),
        ("train.lr", "auto", "auto"),
        ("train.batch_size", "auto", "auto"),
        ("train.batch_size", "64", 64),
        ("train.compile", "true", True),
        ("train.compile", "no", False),
        ("train.compile", False, False),
        ("train.compile", "auto", "auto"),
        ("train.minutes", "1.5", 1.5),
        ("train.minutes", "none", None),
        ("train.steps", None, None),
        ("train.device", "cpu", "cpu"),
        ("data.binarization", "static", "static"),
        ("objective.warmup", "0", 0.0),
    ],
)
def test_a_value_is_of_the_type_of_its_key(key: str, text: Any, value: Any) -> None:
    kind, argument = key.split(".")
    found = choose({key: text}).values[kind][argument]
    assert found == value and type(found) is type(value)


def test_parts_are_chosen_by_name_and_get_their_keys() -> None:
    asked = {"prior": "gaussian", "likelihood": "gaussian", "likelihood.sigma": "0.5", "model.latent": "3"}
    model = choose(asked | {"model.width": "8"}).model(REAL)
    assert isinstance(model, VAE) and isinstance(model.prior, LearnedGaussian) and model.prior.num_latents == 3
    assert isinstance(model.likelihood, Gaussian) and model.likelihood.sigma == 0.5
    named = choose({"likelihood": "gaussian", "likelihood.sigma": "solved"}).model(REAL)
    assert named.solves == "some"


def test_each_objective_is_built_with_its_keys() -> None:
    goal = choose({"objective": "beta_elbo", "objective.beta": "0.5", "objective.num_samples": "3"}).objective()
    assert vars(goal) | {"spec": 0} == {"beta": 0.5, "num_samples": 3, "warmup": "auto", "cycles": 1, "spec": 0}
    assert {name: type(choose({"objective": name}).objective()) for name in load_all("objective")} == load_all(
        "objective"
    )


def test_every_listed_key_is_one_that_can_be_set_to_its_default() -> None:
    for key in all_keys():
        kind = key.name.split(".")[0]
        owner = re.match(r"\((\w+)\)", key.meaning)
        if kind == "sample":  # of the verb, for a run that is there
            assert parse(key, str(key.default)) == key.default
            continue
        names = {kind: owner[1]} if owner else {}
        chosen = choose(names | {key.name: key.default})
        assert chosen.values[kind] == {key.name.split(".")[1]: key.default}


def test_every_listed_key_has_a_type_a_default_and_a_meaning() -> None:
    for key in all_keys():
        assert len(re.sub(r"^\(\w+\)", "", key.meaning).strip()) > 5, f"{key.name} has no meaning in its docstring"
        assert key.type_name and json.dumps(key.default, allow_nan=False)
    types = {key.name: key.type_name for key in all_keys()}
    assert types["train.lr"] == "number | auto" and types["model.latent"] == "whole number"
    assert types["train.compile"] == "true|false | auto" and types["train.steps"] == "whole number | none"


# Refused


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "vea"}, "There is no model named 'vea'. Did you mean 'vae'?"),
        ({"model": "unveil.models.vae.VAE"}, "There is no model named"),
        ({"objective": "iwea"}, "Did you mean 'iwae'?"),
        ({"prior": "gausian"}, "Did you mean 'gaussian'?"),
        ({"likelihood": "zzz"}, "Allowed: bernoulli, categorical"),
        ({"model.latents": "3"}, "There is no key 'model.latents' for the model 'vae'. Did you mean 'model.latent'?"),
        ({"trian.lr": "3"}, "Did you mean 'train.lr'?"),
        ({"objective.beta": "3"}, "There is no key 'objective.beta'"),
        ({"latent": 3}, "Did you mean 'model.latent'?"),
        ({"model.latent": "many"}, "model.latent came as 'many'; it takes whole number (default 32)"),
        ({"model.latent": "1.5"}, "model.latent came as '1.5'"),
        ({"model.latent": True}, "model.latent came as True"),
        ({"model.latent": ""}, "model.latent came as ''"),
        ({"model.latent": None}, "model.latent came as None"),
        ({"model.network": "cnn"}, "model.network came as 'cnn'; it takes auto | mlp | patch | conv | plain"),
        ({"train.lr": "fast"}, "train.lr came as 'fast'; it takes number | auto"),
        ({"train.lr": "nan"}, "train.lr came as 'nan'"),
        ({"train.lr": float("inf")}, "train.lr came as inf"),
        ({"train.compile": "maybe"}, "train.compile came as 'maybe'; it takes true|false | auto"),
        ({"train.optimizer": "sgd"}, "train.optimizer came as 'sgd'; it takes adamw | adam | adamax"),
        ({"likelihood": "gaussian", "likelihood.sigma": "free"}, "likelihood.sigma came as 'free'"),
        ({"likelihood.sigma": "0.5"}, "likelihood.sigma came without a likelihood; add likelihood="),
        ({"likelihood": "bernoulli", "likelihood.sigma": "1"}, "There is no key 'likelihood.sigma'"),
        ({"train.steps": 5, "train.minutes": 2}, "The budget came as steps and minutes; give one of them"),
        ({"train.steps": 0}, "train.steps is 0; it takes a positive number"),
        ({"train.minutes": "-1"}, "train.minutes is -1.0"),
        ({"model": "mixture", "prior": "gaussian"}, "The model 'mixture' has no prior to choose"),
        ({"model": "mixture", "model.latent": 3}, "There is no key 'model.latent' for the model 'mixture'"),
    ],
)
def test_a_wrong_request_says_what_came_and_what_would_do(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as refusal:
        choose(asked)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model.latent": "0"}, "model.latent is 0"),
        ({"model.width": "-5"}, "model.width is -5"),
        ({"model.depth": "-1"}, "model.depth is -1"),
        ({"model.dropout": "1"}, "model.dropout is 1.0"),
        ({"model.network": "conv"}, "'conv' needs images and x has the shape (4,)"),
        ({"model.network": "plain", "model.dropout": "0.1"}, "model.dropout=0.1 came for model.network='plain'"),
        ({"model.activation": "relu"}, "model.activation=relu came for model.network='mlp'; only 'plain' has it"),
        ({"likelihood": "bernoulli"}, "it fits gaussian"),
        ({"likelihood": "gaussian", "likelihood.floor": "-1"}, "likelihood.floor is -1.0"),
        ({"model": "mixture", "model.num_components": "0"}, "model.num_components is 0"),
        ({"model": "mixture", "model.smoothing": "0"}, "model.smoothing is 0.0"),
        ({"model": "linear_gaussian", "model.latent": "-1"}, "model.latent is -1"),
    ],
)
def test_a_size_that_makes_no_model_is_refused_when_it_is_built(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as refusal:
        choose(asked).model(REAL)
    assert said in str(refusal.value)


# Whatever else comes

values = st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from(
    ["auto", "none", "1e999", "-0", "0x10", "1_0", "٣", "²", "True", "nan", "[]", "__import__('os')", "../x"]
))  # fmt: skip
names = st.one_of(st.sampled_from(KEYS), st.sampled_from(KINDS), st.text(max_size=20), st.builds(
    lambda kind, rest: f"{kind}.{rest}", st.sampled_from([*HOMES, "train", "data"]), st.text(max_size=8)
))  # fmt: skip


@given(st.dictionaries(names, values, max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_asked_is_met_or_refused_in_a_sentence(asked: dict[str, Any]) -> None:
    try:
        chosen = choose(asked)
    except RequestError as error:
        assert str(error).rstrip().endswith((".", "?")) and len(str(error)) < 2000
    else:
        assert set(chosen.names) <= set(KINDS)
        _ = chosen.train, chosen.data  # of known fields alone


small = st.integers(-2, 9) | st.floats(-2, 2, allow_nan=False)


@given(st.sampled_from(list(load_all("model"))), st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_sizes_are_asked_a_model_is_built_or_refused(model: str, data: st.DataObject) -> None:
    keys = [key.name for key in all_keys() if key.meaning.startswith(f"({model})")]
    asked = data.draw(st.dictionaries(st.sampled_from(keys), small, max_size=3))
    try:
        built = choose({"model": model} | asked).model(taken_by(model))
    except RequestError as error:
        assert any(key.split(".")[1] in str(error) for key in asked)
    else:
        assert isinstance(built, Model)


@given(st.sampled_from(all_keys()), values)
def test_a_parsed_value_is_of_a_type_that_json_keeps(key: Key, value: Any) -> None:
    try:
        found = parse(key, value)
    except RequestError as error:
        assert str(error).startswith(f"{key.name} came as ")
    else:
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_was_chosen_can_be_kept_and_built_again() -> None:
    for model in load_all("model"):
        built = choose({"model": model}).model(taken_by(model))
        kept = json.loads(json.dumps(describe(built), allow_nan=False))
        assert describe(rebuild(kept)) == kept
