"""Are samples like held-out x, do they show all of it, and are they copies of training examples?

Everything is counted in principal components of training x, a space that can be named. Training examples take the same
test as samples: what they reach is what a perfect model would, since a number by itself says little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Split
from ..data.split import spread_rows
from ..errors import RequestError
from ..files import Plain
from ..model import Model, evaluating
from ..ops import keyed
from .codes import filled, flat_x
from .drawngaps import with_gaps
from .finding import Finding

Array = NDArray[np.float64]
K = 5  # Naeem et al. (2020), §4, for density and coverage; the same for precision and recall
COMPONENTS = 50
FITTED = 5_000  # training examples that they are found from
CHUNK, ROWS = 256, 2048  # samples drawn, and examples projected, at once
NEIGHBOURS = 20_000  # training and held-out examples that copies are looked for among
PAIRS = 12  # nearest pairs that are kept
ENOUGH = 100  # samples and held-out examples, below which nothing is called wrong
LOW = 0.2  # of the reference: below it, precision or coverage is low
SHORT, LITTLE = 0.9, 0.7  # of the reference, and of all: below one, a number is named, though nothing need be broken
MEANING = {
    "precision": "the share of samples that lie among held-out x",
    "recall": "the share of held-out x that lie among samples",
    "coverage": "the share of held-out x with a sample nearby",
}
COPIED, NEARER = 0.1, 0.5  # above both, samples are copies; healthy models stay below 0.02 with the first


@dataclass(frozen=True)
class Fidelity(Plain):
    """How a set of N' examples lies to N held-out ones; a ball reaches from an example to its 5th neighbour.

    precision = share of the examples that are in the ball of some held-out x,
    recall = share of held-out x that are in the ball of some example,
    density = mean number of held-out balls that hold an example, divided by 5 (1 where the two sets are alike),
    coverage = share of held-out balls that hold an example.

    References: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models (2019), eq.
    1–2; Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models (2020), eq. 3–5.
    """

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class Quality(Plain):
    """Samples of a model against held-out x.

    Arguments:
        samples: precision, recall, density and coverage of samples from the model.
        reference: those of as many training examples: what a perfect model gets.
        features: the space in which distances are taken, in words.
        variance: the share of the variance of training x that it holds.
        num_samples, num_heldout: N' and N.
        copied: share of samples that are closer to a training example than 99 % of held-out x are; 0.01 by chance.
        closer: probability that a sample is closer to training x than a held-out x is; ½ by chance.
        nearest_is_train: of the nearest real examples of those samples, by how much more are training examples than
            their share among training and held-out x says: 0 by chance (or without such samples), 1 if all are.
        pairs: (sample, training row, distance) of the samples that look most like copies, most so first; samples are
            numbered as in `draw_samples` and rows as in the training split.
    """

    samples: Fidelity
    reference: Fidelity
    features: str
    variance: float
    num_samples: int
    num_heldout: int
    copied: float
    closer: float
    nearest_is_train: float
    pairs: tuple[tuple[int, int, float], ...]

    def remarks(self) -> list[str]:
        """What falls short of training x by more than its error, without being broken."""
        found = []
        for name, meaning in MEANING.items():
            value, reference = getattr(self.samples, name), getattr(self.reference, name)
            if value < LITTLE or value + 2 * self._stderr(value) < SHORT * reference:
                found.append(f"The {name} is {value:.2f} ({meaning}), where training x reaches {reference:.2f}.")
        return found

    def _stderr(self, share: float) -> float:
        return math.sqrt(max(share * (1 - share), 0) / min(self.num_samples, self.num_heldout))

    def findings(self) -> list[Finding]:
        """memorised, low_precision, low_coverage.

        Precision and coverage are low below a fifth of the reference, with three standard errors to spare: samples
        of a VAE, pixel by pixel noisier than x, are far below the reference without anything being broken. Samples are
        copies where more than a tenth of them are closer to training x than 99 % of held-out x are, *and* of these
        more than half of what chance would leave to held-out x are nearest to a training example: blurred samples are
        close to everything, but to held-out x no less.
        """
        if min(self.num_samples, self.num_heldout) < ENOUGH:
            return []
        found = [self._memorised()] if self.copied > COPIED and self.nearest_is_train > NEARER else []
        return [*found, *self._low("precision"), *self._low("coverage")]

    def _low(self, name: str) -> list[Finding]:
        value, reference = getattr(self.samples, name), getattr(self.reference, name)
        if not value + 3 * self._stderr(value) < LOW * reference:
            return []
        meaning = {
            "precision": "of samples lie where held-out x lies",
            "coverage": "of held-out x have a sample near them",
        }[name]
        remedy = {
            "precision": "Look for islands first; then train longer, or fit the prior to q (prior=vamp or realnvp).",
            "coverage": "Look for collapse first; then train longer, or with more latents (model.latent).",
        }[name]
        sentence = (
            f"Only {value:.0%} {meaning}. With training x in place of samples it is {reference:.0%}. Distances are "
            f"measured in {self.features}."
        )
        return [Finding(f"low_{name}", sentence, value, remedy)]

    def _memorised(self) -> Finding:
        sentence = (
            f"Samples look like copies. {self.copied:.0%} of them are closer to a training example than 99 % of "
            f"held-out x are; by chance it would be 1 %. Distances are measured in {self.features}."
        )
        remedy = "Look at the nearest pairs. Then take a smaller network (model.width), more data, or fewer steps."
        return Finding("memorised", sentence, self.copied, remedy)


def quality(model: Model, train: Split, test: Split, *, seed: int = 0, num_samples: int = 1000) -> Quality:
    """Precision, recall, density and coverage of samples, their reference, and whether samples are copies.

    Samples are draws from p(x|z), and a binarized x is compared as a draw, too. Where x has gaps, each sample gets the
    gaps of a held-out x, or those of the model where it models them, and gaps are filled with the mean of training x.

    Arguments:
        seed: of the samples, and of the draws of binarized x.
        num_samples: N', and the most held-out x that are taken; no more than there are training examples.
    """
    if min(len(train), len(test), num_samples) < 2:
        raise RequestError(
            f"Sample quality takes at least two of each; {len(train)} training examples, {len(test)} held-out ones and "
            f"{num_samples} samples came."
        )
    num_samples = min(num_samples, len(train))
    space = Features.of(flat_x(train.spread(FITTED)), model.domain.is_image)
    heldout = test.spread(num_samples)
    x = flat_x(heldout, expected=False, seed=seed)
    drawn = draw_samples(model, num_samples, seed).flatten(1)
    drawn = with_gaps(model, drawn, x.isnan()[torch.arange(num_samples) % len(x)], seed)
    samples, real = space(drawn), space(x)
    reference = space(flat_x(train.spread(num_samples), expected=False, seed=seed))
    near = [space(flat_x(split.spread(NEIGHBOURS))) for split in (train, test)]
    return Quality(
        samples=fidelity(samples, real),
        reference=fidelity(reference, real),
        features=space.name,
        variance=space.variance,
        num_samples=len(samples),
        num_heldout=len(real),
        **_copies(samples, real, near[0], near[1], len(train)),
    )


def draw_samples(model: Model, num_samples: int, seed: int = 0) -> Tensor:
    """x [N, *shape] from the model, labels by their frequency where it has them; sample i is the same whatever N is."""
    return draw_labelled(model, num_samples, seed)[0]


def draw_labelled(model: Model, num_samples: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """As `draw_samples`, with the labels [N] that x was drawn for, where the model is conditioned on labels."""
    drawn, labels = [], []
    with evaluating(model):
        for first in range(0, num_samples, CHUNK):
            with keyed("quality", seed, first):
                y = model.draw_labels(CHUNK)
                drawn.append(model.sample(CHUNK, y)[0].float().cpu())
            labels += [] if y is None else [y.cpu()]
    return torch.cat(drawn)[:num_samples], torch.cat(labels)[:num_samples] if labels else None


@dataclass(frozen=True)
class Features:
    """The leading principal components of training x, in units of x, or of a column's standard deviation for tables.

    Arguments: train [M, D], for gaps; scale [D]; pca; name, in words; variance, the share that is kept.
    """

    train: Tensor
    scale: Tensor
    pca: Any
    name: str
    variance: float

    @staticmethod
    def of(train: Tensor, is_image: bool) -> Features:
        from sklearn.decomposition import PCA

        x = filled(train, train).double()
        spread = x.std(0)
        scale = torch.ones_like(spread) if is_image else torch.where(spread > 0, spread, 1.0)
        pca = PCA(min(COMPONENTS, x.shape[1], len(x) - 1), random_state=0).fit((x / scale).numpy())
        variance = float(pca.explained_variance_ratio_.sum())
        of = "training x" if is_image else "training x, its columns standardised"
        number = f"the {pca.n_components_} leading principal components" if pca.n_components_ > 1 else "one component"
        return Features(train, scale, pca, f"{number} of {of}", variance)

    def __call__(self, x: Tensor) -> Array:
        parts = (filled(part, self.train).double() / self.scale for part in x.split(ROWS))
        return np.concatenate([self.pca.transform(part.numpy()) for part in parts])


def fidelity(examples: Array, real: Array, k: int = K) -> Fidelity:
    """`Fidelity` of examples [N', F] to real ones [N, F]; k is at most what the smaller set allows."""
    from sklearn.metrics import pairwise_distances

    k = min(k, len(examples) - 1, len(real) - 1)
    distance = pairwise_distances(examples, real)  # [N', N]
    in_real = distance <= _radii(real, k)
    in_examples = distance <= _radii(examples, k)[:, None]
    return Fidelity(
        precision=float(in_real.any(1).mean()),
        recall=float(in_examples.any(0).mean()),
        density=float(in_real.sum(1).mean() / k),
        coverage=float(in_real.any(0).mean()),
    )


def _radii(points: Array, k: int) -> Array:
    """The distance to the k-th neighbour other than itself, [N]."""
    from sklearn.neighbors import NearestNeighbors

    found: Array = NearestNeighbors(n_neighbors=k).fit(points).kneighbors()[0]
    return found[:, -1]


def _copies(samples: Array, real: Array, train: Array, test: Array, num_train: int) -> dict[str, Any]:
    """copied, closer, nearest_is_train and pairs of `Quality`.

    Arguments: samples and real, draws; train and test, what they may be near to, of `num_train` training rows spread.
    """
    of_samples, which = _nearest(samples, train)
    of_real, _ = _nearest(real, train)
    to_test, _ = _nearest(samples, test)
    copied = of_samples < np.quantile(of_real, 0.01)
    is_test = (to_test < of_samples) + 0.5 * (to_test == of_samples)
    chance = len(test) / (len(test) + len(train))
    likest = np.argsort(of_samples / np.maximum(to_test, 1e-300), kind="stable")[:PAIRS]
    rows = spread_rows(num_train, len(train))
    return {
        "copied": float(copied.mean()),
        "closer": probability_less(of_samples, of_real),
        "nearest_is_train": 1 - float(is_test[copied].mean()) / chance if copied.any() else 0.0,
        "pairs": tuple((int(i), int(rows[which[i]]), float(of_samples[i])) for i in likest),
    }


def _nearest(points: Array, among: Array) -> tuple[Array, NDArray[np.int64]]:
    """The distance [N] to the nearest of `among`, and which it is."""
    from sklearn.neighbors import NearestNeighbors

    distance, index = NearestNeighbors(n_neighbors=1).fit(among).kneighbors(points)
    return distance[:, 0], index[:, 0]


def probability_less(a: Array, b: Array) -> float:
    """P(a < b) + ½ P(a = b)."""
    b = np.sort(b)
    return float((2 * len(b) - np.searchsorted(b, a, "left") - np.searchsorted(b, a, "right")).mean() / (2 * len(b)))
