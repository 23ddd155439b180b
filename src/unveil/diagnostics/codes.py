"""Codes of examples, [N, D] float32 on the CPU: posterior means, one draw each, and what pPCA makes of the same x."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..data.rowblocks import blocks
from ..model import Model, device_of, evaluating
from ..ops import keyed
from ..terms import Terms

DRAWS = 64  # that stand in for a mean without a closed form


def posterior_means(model: Model, split: Split, limit: int | None = None) -> Tensor:
    """E[z|x] under q of each example, the groups flattened and joined, [N, D].

    Where q states no mean it is that of 64 keyed draws. An integer z (the component of a mixture) has no middle:
    its code is q(z = m|x) of each value m, which is the mean of its one-hot form. A binary or one-hot z has the
    probabilities as its mean. Grey images that are binarized enter as their pixel probabilities.

    Arguments: limit, only the first so many examples.
    """
    return _blocks(model, split, limit, ("codes", "means"), lambda rows: split.expected(rows), _means)


def posterior_draws(model: Model, split: Split, seed: int = 0, limit: int | None = None) -> Tensor:
    """One draw z ∼ q(z|x) of each example, the groups flattened and joined, [N, D]; an integer z as one-hot floats.

    Noise is keyed by `seed` and the block of 128 rows: row i has the same draw whatever `limit` is.

    Arguments: seed, of the draws; limit, only the first so many examples.
    """
    return _blocks(model, split, limit, ("codes", "draws", seed), lambda rows: split.batch(rows), _draw)


def flat_x(split: Split, limit: int | None = None, *, expected: bool = True, seed: int = 0) -> Tensor:
    """x as batches hold it, flattened, [N, D] float32 on the CPU, NaN where it is not observed.

    Arguments:
        expected: binarized grey images as pixel probabilities v/(n−1), instead of a draw.
        seed: of that draw.
    """
    count = len(split) if limit is None else min(limit, len(split))
    with keyed("codes", "x", seed):
        rows = torch.arange(count, device=split.x.device)
        batch = split.expected(rows) if expected else split.batch(rows)
    x = batch.x if batch.observed is None else batch.x.masked_fill(~batch.observed, torch.nan)
    return x.flatten(1).float().cpu()


def filled(x: Tensor, train: Tensor) -> Tensor:
    """x [N, D] with NaN replaced by the mean of what the training rows [M, D] hold in that column (0 if nothing)."""
    return torch.where(x.isnan(), train.nanmean(0).nan_to_num(0.0), x)


def ppca_codes(train: Tensor, x: Tensor, dims: int) -> Tensor:
    """E[z|x] under probabilistic PCA fitted on `train`: what a linear model of z of `dims` dimensions knows of x.

    E[z|x] = (Λ − σ²I)^½ Λ⁻¹ Uᵀ(x − μ), U and Λ being the leading eigenvectors and eigenvalues of the covariance, and σ²
    the mean of the others. Missing values (NaN) are filled by the column means of `train`.

    References: Tipping & Bishop, Probabilistic Principal Component Analysis (1999), eq. 7–9.

    Arguments: train [M, *shape]; x [N, *shape]; dims, of the code; fewer where M or D allow no more.
    """
    from sklearn.decomposition import PCA

    train, x = train.flatten(1), x.flatten(1)
    train, x = filled(train, train).double(), filled(x, train).double()
    pca = PCA(min(dims, len(train) - 1, train.shape[1]), random_state=0).fit(train.numpy())
    lam = pca.explained_variance_
    gain = np.sqrt(np.clip(lam - pca.noise_variance_, 0, None)) / np.maximum(lam, 1e-12 * max(lam.max(), 1e-300))
    return torch.from_numpy(pca.transform(x.numpy()) * gain).float()


@torch.no_grad()
def _blocks(
    model: Model,
    split: Split,
    limit: int | None,
    key: tuple[int | str, ...],
    batch_of: Callable[[Tensor], Batch],
    code: Callable[[Model, Batch], Tensor],
) -> Tensor:
    """`code` of every example."""
    found = []
    with evaluating(model):
        for block in blocks(len(split), limit):
            with keyed(*key, block.first):
                found.append(code(model, batch_of(block.rows).to(device_of(model)))[: block.keep].float().cpu())
    return torch.cat(found)


def group_means(model: Model, batch: Batch) -> tuple[Tensor, ...]:
    """E[z_l|x] under q of each group, [B, …], or the mean of 64 draws where q states none."""
    posterior = model.posterior(batch)
    if posterior.mean is not None:
        return posterior.mean
    return tuple(group.float().mean(0) for group in posterior.draw(DRAWS)[0])


def _means(model: Model, batch: Batch) -> Tensor:
    values = _integers(model, batch)
    if values is None:
        return torch.cat([group.flatten(1) for group in group_means(model, batch)], 1)
    assert values.log_m is not None
    return values.log_m.exp().T  # q(z = m|x), [B, M]


def _draw(model: Model, batch: Batch) -> Tensor:
    groups = model.posterior(batch).draw(1)[0]
    values = _integers(model, batch)
    if values is not None:
        return torch.nn.functional.one_hot(groups[0][0].long(), len(values.z[0]))
    return torch.cat([group[0].flatten(1) for group in groups], 1)


def _integers(model: Model, batch: Batch) -> Terms | None:
    """The M values of an integer z, in order, where z is one and they can be enumerated."""
    if "enumerate" not in model.gives:
        return None
    terms = model.enumerate(batch)
    return None if terms.z[0].is_floating_point() else terms
