"""What finds odd examples: −log p(x) alone, or the oddity of `unveil score --oddity`.

    python bench/oddities.py                     planted among 300 test pictures of CIFAR-10
    python bench/oddities.py train.steps=150     with other settings of the fit, which takes three minutes
    python bench/oddities.py RUN                 with a run that is there already

Where each planted picture stands among the 300, as the share of them (in %) that are likelier, and less odd. Odd rows
of tables are measured by odd_rows.py. Data is read from $UNVEIL_DATA.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import unveil

Array = np.ndarray
PHOTOS, SIZE = 300, 32
CHANGED = (500, 501, 502)  # test pictures that are planted changed
COLOURS = {
    "magenta": (255, 0, 255), "red": (255, 0, 0), "black": (0, 0, 0), "white": (255, 255, 255),
    "grey": (128, 128, 128), "brown": (120, 110, 90),
}  # fmt: skip


def fitted(source: str | Array, seed: int = 0, keys: Mapping[str, str] | None = None) -> unveil.Run:
    out = Path(tempfile.mkdtemp()) / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return unveil.fit(source, out=out, seed=seed, show=False, options=dict(keys or {}))


def planted(photos: Array) -> dict[str, Array]:
    """Pictures [32, 32, 3] by what they are; `photos` are those that are changed."""
    rng = np.random.default_rng(0)
    shape = (SIZE, SIZE, 3)
    found = {f"square, {name}": np.broadcast_to(np.uint8(colour), shape) for name, colour in COLOURS.items()}
    found["noise, uniform"] = rng.integers(0, 256, shape, dtype=np.uint8)
    found["noise, Gaussian"] = np.clip(rng.normal(120, 60, shape), 0, 255).astype(np.uint8)
    found["noise, grey"] = np.repeat(rng.integers(0, 256, (SIZE, SIZE, 1), dtype=np.uint8), 3, 2)
    found["checkerboard"] = np.repeat(255 * (np.indices((SIZE, SIZE)).sum(0) % 2)[..., None], 3, 2).astype(np.uint8)
    found["gradient"] = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], shape)
    for i, photo in enumerate(photos):
        found[f"digit {i}"] = digit(i)
        found[f"photo {i}, pixels shuffled"] = rng.permutation(photo.reshape(-1, 3)).reshape(shape)
        found[f"photo {i}, inverted"] = 255 - photo
        found[f"photo {i}, upside down"] = photo[::-1]
    return found


def digit(which: int) -> Array:
    """A digit of 24×24 in the middle of black."""
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    canvas[4:28, 4:28] = np.kron(load_digits().images[which] * 15.9, np.ones((3, 3)))[..., None].astype(np.uint8)
    return canvas


def pictures(run: unveil.Run) -> list[tuple[str, ...]]:
    """A row per planted picture: its percentile by −log p(x), by oddity, and what makes it odd."""
    test = run.data.test.x.numpy()
    found = planted(test[list(CHANGED)])
    scores = run.score(np.concatenate([test[:PHOTOS], np.stack(list(found.values()))]), oddity=True)
    rows = []
    for i, name in enumerate(found, start=PHOTOS):
        places = [100 * np.mean(order[:PHOTOS] < order[i]) for order in (-scores.log_px, scores.oddity)]
        rows.append((name, *(f"{place:.1f}" for place in places), scores.odd_by[i]))
    return [("planted", "by −log p(x)", "by oddity", "odd by"), *rows]


def show(rows: list[tuple[str, ...]]) -> None:
    """A Markdown table."""
    head, *rest = rows
    for row in (head, ("---",) * len(head), *rest):
        print(f"| {' | '.join(row)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="a run of cifar10, and KEY=VALUE settings of fits")
    given = parser.parse_args()
    keys = dict(word.split("=", 1) for word in given.words if "=" in word)
    runs = [word for word in given.words if "=" not in word]
    budget = {} if {"train.minutes", "train.steps", "train.epochs"} & set(keys) else {"train.minutes": "3"}
    show(pictures(unveil.Run.load(runs[0]) if runs else fitted("cifar10", keys=keys | budget)))


if __name__ == "__main__":
    main()
