"""Save one tiny run per model for this version: python tests/runs/make.py (once per release; what exists is kept).

Each is loaded by every later version to the same numbers (tests/runs/test_runs.py).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import unveil

HERE = Path(__file__).parent
KEPT = ("config.json", "data.json", "result.json", "scores.safetensors", "weights.safetensors")
MIXED = {"data.domain": "mixed", "train.steps": 40}
SMALL = {"model.latent": 2, "model.width": 8, "model.depth": 1, "train.steps": 40, "evaluation.num_samples": 8}


def binary(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((60, 12)) < np.linspace(0.1, 0.9, 12)).astype(np.uint8)


def real(rng: np.random.Generator) -> np.ndarray:
    return (rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(60, 6))).round(3)


def gappy(rng: np.random.Generator) -> np.ndarray:
    x = real(rng)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[np.isnan(x).all(1), 0] = 0.0
    return x


def table(rng: np.random.Generator) -> np.ndarray:
    x = real(rng).round(1)
    x[:, 0], x[:, 1] = x[:, 0] > 0, rng.poisson(3, len(x))
    return x


def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 4, size=(60, 5, 6)).astype(np.uint8)


RUNS: dict[str, tuple[Any, dict[str, Any]]] = {
    "vae": (images, SMALL),
    "vae-conv": (images, SMALL | {"model.network": "conv", "model.width": 2}),
    "vae-vamp": (binary, SMALL | {"prior": "vamp", "prior.num_components": 5}),
    "vae-realnvp": (real, SMALL | {"prior": "realnvp", "prior.num_transforms": 2, "prior.width": 8}),
    "vae-discrete": (binary, SMALL | {"prior": "bernoulli"}),
    "vae-condition": (binary, SMALL | {"model.condition": "label"}),
    "vae-missing": (gappy, SMALL | {"likelihood": "student_t"}),
    "linear_gaussian": (real, {"model": "linear_gaussian", "model.latent": 2}),
    "mixture": (binary, {"model": "mixture", "model.num_components": 3}),
    "hvae": (images, SMALL | {"model": "hvae"}),
    "vdm": (images, {k: v for k, v in SMALL.items() if k != "model.latent"} | {"model": "vdm"}),
    "vqvae": (images, SMALL | {"model": "vqvae", "model.codebook_size": 8}),
    "any_order": (table, MIXED | {"model": "any_order", "model.width": 8, "model.depth": 1}),
    "table_mixture": (table, MIXED | {"model": "table_mixture", "model.num_components": 3}),
    "joint": (images, SMALL | {"model": "joint", "likelihood": "joint", "likelihood.width": 8}),
    "autoregressive": (binary, {"model": "autoregressive", "model.width": 8, "model.depth": 1, "train.steps": 40}),
}
WITHOUT_MEAN = ("mixture", "vdm", "vqvae", "autoregressive", "any_order", "table_mixture")


def main() -> None:
    home = HERE / unveil.__version__
    for name, (make, options) in RUNS.items():
        if not (home / name).exists():
            save(name, make(np.random.default_rng(0)), options, home / name)
            print(home / name)


def save(name: str, x: np.ndarray, options: dict[str, Any], path: Path) -> None:
    """Fit, keep what a loaded run needs, and write down what it says of a few rows."""
    labels: dict[str, Any] = {"y": np.arange(len(x)) % 3} if name == "vae-condition" else {}
    if name == "joint":
        labels = {"text": ["ab猫"[i % 3 :] for i in range(len(x))]}
    with tempfile.TemporaryDirectory() as folder:
        run = unveil.fit(x, out=Path(folder) / "run", options=options, show=False, **labels)
        path.mkdir(parents=True)
        for file in KEPT:
            shutil.copy(run.path / file, path / file)
        said = json.dumps({"x": json.loads(json.dumps(x[:5].tolist()).replace("NaN", "null")), **says(run, x[:5])})
        (path / "expected.json").write_text(said + "\n")


def says(run: unveil.Run, x: np.ndarray) -> dict[str, Any]:
    """log p(x), the posterior mean where there is one, and samples."""
    drawn = run.sample(3)["image"] if run.config["model"]["name"] == "joint" else run.sample(3)
    found = {"log_px": np.asarray(run.score(x).log_px).tolist(), "sample": drawn.tolist()}
    if run.config["model"]["name"] not in WITHOUT_MEAN:
        found["mean"] = np.asarray(run.encode(x).mean).tolist()
    return found


if __name__ == "__main__":
    main()
