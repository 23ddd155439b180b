"""Simple models that honestly try to win, on the model's own data: sizes chosen on validation, judged on test once.

Probabilistic PCA and a mixture of Gaussians are densities. On discrete x they are put on its scale by dequantisation:
p(x + u) with u ~ U[0, 1)^D is a density whose integral over u is a probability of x, and

log P(x) = log E_u[p(x + u)] ≥ E[log 1/K Σ_k p(x + u_k)],

so their numbers are lower bounds with K stated; the noise is a latent, drawn inside the log-mean-exp.

References: Theis, van den Oord & Bethge, A note on the evaluation of generative models (2016), §3.1; Ho et al., Flow++
(2019), eq. 12.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .batch import Batch
from .data import Data, Split
from .domain import Domain
from .files import finite
from .models.linear_gaussian import LinearGaussian
from .models.mixture import Mixture
from .ops import keyed, log_mean_exp, mean_and_error

FLOPS = 2.5e10  # operations that a second is taken to be worth; a constant, so that results repeat exactly
KEPT = 2**26  # values of training data that are looked at, at most
VALID = 1000  # validation examples that a choice is made on, at most
START = 10_000  # examples that a mixture starts from
BLOCK, TABLE = 1024, 2**22  # rows of a block; values of one that is only looked up
DRAWS = (32, 16, 8, 4)  # K, as many as can be afforded
TRIES, ROUNDS, STARTS = 12, 30, 6  # rounds of EM for a try; more of them, and starts, for what was chosen
SCARCE = 4  # rounds of each where operations do not suffice
LATENTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200)
COMPONENTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500)
ENOUGH = 1500  # training examples that a try is worth making on
FEWEST = 5  # sizes, where the data has room for them
CELLS = 2e7  # parameters of a mixture of categoricals, at most

Density = Callable[[Tensor], Tensor]  # x [B, *shape] → log p(x) [B]


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline and what it says of every test example.

    Arguments:
        name: "ppca", "gaussian_mixture" or "categorical_mixture".
        description: a phrase for a sentence.
        log_px: [N_test] nats.
        direction: "exact", or "lower" where x was dequantised.
        num_samples: K of the dequantisation; None where there is none.
        size: the number of components that validation chose.
        tried: each size with the best mean validation log p(x) that a try of it came to.
        seconds: measured, from the first fit to the last test example.
    """

    name: str
    description: str
    log_px: NDArray[np.float64]
    direction: str
    num_samples: int | None
    size: int
    tried: tuple[tuple[int, float], ...]
    seconds: float

    def compared_with(self, log_px: NDArray[Any]) -> dict[str, Any]:
        """This baseline as JSON, beside a model's log p(x) [N_test] of the same examples; the difference is paired."""
        if log_px.shape != self.log_px.shape:
            raise ValueError(f"log_px has the shape {log_px.shape}; the baseline judged {len(self.log_px)} examples.")
        difference = log_px.astype(np.float64) - self.log_px
        return {
            "name": self.name,
            "description": self.description,
            "log_px": float(self.log_px.mean()),
            "stderr": finite(mean_and_error(self.log_px)[1]),
            "direction": self.direction,
            "num_samples": self.num_samples,
            "size": self.size,
            "tried": [{"size": size, "valid_log_px": value} for size, value in self.tried],
            "difference": float(difference.mean()),
            "difference_stderr": finite(mean_and_error(difference)[1]),
            "seconds": round(self.seconds, 3),
        }


