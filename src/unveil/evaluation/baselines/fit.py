"""Simple models that honestly try to win, on the model's own data: sizes chosen on validation, judged on test once.

Probabilistic PCA and a mixture of Gaussians are densities. On discrete x they are put on its scale by dequantisation:
p(x + u) with u ~ U[0, 1)^D is a density whose integral over u is a probability of x. A mixture of Gaussians has it in
closed form (`mixtures.log_cube`), so its number is exact. Of pPCA it is bounded,

log P(x) = log E_u[p(x + u)] ≥ E[log 1/K Σ_k p(x + u_k)],

so its number is a lower bound with K stated; the noise is a latent, drawn inside the log-mean-exp. Counts also get
mixtures of Poissons and of negative binomials (`counts.py`).

References: Theis, van den Oord & Bethge, A note on the evaluation of generative models (2016), §3.1; Ho et al., Flow++
(2019), eq. 12.
"""

import time

import torch

from ...data import Data
from .afford import FLOPS, STARTS, TooDear
from .apart import each_apart
from .baseline import Baseline
from .counts import negative_binomial_mixture, poisson_mixture
from .examples import Examples, log_px
from .mixtures import START, categorical_mixture, gaussian_mixture
from .ppca import ppca
from .search import Search
from .table import columns_alone

MAKERS = {
    "ppca": ppca,
    "gaussian_mixture": gaussian_mixture,
    "categorical_mixture": categorical_mixture,
    "poisson_mixture": poisson_mixture,
    "negative_binomial_mixture": negative_binomial_mixture,
}
SHARES = {  # of the time, by what x is; a share goes to none of the others where a baseline is left out
    "finite": {"ppca": 0.1, "gaussian_mixture": 0.25, "categorical_mixture": 0.65},
    "count": {"ppca": 0.1, "gaussian_mixture": 0.2, "poisson_mixture": 0.2, "negative_binomial_mixture": 0.5},
    "density": {"ppca": 0.25, "gaussian_mixture": 0.75},
}
WHOLE = 2.0  # seconds for all of them, from which on they have as many starts as operations pay for


@torch.no_grad()
def fit_baselines(data: Data, *, seed: int = 0, seconds: float = 10.0) -> tuple[list[Baseline], tuple[str, ...]]:
    """pPCA, a mixture of Gaussians and, for discrete x, mixtures of its own kind, each the best of its sizes.

    Binary x and levels get a mixture of categoricals; counts get one of Poissons and one of negative binomials. A mixed
    table is compared with its columns, each by itself; pictures with texts, with models of each alone (`apart.py`).

    Every choice is made on validation examples; the test split is read once, for the numbers. A mixture of Gaussians
    is left out where a column of real or unit x is constant: a density of it has no bound. All are left out where x has
    gaps: filled in, it would be other data; and one whose cheapest honest try takes far longer than its share of the
    time is. Comes with the sentences about those.

    Arguments:
        seed: of starts, subsets and dequantisation noise; torch's own generator stays as it is.
        seconds: for all of them together, turned into numbers of examples, rounds and draws by fixed costs; no clock
            is read but to report what it took. 0 fits none.
    """
    if seconds and data.domain.columns is not None:
        return [columns_alone(data)], ()
    if seconds and data.domain.parts is not None:
        return each_apart(data, lambda own: fit_baselines(own, seed=seed, seconds=seconds))
    if not seconds or any(split.observed is not None for split in (data.train, data.valid, data.test)):
        return [], ()
    examples = Examples.of(data, seed)
    domain = data.domain
    shares = dict(SHARES["finite" if domain.is_finite else "count" if domain.is_discrete else "density"])
    if not domain.is_discrete:
        start = examples.train[:START].flatten(1)
        if bool((start == start[0]).all(0).any()):
            del shares["gaussian_mixture"]
    starts = max(1, int(STARTS * min(1.0, seconds / WHOLE)))
    found, left_out = [], []
    for name, share in shares.items():
        try:
            found.append(fit_one(name, examples, share * seconds * FLOPS, starts, seed))
        except TooDear as error:
            left_out.append(
                f"The simple model {name} is left out: it would take about {error.seconds:.0f} s, and its share of the "
                f"time is {share * seconds:.1f} s."
            )
    return found, tuple(left_out)


@torch.no_grad()
def fit_one(name: str, examples: Examples, operations: float, starts: int, seed: int) -> Baseline:
    """The baseline of one name, its size chosen on validation and judged on test."""
    started = time.perf_counter()
    family = MAKERS[name](examples, operations, seed)
    K = family.num_samples
    search = Search(family.fit, lambda density: float(log_px(density, examples.valid, K, seed).mean()))
    size, density = search.run(family.sizes, family.knobs, lambda size: min(starts, family.starts(size)))
    test = log_px(density, examples.test, K, seed)
    remarks = (*(() if K is None else (f"dequantised, K = {K}",)), *family.remarks)
    return Baseline(
        name=name,
        description=family.phrase(size) + (f" ({'; '.join(remarks)})" if remarks else ""),
        log_px=test.numpy(),
        direction="exact" if K is None else "lower",
        num_samples=K,
        size=size,
        tried=tuple((size, search.tried(size)) for size in family.sizes),
        seconds=time.perf_counter() - started,
    )
