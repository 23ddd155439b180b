"""The parts of the measurement: which contenders meet, on what, for how many rounds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import unveil

from .conversation import Bench, environment
from .judge import has_precision
from .nets import flops_per_image

LR = 1e-3
LAPTOP = {name: value for name in ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS") for value in ("AVX2",)} | {
    "ATEN_CPU_CAPABILITY": "avx2"
}
BATCHES = (128, 512, 2048)
IMAGES = {"mlp": 55_000, "conv": 10_000}  # in an epoch
ROUNDS = {"mlp": 3, "conv": 2}
SIZES, LATENTS, SAMPLES = (10_000, 100_000, 1_000_000), (8, 32, 128, 512), (100, 1000, 10_000)
OURS, OURS_PLAIN, BARE, BARE_PLAIN = "unveil", "unveil, float32 eager", "bare loop", "bare loop, float32 eager"
PEERS = {"pythae, 0 workers": 0, "pythae, 4 workers": 4}


def write_images(path: Path) -> str:
    """MNIST for those that do not read it through the library; held-out and test images are its fixed draws."""
    data = unveil.load_data("mnist")
    train = data.train.x.reshape(-1, 784).numpy()
    static = np.random.default_rng(0).random(train.shape, dtype=np.float32) < train / 255
    np.savez(
        path,
        train=train,
        static=static.astype(np.uint8),
        mean=(train / 255).mean(0).astype(np.float32),
        valid=data.valid.x[:2000].reshape(-1, 784).numpy().astype(np.uint8),
        test=data.test.x[:1000].reshape(-1, 784).numpy().astype(np.uint8),
    )
    return str(path)


def training(bench: Bench) -> dict[str, Any]:
    """Every contender on every network and batch size."""
    cells = [("mlp", 512), ("conv", 512)] if bench.quick else [(n, b) for n in ("mlp", "conv") for b in BATCHES]
    return {"cells": [cell(bench, "training", network, batch) for network, batch in cells]}


def laptop(bench: Bench) -> dict[str, Any]:
    """Without AMX, AVX-512 and bf16 instructions: the MLP at batch 512."""
    names = (OURS, OURS_PLAIN, BARE, BARE_PLAIN, *PEERS)
    return {"environment": LAPTOP, "cells": [cell(bench, "laptop", "mlp", 512, names, LAPTOP)]}


def cuda(bench: Bench) -> dict[str, Any]:
    """The training table on the accelerator."""
    bench.device = "cuda"
    try:
        return training(bench)
    finally:
        bench.device = "cpu"


def cell(
    bench: Bench,
    label: str,
    network: str,
    batch: int,
    names: tuple[str, ...] | None = None,
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One network at one batch size: a round is an epoch of each contender, in turn."""
    count, rounds = (4096 if network == "mlp" else 1024, 1) if bench.quick else (IMAGES[network], ROUNDS[network])
    common = {"network": network, "batch": batch, "count": count, "lr": LR, "rounds": rounds, "latent": 32}
    common |= {"images": str(bench.folder / "images.npz"), "task": "train"}
    starts: dict[str, tuple[Any, ...]] = {
        OURS: ("ours", common | {"best": True}),
        BARE: ("bare", common | {"best": True}),
        OURS_PLAIN: ("ours", common | {"best": False}),
        BARE_PLAIN: ("bare", common | {"best": False}),
    }
    if bench.peer is not None:
        peers = PEERS.items() if not bench.quick else [next(iter(PEERS.items()))]
        starts |= {n: ("peer", common | {"workers": workers}) for n, workers in peers}
    if names is not None:
        starts = {name: start for name, start in starts.items() if name in names}
    starts["ceiling"] = ("ceiling", common)
    told(f"{label}: {network}, batch {batch}")
    found = bench.compete(f"{label}, {network}, batch {batch}", {n: (*s, env) for n, s in starts.items()}, rounds)
    return {
        "network": network, "batch": batch, "images": count, "epochs": rounds,
        "flops_per_image": flops_per_image(network), "ceiling": found.pop("ceiling"), "contenders": found,
    }  # fmt: skip