@torch.no_grad()
def fit_baselines(data: Data, *, seed: int = 0, seconds: float = 10.0) -> list[Baseline]:
    """pPCA, a mixture of Gaussians and, for binary x and levels, one of categoricals, each the best of its sizes.

    Every choice is made on validation examples; the test split is read once, for the numbers. A mixture of Gaussians
    is left out where a column of real or unit x is constant: a density of it has no bound. All are left out where x has
    gaps: filled in, it would be other data.

    Arguments:
        seed: of starts, subsets and dequantisation noise; torch's own generator stays as it is.
        seconds: for all of them together, turned into numbers of examples, rounds and draws by fixed costs; no clock
            is read but to report what it took.
    """
    if any(split.observed is not None for split in (data.train, data.valid, data.test)):
        return []
    examples = Examples.of(data, seed)
    shares = {"ppca": 0.1, "gaussian_mixture": 0.25, "categorical_mixture": 0.65}
    if not data.domain.is_finite:
        shares = {"ppca": 0.25, "gaussian_mixture": 0.75}
    if not data.domain.is_discrete:
        start = examples.train[:START].flatten(1)
        if bool((start == start[0]).all(0).any()):
            del shares["gaussian_mixture"]
    makers: dict[str, Callable[[Examples, float, int], Family]] = {
        "ppca": ppca,
        "gaussian_mixture": gaussian_mixture,
        "categorical_mixture": categorical_mixture,
    }
    return [_fit(name, makers[name], examples, share * seconds * FLOPS, seed) for name, share in shares.items()]


