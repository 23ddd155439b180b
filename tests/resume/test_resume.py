"""Kill a fit at any moment, resume it, and nothing differs from a fit that was left alone."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.commands import Command, Done, wait_until
from quick import WORDS
from resume.faulty import plain, struck
from unveil.train.checkpoint import load_checkpoint

STEPS, EVERY = 84, 12
FIT = [  # K is named, since one that is picked depends on the clock, and two fits may resolve it differently
    "fit", "digits", "--steps", str(STEPS), f"train.valid_every={EVERY}", "model.width=16", "model.latent=4", *WORDS
]  # fmt: skip


def begun(*words: str) -> Command:
    """A command that writes no report and compares with nothing."""
    return Command(words, None, plain)


def unveil(*words: str) -> Done:
    return begun(*words).finish()


def killed(run: Path, after: int, *words: str) -> int:
    """Kill a fit as soon as a checkpoint is no older than step `after`; the step of its last one."""
    child = begun(*words, "--out", str(run))
    wait_until(lambda: last_step(run) >= after or child.is_over)
    child.send_signal(signal.SIGKILL)
    assert child.finish().code == -signal.SIGKILL, "the run ended before the kill: this test proved nothing"
    return last_step(run)


def identical(a: Path, b: Path) -> None:
    """Weights to the last bit, metrics but for the clock."""
    assert (a / "weights.safetensors").read_bytes() == (b / "weights.safetensors").read_bytes()
    assert untimed(a) == untimed(b)
    for run in (a, b):
        assert json.loads((run / "result.json").read_text())["log_px"] == pytest.approx(
            json.loads((a / "result.json").read_text())["log_px"], abs=1e-9
        )


def untimed(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "time"} for row in rows]


def last_step(run: Path) -> int:
    found = [int(f.name) for f in (run / "state").iterdir() if f.name.isdigit()] if (run / "state").is_dir() else []
    return max(found, default=-1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was left alone."""
    run = tmp_path_factory.mktemp("whole") / "run"
    done = unveil(*FIT, "--out", str(run))
    assert done.code == 0, done.err
    return run


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_a_random_step_and_resumed_is_bit_identical(whole: Path, tmp_path: Path, seed: int) -> None:
    run = tmp_path / "run"
    reached = killed(run, random.Random(seed).randrange(EVERY, STEPS - 3 * EVERY), *FIT)
    assert 0 < reached < STEPS
    resumed = unveil("resume", str(run))
    assert resumed.code == 0, resumed.err
    continued = json.loads((run / "result.json").read_text())["continuations"]
    assert continued[-1]["from_step"] == reached > 0
    identical(whole, run)


@pytest.mark.parametrize(
    "options",
    [
        ["hvae", "--objective", "free_bits", "objective.floor_end=0", "model.latent=4"],
        ["vdm", "model.network=mlp"],
    ],
    ids=["hvae", "vdm"],
)
def test_a_ladder_killed_and_resumed_is_bit_identical(tmp_path: Path, options: list[str]) -> None:
    """Several groups, a floor that moves with progress, and the usual length of a gradient; learned noise."""
    fit = [
        "fit", "digits", "--model", *options, "--steps", "36", "train.valid_every=6", "model.width=16",
        *WORDS,
    ]  # fmt: skip
    whole, run = tmp_path / "whole", tmp_path / "run"
    done = unveil(*fit, "--out", str(whole))
    assert done.code == 0, done.err
    assert 0 < killed(run, 6, *fit) < 36
    resumed = unveil("resume", str(run))
    assert resumed.code == 0, resumed.err
    identical(whole, run)


@pytest.mark.parametrize(
    ("function", "number"), [("write", 5), ("write", 8), ("fsync", 24), ("fsync", 28), ("rename", 13), ("rename", 14)]
)
def test_killed_inside_a_checkpoint_and_resumed_is_bit_identical(
    whole: Path, tmp_path: Path, function: str, number: int
) -> None:
    run = tmp_path / "run"
    fault = Command((*FIT, "--out", str(run)), None, struck, function, number).finish()
    assert fault.code == -signal.SIGKILL, f"the fault did not strike: {fault.err}"
    assert (run / "config.json").exists() and not (run / "weights.safetensors").exists()

    kept = load_checkpoint(run / "state")  # also one that was whole and had not got its name
    before = 0 if kept is None else kept.step
    assert before >= last_step(run)
    resumed = unveil("resume", str(run))
    assert resumed.code == 0, resumed.err
    continued = json.loads((run / "result.json").read_text())["continuations"]
    assert [row["from_step"] for row in continued] == ([before] if before > 0 else [])
    identical(whole, run)
    assert not [f for f in (run / "state").iterdir() if f.name.startswith(".")], "half-written checkpoints are left"


def test_a_signal_saves_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = begun(*FIT, "--out", str(run))
    wait_until(lambda: last_step(run) >= EVERY or child.is_over)
    child.terminate()
    done = child.finish()
    assert done.code == 128 + signal.SIGTERM
    assert f"unveil resume {run}" in done.err
    assert unveil("resume", str(run)).code == 0
    identical(whole, run)


def test_a_second_process_is_kept_out(whole: Path) -> None:
    from unveil.runs.locking import only_one

    with only_one(whole):
        refused = unveil("resume", str(whole), "--steps", "10")
    assert refused.code == 2
    assert "Another process" in refused.err


def test_a_finished_run_opens_a_declared_new_phase(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "report.html").touch()
    refused = unveil("resume", str(run))
    assert refused.code == 2 and "--epochs" in refused.err
    before = json.loads((run / "result.json").read_text())
    done = unveil("resume", str(run), "--steps", "24")
    assert done.code == 0, done.err
    config, result = (json.loads((run / f"{name}.json").read_text()) for name in ("config", "result"))
    assert [phase["steps"] for phase in config["phases"]] == [STEPS, 24]
    assert result["phase"] == 1 and result["log_px"] != before["log_px"]
    assert {row["phase"] for row in untimed(run)} == {0, 1}