def likelihood(bench: Bench) -> dict[str, Any]:
    """IWAE-1000 on 1,000 test images, the library and `get_nll` on the same weights."""
    seconds, images, samples, rounds = (4, 64, 200, 1) if bench.quick else (60, 1000, 1000, 2)
    weights = str(bench.folder / "weights.npz")
    common = {"images": str(bench.folder / "images.npz"), "weights": weights, "network": "mlp", "latent": 32}
    train = common | {"task": "train", "batch": 512, "lr": LR, "count": IMAGES["mlp"], "best": True, "seconds": seconds}
    told("likelihood: training the model that all judge")
    trained = bench.compete("likelihood", {"training": ("judge", train)}, 1)["training"]
    if "failed" in trained:
        return {"failed": trained["failed"]}
    judged = common | {"task": "judge", "count": images, "samples": samples}
    starts: dict[str, tuple[Any, ...]] = {"unveil": ("judge", judged | {"precision": "float32"})}
    if has_precision():
        starts["unveil, bf16 networks"] = ("judge", judged | {"precision": "bf16"})
    else:
        bench.missing.append("Estimates with bf16 networks: this version of unveil has no such option.")
    if bench.peer is not None:
        for per_pass in (100,) if bench.quick else (100, 1000):
            starts[f"pythae, {per_pass} draws a pass"] = ("peer", judged | {"per_pass": per_pass})
    told("likelihood: judging")
    return {
        "images": images, "samples": samples, "trained_seconds": seconds, "loss": trained["loss"],
        "contenders": bench.compete("likelihood", starts, rounds),
    }  # fmt: skip


def digits(bench: Bench) -> dict[str, Any]:
    """From the prompt to a fitted model, its result and its report."""
    told("digits: unveil fit digits")
    out = bench.folder / "digits"
    words = ["fit", "digits", "--out", str(out), "--json", *(["--steps", "200"] if bench.quick else [])]
    bench.watch.look("digits")
    found = watched([sys.executable, "-m", "unveil", *words], bench.threads, out.with_suffix(".log"))
    if found["status"]:
        bench.missing.append(f"`unveil fit digits` ended with status {found['status']}.")
        return {"failed": f"status {found['status']}"}
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    told_of = {name: result[name] for name in ("log_px", "stderr", "estimator", "num_samples")}
    return {
        "command": "unveil " + " ".join(w for w in words if w not in ("--out", str(out))),
        **found,
        "result": told_of,
    }


def watched(command: list[str], threads: int, log: Path) -> dict[str, Any]:
    """Run a command: its exit status, wall seconds, largest resident memory and standard output."""
    start, peak = time.perf_counter(), 0
    with open(log, "w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(threads, {}), cwd=log.parent
        )
        own = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, resident(own))
            time.sleep(0.05)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read()
    return {
        "status": process.returncode,
        "seconds": time.perf_counter() - start,
        "peak_gib": peak / 2**30,
    }


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0


def growth(bench: Bench) -> dict[str, Any]:
    """Seconds against examples, latents and K, and memory against K."""
    common = {"network": "mlp", "batch": 512, "lr": LR, "latent": 32, "best": True, "task": "judge"}
    common |= {"images": str(bench.folder / "images.npz"), "count": 2048 if bench.quick else 10_000}
    rounds = 1 if bench.quick else 2
    return {
        "examples": _by_examples(bench, common, rounds),
        "latents": _by_latents(bench, common | {"best": False}, rounds),
        "samples": _by_samples(bench, common),
    }


def _by_examples(bench: Bench, common: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    sizes = (2_000, 20_000, 60_000) if bench.quick else SIZES
    told(f"growth: epochs of {', '.join(f'{s:,}' for s in sizes)} examples")
    found = bench.compete("growth", {"examples": ("grow", {**common, "sizes": sizes})}, rounds)["examples"]
    return {"at": sizes, "found": found}


def _by_latents(bench: Bench, common: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    sizes = LATENTS[:2] if bench.quick else LATENTS
    told("growth: numbers of latents")
    starts = {str(d): ("ours", {**common, "latent": d}) for d in sizes}
    return {"at": sizes, "found": bench.compete("growth, latents", starts, rounds)}


def _by_samples(bench: Bench, common: Mapping[str, Any]) -> dict[str, Any]:
    sizes = (50, 500) if bench.quick else SAMPLES
    told("growth: numbers of samples")
    judged = {**common, "weights": None, "precision": "float32", "count": 128}
    found = {}
    for k in sizes:  # each alone, so that its memory is its own
        found |= bench.compete("growth, samples", {str(k): ("judge", {**judged, "samples": k})}, 1)
    return {"at": sizes, "found": found, "images": 128}


def profile(bench: Bench) -> dict[str, Any]:
    """Where a step's time goes, MLP and convolutional, at the library's own choices."""
    found = {}
    for network, batch in (("mlp", 512),) if bench.quick else (("mlp", 2048), ("mlp", 128), ("conv", 512)):
        told(f"profile: {network}, batch {batch}")
        job = {"network": network, "batch": batch, "count": IMAGES[network], "lr": LR, "latent": 32, "best": True}
        job |= {"images": str(bench.folder / "images.npz"), "steps": 5 if bench.quick else 30}
        found |= bench.compete("profile", {f"{network}, batch {batch}": ("where", job)}, 1)
    return found


def told(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "training": training,
    "laptop": laptop,
    "cuda": cuda,
    "likelihood": likelihood,
    "digits": digits,
    "growth": growth,
    "profile": profile,
}