@dataclass(frozen=True)
class Examples:
    """What the baselines see: training and validation rows in a random order, test rows in their own.

    Arguments: train [N, *shape], valid [V, *shape] and test float32 on the CPU; domain; num_train, before any were
    left out.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    domain: Domain
    num_train: int

    @staticmethod
    def of(data: Data, seed: int) -> Examples:
        D, count = data.domain.num_dims, len(data.train)
        with keyed("baselines", "examples", seed):
            train = _rows(data.train, torch.randperm(count)[: max(2, KEPT // D)])
            valid = _rows(data.valid, torch.randperm(len(data.valid))[:VALID])
            test = _rows(data.test, torch.arange(len(data.test)))
        return Examples(train, valid, test, data.domain, count)


def _rows(split: Split, index: Tensor) -> Tensor:
    return split.batch(index).x.cpu()


@dataclass(frozen=True)
class Family:
    """One kind of baseline, ready to be fitted at any size.

    Arguments:
        sizes: to try, rising.
        knobs: settings to try at the best size, the usual one first.
        fit: (size, knob, start) → density; start 0 is a try, later ones are the thorough fits of what was chosen.
        starts: size → how many of those.
        num_samples: K of the dequantisation, or None.
        phrase: size → "a mixture of 50 categoricals".
        remarks: what to add to it.
    """

    sizes: tuple[int, ...]
    knobs: tuple[float, ...]
    fit: Callable[[int, float, int], Density]
    starts: Callable[[int], int]
    num_samples: int | None
    phrase: Callable[[int], str]
    remarks: tuple[str, ...] = ()


def _fit(
    name: str, make: Callable[[Examples, float, int], Family], examples: Examples, operations: float, seed: int
) -> Baseline:
    started = time.perf_counter()
    family = make(examples, operations, seed)
    K = family.num_samples
    search = Search(family.fit, lambda density: float(log_px(density, examples.valid, K, seed).mean()))
    size, density = search.run(family.sizes, family.knobs, family.starts)
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


# choosing


@dataclass(frozen=True)
class Found:
    """A fitted candidate and its mean validation log p(x)."""

    size: int
    knob: float
    start: int
    valid: float
    density: Density


@dataclass
class Search:
    """Coordinate ascent on validation: every size, every knob at the best one, its neighbours, then thorough fits."""

    fit: Callable[[int, float, int], Density]
    judge: Callable[[Density], float]
    found: list[Found] = field(default_factory=list)

    def run(self, sizes: Sequence[int], knobs: Sequence[float], starts: Callable[[int], int]) -> tuple[int, Density]:
        """The size and the density that are best on validation."""
        for size in sizes:
            self._try(size, knobs[0])
        for knob in knobs[1:]:
            self._try(self.best().size, knob)
        place = sizes.index(self.best().size)
        for size in sizes[max(0, place - 1) : place + 2]:
            self._try(size, self.best().knob)
        chosen = self.best()
        for start in range(1, starts(chosen.size) + 1):
            self._take(chosen.size, chosen.knob, start)
        return self.best().size, self.best().density

    def best(self) -> Found:
        """The best so far."""
        return max(self.found, key=lambda f: f.valid)

    def tried(self, size: int) -> float:
        """The best that tries of one size came to; thorough fits would not be comparable."""
        return max(f.valid for f in self.found if f.size == size and f.start == 0)

    def _try(self, size: int, knob: float) -> None:
        if not any((f.size, f.knob) == (size, knob) for f in self.found):
            self._take(size, knob, 0)

    def _take(self, size: int, knob: float, start: int) -> None:
        density = self.fit(size, knob, start)
        self.found.append(Found(size, knob, start, self.judge(density), density))


def log_px(density: Density, x: Tensor, num_samples: int | None, seed: int = 0) -> Tensor:
    """log p(x), or log 1/K Σ_k p(x + u_k) with u ~ U[0, 1)^D for x on the integers; [N] float64.

    Arguments: x [N, *shape]; num_samples K, or None for x as it is; seed of the noise.
    """
    if num_samples is None:
        return torch.cat([density(part).double() for part in x.split(max(1, TABLE // x[0].numel()))])
    found = []
    for number, part in enumerate(x.split(max(1, BLOCK // num_samples))):
        with keyed("dequantise", seed, number):
            noisy = part + torch.rand(num_samples, *part.shape)  # [K, B, *shape]
        found.append(log_mean_exp(density(noisy.flatten(0, 1)).reshape(num_samples, -1)))
    return torch.cat(found)


# probabilistic PCA


def ppca(examples: Examples, operations: float, seed: int) -> Family:
    """pPCA of x and of x in standard units (the knob), every size from one singular value decomposition of each."""
    x, D = examples.train, examples.domain.num_dims
    cost = Cost(score=lambda Z: D * (400 + 8.0 * Z) + 10.0 * Z**2, round=lambda size: 0.0, fixed=lambda size: 0.0)
    sizes = [s for s in (*LATENTS, D - 1) if s < D and s <= LATENTS[-1]]
    sizes = sorted({max(1, min(s, len(x) - 1)) for s in sizes} or {1})
    K = _draws(examples, operations / 2, cost, 2 * sizes) if examples.domain.is_discrete else None
    most = sizes[-1] + 10
    rows = min(len(x), max(5 * most, int(operations / 2 / (2 * 24 * D * most))))
    x = _dequantised(x[:rows], examples.domain, seed)
    knobs = {knob: Principal.of(x, knob, most, seed) for knob in (0.0, 1.0)}
    return Family(
        sizes=tuple(sizes),
        knobs=tuple(knobs),
        fit=lambda size, knob, start: knobs[knob].density(size),
        starts=lambda size: 0,
        num_samples=K,
        phrase=lambda size: f"pPCA with {_count(size, 'component')}",
        remarks=_said(examples, rows, rows),
    )


@dataclass(frozen=True)
class Principal:
    """What pPCA of any size is made from, in float64.

    Arguments: mean and scale [D], u = (x − mean)/scale; U [D, Q] and lam [Q], the leading eigenvectors and eigenvalues
    of the covariance of u; total, the sum of all D eigenvalues.
    """

    mean: Tensor
    scale: Tensor
    U: Tensor
    lam: Tensor
    total: float

    @staticmethod
    def of(x: Tensor, standardise: float, most: int, seed: int) -> Principal:
        x = x.flatten(1).double()
        mean, spread = x.mean(0), x.std(0, correction=0)
        scale = torch.where(spread > 0, spread, 1.0) if standardise else torch.ones_like(spread)
        u = (x - mean) / scale
        with keyed("baselines", "ppca", seed):
            _, s, U = torch.svd_lowrank(u, q=min(most, *u.shape), niter=3)
        return Principal(mean, scale, U, s**2 / len(u), float((u**2).sum() / len(u)))

    @torch.no_grad()
    def density(self, size: int) -> Density:
        """W = U_q (Λ_q − ψI)^½ and ψ = mean of the other eigenvalues; in the units of x, Jacobian included.

        References: Tipping & Bishop, Probabilistic Principal Component Analysis (1999), eq. 7-8.
        """
        D, q = len(self.mean), min(size, len(self.lam), len(self.mean) - 1)
        with keyed("baselines", "ppca", size):  # the constructor draws, and the caller's generator is not ours to move
            model = LinearGaussian(Domain("real", (D,)), latent=size).double()
        psi = max((self.total - float(self.lam[:q].sum())) / (D - q), model.floor * self.total / D)
        model.least_psi.fill_(model.floor * self.total / D)
        model.W.zero_()[:, :q] = self.U[:, :q] * (self.lam[:q] - psi).clamp(min=0).sqrt()
        model.log_psi.fill_(math.log(max(psi - float(model.least_psi), 1e-9 * psi)))
        jacobian = self.scale.log().sum()
        return lambda x: model.log_prob(Batch((x.flatten(1) - self.mean) / self.scale)) - jacobian


# mixtures


def gaussian_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of Gaussians with diagonal covariances; the knob is the smoothing."""
    D = examples.domain.num_dims
    cost = Cost(round=lambda C: D * (200 + 8.0 * C), score=lambda C: D * (300 + 4.0 * C), fixed=lambda C: 300.0 * D * C)
    x = _dequantised(examples.train, examples.domain, seed)
    knobs = (1.0, 0.3, 0.1, 3.0)
    return _mixture(x, Domain("real", examples.domain.shape), knobs, "Gaussian", cost, examples, operations, seed)


