"""The number that matters most, worked out again by other means; and what it must not depend on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

from unveil.api import Run
from unveil.data import load
from unveil.estimators.base import Estimate, evaluate
from unveil.estimators.bounds import IwaeBound
from unveil.fitting.events import Working
from unveil.fitting.prepare import prepare
from unveil.ops import keyed
from unveil.report import write_report

K, BLOCK = 50, 128


def train(source: Any, out: Path, steps: int) -> Run:
    """A fit up to where its weights are written; judging is not needed here."""
    options = {"steps": steps, "latent": 5, "model__width": 32, "train__valid_every": 10, "train__ema_half_life": 500.0}
    for event in prepare(source, out=out, **options).events(write_report):
        if isinstance(event, Working):
            break
    return Run.load(out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("digits", tmp_path_factory.mktemp("runs") / "digits", 60)


@pytest.fixture(scope="module")
def judged(run: Run) -> Estimate:
    return evaluate(run.model, run.data.test, IwaeBound(num_samples=K), seed=3)[0]


def iwae(w: dict[str, np.ndarray], x: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """log 1/K Σ_k p(x, z_k)/q(z_k|x) [B] from the weights w, x [B, 8, 8] and standard normal eps [K, B, D]."""

    def silu(a: np.ndarray) -> np.ndarray:
        return a / (1 + np.exp(-a))

    def perceptron(name: str, h: np.ndarray) -> np.ndarray:
        h = h @ w[f"{name}.0.weight"].T + w[f"{name}.0.bias"]
        for block in (1,):
            a = silu(h) @ w[f"{name}.{block}.first.weight"].T + w[f"{name}.{block}.first.bias"]
            h = h + silu(a) @ w[f"{name}.{block}.second.weight"].T + w[f"{name}.{block}.second.bias"]
        return silu(h)

    features = perceptron("encoder.layers", ((x - w["centre"]) / w["spread"]).reshape(len(x), 64))
    head = features @ w["posterior_head.linear.weight"].T + w["posterior_head.linear.bias"]
    mean, log_scale = np.split(head, 2, -1)
    log_scale = 8 * np.tanh(log_scale / 8)
    z = mean + np.exp(log_scale) * eps
    h = perceptron("decoder.layers", z) @ w["decoder.out.weight"].T + w["likelihood.offset"]
    logits = h.reshape(*z.shape[:2], 17, 64)
    log_p = logits - np.logaddexp.reduce(logits, 2, keepdims=True)
    log_px_z = np.take_along_axis(log_p, x.reshape(1, len(x), 1, 64).astype(int), 2).sum((2, 3))
    log_w = log_px_z + (0.5 * (eps**2 - z**2) + log_scale).sum(-1)  # the constants of p(z) and q(z|x) cancel
    return np.logaddexp.reduce(log_w, 0) - np.log(len(eps))


def noise(seed: int, first: int, latents: int) -> np.ndarray:
    """The standard normal draws of one block of rows: of 32 samples at a time."""
    with keyed("evaluate", seed, first):
        draws = [torch.randn(count, BLOCK, latents) for count in (32, K - 32)]
    return torch.cat(draws).double().numpy()


def blocks(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of 128 rows, the last filled up with its last row."""
    for first in range(0, len(x), BLOCK):
        rows = np.arange(first, first + BLOCK).clip(max=len(x) - 1)
        yield first, x[rows]


def test_the_importance_weighted_bound_again_in_numpy(run: Run, judged: Estimate) -> None:
    weights = {k: v.astype(np.float64) for k, v in load_file(run.path / "weights.safetensors").items()}
    x = load_digits().images[load("digits").test.rows.numpy()]
    latents = weights["decoder.layers.0.weight"].shape[1]
    again = np.concatenate([iwae(weights, rows, noise(3, first, latents)) for first, rows in blocks(x)])[: len(x)]
    assert len(x) == len(judged.log_px) > BLOCK and latents == 5
    np.testing.assert_allclose(judged.log_px, again, rtol=0, atol=1e-3)


def test_the_reported_numbers_are_means_over_examples_with_both_errors(run: Run, judged: Estimate) -> None:
    said = run.evaluate(estimator="iwae", num_samples=K, seed=3)
    log_px, N = judged.log_px.numpy(), len(judged.log_px)
    assert said["num_examples"] == N and said["num_samples"] == K and said["direction"] == "lower"
    assert said["log_px"] == pytest.approx(log_px.mean(), abs=1e-6)
    assert said["log_px_sum"] == pytest.approx(log_px.sum(), abs=1e-3)
    assert said["stderr"] == pytest.approx(log_px.std(ddof=1) / N**0.5, rel=1e-6)
    assert said["stderr_mc"] == pytest.approx(np.sqrt((judged.stderr_mc.numpy() ** 2).sum()) / N, rel=1e-6)
    assert said["elbo"] == pytest.approx(-said["rate"] - said["distortion"], abs=1e-6)
    assert said["bits_per_dim"] == pytest.approx(-said["log_px"] / (64 * np.log(2)), rel=1e-9)
    assert said["elbo"] < said["log_px"] < 0


def test_the_test_split_teaches_nothing(tmp_path: Path) -> None:
    """With noise for a test split, the weights and every logged number (but the clock) are the same."""
    x = load_digits().images.astype(np.uint8)
    noisy = x.copy()
    rows = load(x).test.rows.numpy()
    noisy[rows] = np.random.default_rng(0).integers(0, 17, noisy[rows].shape)
    first, second = train(x, tmp_path / "first", 30), train(noisy, tmp_path / "second", 30)
    assert first.data_info["sha256"] != second.data_info["sha256"]
    assert _logged(first) == _logged(second) and len(_logged(first)) > 5
    weights = [load_file(run.path / "weights.safetensors") for run in (first, second)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][k], weights[1][k]) for k in weights[0])


def _logged(run: Run) -> list[dict[str, Any]]:
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]
