"""`fit`, `resume` and `demo`: what they print, where they write, and how they are stopped."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import unveil.api
from cli.commands import Call, Done, finish, finish_after, start
from quick import PLAIN_WORDS
from unveil.api import Run

SMALL = ("columns.npy", "model.width=8", "model.latent=2")


def test_fit_leaves_a_run_and_says_how_it_went(folder: Path, fitted: Done) -> None:
    assert fitted.code == 0, fitted.err
    assert fitted.out == f"{Path('run', 'report.html')}\n"
    lines = fitted.err.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["Data", "Note", "Note", "Model", "Budget"]
    assert re.match(r"step \d+ of 60: validation bound -", lines[5])
    assert lines[-3].strip() == f"unveil report {Path('run')} --open"
    assert not any(ord(c) < 32 for line in lines for c in line), "a control character where there is no terminal"
    assert Run.load(folder / "run").is_finished and (folder / "run" / "report.html").is_file()


def test_a_dry_run_prints_the_resolved_config_and_writes_nothing(call: Call, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = call("fit", "x.npz", "--steps", "9", "--out", "never", "--dry-run")
    config = json.loads(done.out)
    assert done.code == 0 and len(done.err.splitlines()) == 5
    assert next(iter(config)) == "format" and config["format"] == "unveil-run-1"
    assert config["phases"][0]["steps"] == 9 and isinstance(config["phases"][0]["batch_size"], int)
    assert sorted(folder.rglob("*")) == before


def resolved(call: Call, *words: str) -> Mapping[str, Any]:
    done = call("fit", "x.npz", "--dry-run", "train.precision=float32", *words)  # auto would ask a clock
    assert done.code == 0, done.err
    config = json.loads(done.out)
    return {key: config[key] for key in ("model", "objective", "seed", "phases")}


def test_a_flag_is_another_name_of_its_key(call: Call) -> None:
    flags = resolved(call, "--model", "vae", "--objective", "iwae", "--latent", "5", "--steps", "7", "--seed", "3")
    keys = resolved(call, "model=vae", "objective=iwae", "model.latent=5", "train.steps=7", "seed=3")
    assert flags == keys
    assert flags["model"]["prior"]["num_latents"] == 5 and flags["objective"]["name"] == "iwae"
    assert (flags["seed"], flags["phases"][0]["steps"]) == (3, 7)


@pytest.mark.parametrize(
    "words", [("--latent", "5", "model.latent=6"), ("--seed", "1", "seed=2"), ("latent=5", "model.latent=6")], ids=str
)
def test_a_key_with_two_values_is_refused(call: Call, words: tuple[str, ...]) -> None:
    done = call("fit", "x.npz", "--dry-run", "--steps", "7", *words)
    assert done.code == 2 and "give one of them" in done.err
    assert call("fit", "x.npz", "--dry-run", "--steps", "7", "--latent", "5", "model.latent=5").code == 0
    assert call("fit", "x.npz", "--dry-run", "--minutes", "0.1", "train.minutes=0.1").code == 0


def test_resume_with_a_budget_trains_a_finished_run_further(call: Call, folder: Path) -> None:
    assert call("fit", *SMALL, "--steps", "6", "--out", "further").code == 0
    done = call("resume", "further")
    assert done.code == 2 and "resume further --epochs 6" in done.err
    done = call("resume", "further", "--steps", "4", "--json")
    result = json.loads(done.out)
    assert done.code == 0 and result["phase"] == 1 and result["run"] == "further"
    assert next(iter(result)) == "format"
    assert [phase["steps"] for phase in Run.load(folder / "further").config["phases"]] == [6, 4]


def test_the_demo_fits_the_digits(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = unveil.api.prepare

    def short(source: Any, **options: Any) -> Any:
        assert source == "digits" and not options
        return prepare(str(folder / "columns.npy"), out="runs/digits-vae-1", steps=3)

    monkeypatch.setattr(unveil.api, "prepare", short)
    done = call("demo")
    assert done.code == 0 and done.out == f"{Path('runs', 'digits-vae-1', 'report.html')}\n"
    assert "nats per example" in done.err


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that a process could meet")
def test_a_signal_stops_a_fit_that_resume_then_finishes(folder: Path) -> None:
    process = start(
        "fit",
        *SMALL,
        "--steps",
        "600",
        "train.valid_every=100",
        *PLAIN_WORDS,
        "evaluation.num_samples=10",
        "--out",
        "stopped",
        cwd=folder,
    )
    done = finish_after(process, "step 100 of 600", process.terminate)
    assert done.code == 128 + signal.SIGTERM
    assert done.err.splitlines()[-2:] == [
        "Error: Stopped by SIGTERM; the checkpoint is saved.", "Go on with: unveil resume stopped",
    ]  # fmt: skip
    process = start("resume", "stopped", "--json", cwd=folder)
    done = finish_after(process, "baselines", lambda: process.send_signal(signal.SIGINT))
    assert done.code == 128 + signal.SIGINT
    assert json.loads(done.out)["error"]["exit"] == 130
    done = finish(start("resume", "stopped", cwd=folder))
    assert done.code == 0 and "step" not in done.err.split("validation examples")[0], "it trained again"
    run = Run.load(folder / "stopped")
    assert run.is_finished and run.result["continuations"][0]["from_step"] >= 100