def categorical_mixture(examples: Examples, operations: float, seed: int) -> Family:
    """A mixture of categoricals, or of Bernoullis; the knob is the smoothing."""
    domain = examples.domain
    D, n = domain.num_dims, domain.levels
    binary = Cost(round=lambda C: D * (20 + 2.0 * C), score=lambda C: D * (50 + 2.2 * C), fixed=lambda C: 300.0 * D * C)
    levels = Cost(
        round=lambda C: D * n * (27 + 1.5 * C), score=lambda C: D * (800 + 14.0 * C), fixed=lambda C: 700.0 * D * C * n
    )
    one, cost = ("Bernoulli", binary) if domain.kind == "binary" else ("categorical", levels)
    knobs = tuple(n / 2 * times for times in (1, 2, 4, 0.5))
    return _mixture(examples.train, domain, knobs, one, cost, examples, operations, seed)


def _mixture(
    x: Tensor,
    domain: Domain,
    knobs: tuple[float, ...],
    one: str,
    cost: Cost,
    examples: Examples,
    operations: float,
    seed: int,
) -> Family:
    dequantised = domain.kind == "real" and examples.domain.is_discrete
    plan = plan_mixture(cost, examples, operations, num_knobs=len(knobs), dequantised=dequantised)

    def fit(size: int, smoothing: float, start: int) -> Density:
        with keyed("baselines", one, seed, size, start):
            model = Mixture(domain, num_components=size, smoothing=smoothing)
            model.initialise(Batch(x[:START]))
        stages = [(plan.tries, plan.tried_rows), (plan.rounds if start else 0, plan.rows)]
        for rounds, rows in stages:
            for _ in range(rounds):
                model.solve(lambda rows=rows: map(Batch, x[:rows].split(BLOCK)))  # type: ignore[misc]
        return lambda given: model.log_prob(Batch(given))

    return Family(
        sizes=plan.sizes,
        knobs=knobs[: plan.num_knobs],
        fit=fit,
        starts=lambda size: min(STARTS, plan.starts * plan.sizes[-1] // size),
        num_samples=plan.num_samples,
        phrase=lambda size: f"a mixture of {_count(size, one)}",
        remarks=_said(examples, plan.rows, plan.tried_rows),
    )


# what can be afforded


@dataclass(frozen=True)
class Cost:
    """Operations, measured and rounded up, as functions of the size.

    Arguments: score, of one example's log p(x); round, of one example in a round of EM; fixed, of a round besides.
    """

    score: Callable[[int], float]
    round: Callable[[int], float]
    fixed: Callable[[int], float]


@dataclass(frozen=True)
class Plan:
    """How a mixture is searched for.

    Arguments: sizes; num_knobs, of those there are; tried_rows and tries, the examples and rounds of EM of a try; rows
    and rounds, those that follow in a thorough fit; starts, how many of those at the largest size; num_samples K, or
    None.
    """

    sizes: tuple[int, ...]
    num_knobs: int
    tried_rows: int
    tries: int
    rows: int
    rounds: int
    starts: int
    num_samples: int | None


def plan_mixture(cost: Cost, examples: Examples, operations: float, *, num_knobs: int, dequantised: bool) -> Plan:
    """Two fifths of the operations for tries, as many for thorough fits, the rest for the test examples.

    The largest sizes are given up until each is tried on 1500 examples and on 20 per component (or on all there are),
    but never so many that fewer than five are left; then there are fewer rounds and knobs. A budget that is too small
    for even that is overrun rather than met by a baseline that does not try.
    """
    N, sizes, part = len(examples.train), _sizes(examples), 0.4 * operations
    while True:
        K = _draws(examples, operations / 5, cost, sizes) if dequantised else None
        each = [*sizes, *[sizes[-1]] * num_knobs]  # the knobs, and perhaps a neighbour, at the largest size
        judging = len(examples.valid) * (K or 1) * sum(map(cost.score, each))
        left = max(0.0, part - judging) / TRIES - sum(map(cost.fixed, each))
        rows, wanted = int(left / sum(map(cost.round, each))), min(N, max(ENOUGH, 20 * sizes[-1]))
        if rows >= wanted or len(sizes) <= FEWEST:
            break
        sizes = sizes[:-1]
    scarce, tried_rows = rows < wanted, min(N, max(rows, wanted))
    rounds = int(part / (N * cost.round(sizes[-1]) + cost.fixed(sizes[-1])))  # over all examples, in all starts
    starts = max(1, min(STARTS, rounds // ROUNDS))
    rows = N if rounds >= SCARCE else max(tried_rows, min(N, int(part / SCARCE / cost.round(sizes[-1]))))
    rounds = max(SCARCE, min(ROUNDS, rounds // starts))
    return Plan(
        tuple(sizes), 2 if scarce else num_knobs, tried_rows, SCARCE if scarce else TRIES, rows, rounds, starts, K
    )


def _sizes(examples: Examples) -> list[int]:
    """Numbers of components for which there are examples enough, and memory."""
    N, domain = len(examples.train), examples.domain
    cells = domain.num_dims * (domain.levels if domain.is_finite else 1)
    most = max(N // 5, min(N, COMPONENTS[FEWEST - 1]))
    return [C for i, C in enumerate(COMPONENTS) if most >= C and (C * cells <= CELLS or i < FEWEST)]


def _draws(examples: Examples, operations: float, cost: Cost, sizes: Sequence[int]) -> int:
    """The most K with which validation at every size and the test at the largest stay within the operations."""
    judged = len(examples.valid) * sum(map(cost.score, sizes)) + len(examples.test) * cost.score(sizes[-1])
    return next((K for K in DRAWS if K * judged <= operations), DRAWS[-1])


# small things


def _dequantised(x: Tensor, domain: Domain, seed: int) -> Tensor:
    """x + u with u ~ U[0, 1)^D for discrete x; real x as it is."""
    if not domain.is_discrete:
        return x
    with keyed("baselines", "dequantise", seed):
        return x + torch.rand_like(x)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _said(examples: Examples, rows: int, tried_rows: int) -> tuple[str, ...]:
    """Which training examples were left out, in a phrase; nothing where none was."""
    N, remarks = examples.num_train, []
    if rows < N:
        remarks.append(f"fitted on {rows:,} of {N:,} examples")
    if tried_rows < rows:
        remarks.append(f"size chosen on {tried_rows:,} of {N:,} examples")
    return tuple(remarks)
