"""The structure that z keeps of x, always beside x itself and beside pPCA codes of the same dimension.

A number for z alone says little: digits are told apart by their pixels, too. Nothing here shows that a structure is
there; it shows what a simple reader of z finds, with its standard error.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Data, Split
from ..errors import RequestError
from ..files import Plain
from ..model import Model, require_latents
from ..ops import keyed
from .codes import filled, flat_x, posterior_means, ppca_codes
from .factors import Factors, factors
from .finding import Finding
from .paths import Paths, decoded_paths
from .probes import Probe, clearly_below, probe
from .relations import Tree, held_by, pair_order, tree_agreement

Array = NDArray[Any]
Codes = dict[str, tuple[Array, Array]]  # (training, test) rows of each code by its name
FEW = 20  # examples of a split, below which nothing is measured on it
NEIGHBOURS = 10  # of trustworthiness and continuity
NEAR_ROWS = 1000  # examples they are measured on
ORDERED = 10_000  # training examples that the order of two parts is learned from
MARGIN = 0.05  # by which z has to be worse than pPCA codes to be called so


@dataclass(frozen=True)
class Near(Plain):
    """Whether neighbours in a code are neighbours in x, and the other way round, among 10 of up to 1,000 test examples.

    trustworthiness = 1 − 2/(Nk(2N − 3k − 1)) Σ_i Σ_{j near i in the code only} (rank of j in x − k), ½ by chance;
    continuity is the same with the two swapped: low where neighbours are torn apart.

    References: Venna & Kaski, Neighborhood Preservation in Nonlinear Projection Methods (2001), eq. 1–2.
    """

    trustworthiness: float
    continuity: float


@dataclass(frozen=True)
class Structure(Plain):
    """The structure found in z; the keys of the dictionaries are "z", "ppca" and "x".

    Arguments:
        dims: the dimension of z; pPCA codes have as many, or as many as x has.
        num_train, num_test: the examples that probes are fitted and judged on.
        labels: accuracy of a linear probe and of k-NN; None without labels, or where the model is told the label.
        majority: the accuracy of the most frequent training label; None without labels.
        near: trustworthiness and continuity against x, of "z" and "ppca"; None below 40 test examples.
        paths: smoothness of decoded paths; None where z is not real.
        order: accuracy for which of two known digits is above (½ by chance); None where x is no pair.
        tree: agreement of distances with groups and subgroups; None where there are none.
        factors: MIG, SAP and DCI of "z" and "ppca" against known factors; None where none are known.
    """

    dims: int
    num_train: int
    num_test: int
    labels: dict[str, Probe] | None
    majority: float | None
    near: dict[str, Near] | None
    paths: Paths | None
    order: dict[str, Probe] | None
    tree: dict[str, Tree] | None
    factors: dict[str, Factors] | None

    def findings(self) -> list[Finding]:
        """no_structure: z tells labels worse than pPCA codes of the same dimension.

        Both probes have to be worse, by more than 5 points and by more than three paired standard errors.
        """
        if self.labels is None or not clearly_below(self.labels["z"], self.labels["ppca"], MARGIN):
            return []
        z, ppca = self.labels["z"], self.labels["ppca"]
        sentence = (
            f"A linear probe finds {z.linear:.0%} of the test labels from z, and k-NN {z.knn:.0%}. From pPCA codes of "
            f"{self.dims} dimensions at most they find more: {ppca.linear:.0%} and {ppca.knn:.0%}."
        )
        remedy = (
            "Look for collapse first; then train longer, or weigh the rate less (--objective beta_elbo "
            "objective.beta=0.5)."
        )
        return [Finding("no_structure", sentence, z.linear, remedy)]


def structure(model: Model, data: Data, *, seed: int = 0, limit: int = 2000) -> Structure:
    """`Structure` of posterior means; every probe is fitted on training codes and judged on test codes.

    Arguments:
        seed: of the pairs that paths join, and of the bootstrap of the tree.
        limit: the most examples of each split (10,000 training examples for the order of two parts).
    """
    require_latents(model, "The structure of z")
    if model.codebook_size:
        raise RequestError(
            "The structure of z is measured on real numbers, and the latents of this model are codes. Their numbers "
            "are only names. See the part about the codebook instead."
        )
    order = held_by(data.factors, "upper", "lower")
    train, test = data.train.spread(ORDERED if order else limit), data.test.spread(limit)
    codes = _codes(model, train, test)
    some = np.arange(min(limit, len(train))) * len(train) // min(limit, len(train))
    fewer = {name: (rows[some], rows_test) for name, (rows, rows_test) in codes.items()}
    seen = (data, train.rows.cpu().numpy()[some], test.rows.cpu().numpy())
    is_image = data.domain.is_image
    labels, majority = _labels(model, train, some, test, fewer, is_image)
    return Structure(
        dims=codes["z"][0].shape[1],
        num_train=len(some),
        num_test=len(test),
        labels=labels,
        majority=majority,
        near=_near(fewer, is_image),
        paths=decoded_paths(model, test, _scale(codes["x"][0], is_image), seed=seed),
        order=_order(data, train, test, codes) if order else None,
        tree=_tree(data, test, codes, seed) if held_by(data.factors, "subgroup", "base") else None,
        factors=None if data.factors is None or held_by(data.factors, "base") else _factors(*seen, fewer),
    )


def _codes(model: Model, train: Split, test: Split) -> Codes:
    """(training, test) rows of z, pPCA codes and x."""
    raw = flat_x(train)
    x = [filled(part, raw) for part in (raw, flat_x(test))]
    z = [posterior_means(model, split) for split in (train, test)]
    linear = ppca_codes(x[0], torch.cat(x), z[0].shape[1]).split([len(train), len(test)])
    pairs = {"z": z, "ppca": list(linear), "x": x}
    return {name: (pair[0].numpy(), pair[1].numpy()) for name, pair in pairs.items()}


def _labels(
    model: Model, train: Split, some: Array, test: Split, codes: Codes, is_image: bool
) -> tuple[dict[str, Probe] | None, float | None]:
    """Probes of labels, and the share of the most frequent one, on rows whose label is known."""
    with keyed("structure"):
        is_told = model.draw_labels(1) is not None
    if train.y is None or test.y is None or is_told:
        return None, None
    y, y_test = train.y.cpu().numpy()[some], test.y.cpu().numpy()
    kept, kept_test = y >= 0, y_test >= 0
    y, y_test = y[kept], y_test[kept_test]
    if min(len(y), len(y_test)) < FEW or len(np.unique(y)) < 2:
        return None, None
    found = {
        name: probe(rows[kept], y, rows_test[kept_test], y_test, columns=name == "x" and not is_image)
        for name, (rows, rows_test) in codes.items()
    }
    return found, float((y_test == np.bincount(y).argmax()).mean())


def _near(codes: Codes, is_image: bool) -> dict[str, Near] | None:
    train, x = (part.astype(np.float64) for part in codes["x"])
    if len(x) < 2 * FEW:
        return None
    x = x[:: -(-len(x) // NEAR_ROWS)] / _scale(train, is_image).numpy()
    return {name: near(codes[name][1][:: -(-len(codes[name][1]) // NEAR_ROWS)], x) for name in ("z", "ppca")}


def near(code: Array, x: Array) -> Near:
    """Trustworthiness and continuity of a code [N, D] for x [N, D_x]."""
    from sklearn.manifold import trustworthiness

    k = min(NEIGHBOURS, (len(x) - 1) // 2)
    return Near(float(trustworthiness(x, code, n_neighbors=k)), float(trustworthiness(code, x, n_neighbors=k)))


def _order(data: Data, train: Split, test: Split, codes: Codes) -> dict[str, Probe] | None:
    assert data.factors is not None
    parts, parts_test = (
        (data.factors["upper"][split.rows.cpu().numpy()], data.factors["lower"][split.rows.cpu().numpy()])
        for split in (train, test)
    )
    found = {name: pair_order(a, parts, b, parts_test) for name, (a, b) in codes.items()}
    return {name: one for name, one in found.items() if one is not None} or None


def _tree(data: Data, test: Split, codes: Codes, seed: int) -> dict[str, Tree] | None:
    """On test examples, whose bases no training example shows."""
    assert data.factors is not None and test.y is not None
    rows = test.rows.cpu().numpy()
    above = (test.y.cpu().numpy(), data.factors["subgroup"][rows], data.factors["base"][rows])
    found = {name: tree_agreement(b, *above, seed=seed) for name, (_, b) in codes.items()}
    return {name: one for name, one in found.items() if one is not None} or None


def _factors(data: Data, rows: Array, rows_test: Array, codes: Codes) -> dict[str, Factors]:
    assert data.factors is not None
    known, known_test = ({name: v[which] for name, v in data.factors.items()} for which in (rows, rows_test))
    y = data.test.y
    categorical = {
        name
        for name, v in data.factors.items()
        if v.dtype.kind in "iub" or (y is not None and np.array_equal(v[data.test.rows.cpu().numpy()], y.cpu().numpy()))
    }
    measure = partial(factors, categorical=frozenset(categorical))
    return {
        name: measure(codes[name][0].astype(float), known, codes[name][1].astype(float), known_test)
        for name in ("z", "ppca")
    }


def _scale(x: Array, is_image: bool) -> Tensor:
    """The unit of differences of x: 1 for pictures, each column's standard deviation in a table."""
    if is_image:
        return torch.ones(())
    spread = torch.from_numpy(x.astype(np.float64)).std(0).float()
    return torch.where(spread > 0, spread, 1.0)
