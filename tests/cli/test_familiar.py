"""Words that other tools use are taken as ours and said, or answered with advice; nothing far off is suggested."""

from __future__ import annotations

import json

import pytest

from cli.commands import Call
from unveil.cli.familiar import ADVICE, FLAGS, KEYS, VERBS, familiar
from unveil.errors import close
from unveil.settings.keys import keys_for


def test_flags_of_other_tools_are_keys(call: Call) -> None:
    words = ("--lr=0.01", "--batch_size", "32", "--cpu", "--weight-decay", "0.1")
    done = call("train", "digits", "--steps", "3", "--dry-run", *words)
    assert done.code == 0, done.err
    phase = json.loads(done.out)["phases"][0]
    assert (phase["lr"], phase["batch_size"], phase["weight_decay"]) == (0.01, 32, 0.1)
    said = done.err.splitlines()
    assert "unveil train is taken as unveil fit." in said and "--lr is taken as train.lr=0.01." in said


def test_every_key_and_verb_exists(call: Call) -> None:
    allowed = keys_for({"model": "vae", "objective": "elbo"}, {})
    assert {*KEYS.values(), *(flag.partition("=")[0] for flag in FLAGS.values())} <= allowed.keys()
    for verb in VERBS.values():
        assert call(verb, "--help").code == 0


@pytest.mark.parametrize("word", ADVICE)
def test_what_means_no_one_thing_gets_advice(call: Call, word: str) -> None:
    done = call("fit", "digits", word, "2") if word.startswith("--") else call(word, "run")
    assert done.code == 2 and ADVICE[word] in done.err


def test_only_a_fit_has_keys_and_only_the_first_word_is_a_verb() -> None:
    assert familiar(["score", "run", "--lr", "1"]) == (["score", "run", "--lr", "1"], [])
    assert familiar(["fit", "train"]) == (["fit", "train"], [])
    assert familiar(["fit", "x.npy", "--lr"]) == (["fit", "x.npy", "--lr"], [])
    assert familiar([]) == ([], [])


@pytest.mark.parametrize("word", ["--workers", "--zzz", "--gpus-per-node"])
def test_nothing_far_off_is_suggested(call: Call, word: str) -> None:
    done = call("fit", "digits", word, "2")
    assert done.code == 2 and "Did you mean" not in done.err


@pytest.mark.parametrize(
    ("word", "allowed", "near"),
    [
        ("--device", ["--size", "--seed"], ""),
        ("--lr", ["--model"], ""),
        ("generate", ["interpolate"], ""),
        ("--gpu", ["--plugin"], ""),
        ("--epoch", ["--epochs", "--steps"], "Did you mean '--epochs'?"),
        ("latents", ["model.latent"], "Did you mean 'model.latent'?"),
        ("vea", ["vae", "vdm"], "Did you mean 'vae'?"),
    ],
)
def test_a_name_is_near_or_it_is_not_named(word: str, allowed: list[str], near: str) -> None:
    assert close(word, allowed) == near
