"""Kill a fit at any moment, resume it, and nothing differs from a fit that was left alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STEPS, EVERY = 240, 24
FIT = [  # K is named, since one that is picked depends on the clock, and two fits may resolve it differently
    "fit", "digits", "--steps", str(STEPS), f"train.valid_every={EVERY}", "model.width=64", "model.latent=8",
    "evaluation.num_samples=50",
]  # fmt: skip


def environment() -> dict[str, str]:
    source = str(HERE.parents[1] / "src")
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": source}


def unveil(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unveil", *arguments], env=environment(), capture_output=True, text=True, timeout=300
    )


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
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_a_random_step_and_resumed_is_bit_identical(whole: Path, tmp_path: Path, seed: int) -> None:
    run = tmp_path / "run"
    after = random.Random(seed).randrange(EVERY, STEPS - 3 * EVERY)
    child = subprocess.Popen(
        [sys.executable, "-m", "unveil", *FIT, "--out", str(run)],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while last_step(run) < after and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the run ended before the kill: this test proved nothing"
    reached = last_step(run)
    assert 0 < reached < STEPS

    resumed = unveil("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
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
        "fit", "digits", "--model", *options, "--steps", "60", "train.valid_every=12", "model.width=16",
        "evaluation.num_samples=10",
    ]  # fmt: skip
    whole, run = tmp_path / "whole", tmp_path / "run"
    done = unveil(*fit, "--out", str(whole))
    assert done.returncode == 0, done.stderr
    child = subprocess.Popen(
        [sys.executable, "-m", "unveil", *fit, "--out", str(run)],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while last_step(run) < 12 and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL and 0 < last_step(run) < 60
    resumed = unveil("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    identical(whole, run)


@pytest.mark.parametrize(
    ("function", "number"), [("write", 5), ("write", 8), ("fsync", 24), ("fsync", 28), ("rename", 13), ("rename", 14)]
)
def test_killed_inside_a_checkpoint_and_resumed_is_bit_identical(
    whole: Path, tmp_path: Path, function: str, number: int
) -> None:
    run = tmp_path / "run"
    struck = subprocess.run(
        [sys.executable, str(HERE / "faulty.py"), function, str(number), *FIT, "--out", str(run)],
        env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert struck.returncode == -signal.SIGKILL, f"the fault did not strike: {struck.stderr}"
    assert (run / "config.json").exists() and not (run / "weights.safetensors").exists()

    before = last_step(run)
    resumed = unveil("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    continued = json.loads((run / "result.json").read_text())["continuations"]
    assert [row["from_step"] for row in continued] == ([before] if before > 0 else [])
    identical(whole, run)
    assert not [f for f in (run / "state").iterdir() if f.name.startswith(".")], "half-written checkpoints are left"


def test_a_signal_saves_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-m", "unveil", *FIT, "--out", str(run)],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while last_step(run) < EVERY and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGTERM)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    assert f"unveil resume {run}" in told
    assert unveil("resume", str(run)).returncode == 0
    identical(whole, run)


def test_a_damaged_checkpoint_is_passed_over_for_an_older_one_or_refused(tmp_path: Path) -> None:
    import torch

    from unveil.errors import RequestError
    from unveil.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    root = tmp_path / "state"
    save_checkpoint(root, Checkpoint(1, {"w": torch.zeros(3)}, {}))
    shutil.copytree(root / "00000001", root / "00000002")
    damaged = root / "00000002" / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    found = load_checkpoint(root)
    assert found is not None and found.step == 1
    shutil.rmtree(root / "00000001")
    with pytest.raises(RequestError, match="damaged"):
        load_checkpoint(root)


def test_a_second_process_is_kept_out(whole: Path) -> None:
    from unveil.train.checkpoint import only_one

    with only_one(whole):
        refused = unveil("resume", str(whole), "--steps", "10")
    assert refused.returncode == 2
    assert "Another process" in refused.stderr


def test_a_finished_run_opens_a_declared_new_phase(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    refused = unveil("resume", str(run))
    assert refused.returncode == 2 and "--epochs" in refused.stderr
    before = json.loads((run / "result.json").read_text())
    done = unveil("resume", str(run), "--steps", "48")
    assert done.returncode == 0, done.stderr
    config, result = (json.loads((run / f"{name}.json").read_text()) for name in ("config", "result"))
    assert [phase["steps"] for phase in config["phases"]] == [STEPS, 48]
    assert result["phase"] == 1 and result["log_px"] != before["log_px"]
    assert {row["phase"] for row in untimed(run)} == {0, 1}
