"""`unveil evaluate --precision`, as it is typed."""

from __future__ import annotations

import json

import pytest

from cli.commands import Call

WORDS = ("evaluate", "run", "--split", "train", "--limit", "130", "--num-samples", "20")


def test_bf16_states_its_paired_difference_which_is_that_of_two_evaluations(call: Call) -> None:
    reduced, full = (json.loads(call(*WORDS, "--precision", name, "--json").out) for name in ("bf16", "float32"))
    assert (reduced["precision"], full["precision"]) == ("bf16", "float32") and "precision_difference" not in full
    found = reduced["precision_difference"]
    assert (found["num_examples"], found["num_samples"]) == (130, 20)
    assert found["mean"] == pytest.approx(reduced["log_px"] - full["log_px"], abs=1e-9)
    assert found["max_abs"] >= abs(found["mean"]) > 0 and 0 < found["stderr"] < 0.1
    assert reduced["rate"] == full["rate"]


def test_float32_is_the_default(call: Call) -> None:
    plain, asked = (json.loads(call(*WORDS, *more, "--json").out) for more in ((), ("--precision", "float32")))
    assert plain["precision"] == "float32" and plain["log_px"] == asked["log_px"]


def test_what_is_printed_says_that_it_is_bf16_and_by_how_much(call: Call) -> None:
    done = call(*WORDS, "--precision", "bf16")
    assert done.code == 0 and "IWAE-20, decoder in bf16, on 130 examples" in done.out
    (line,) = (line for line in done.out.splitlines() if line.strip().startswith("bf16 \u2212 float32"))
    assert "nats on 130 examples, at most" in line and "not subtracted" in line
    assert "bf16" not in call(*WORDS).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--precision", "fp8"), "'fp8'; it takes float32 or bf16"),
        (("--precision", "bf16", "--estimator", "ais"), "'ais'; it goes with those that weigh plain draws"),
        (("--precision", "bf16", "--gap"), "--precision cannot be used with --gap"),
    ],
)
def test_what_bf16_does_not_go_with_is_refused(call: Call, words: tuple[str, ...], said: str) -> None:
    done = call("evaluate", "run", *words)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
