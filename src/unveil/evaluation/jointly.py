"""What a model of several modalities says of each, of all, and of one given the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..data import Split
from ..domain import Domain
from ..errors import RequestError
from ..estimators.base import Estimate, evaluate
from ..model import Model
from ..ops import error_of_mean
from ..runs.store import RunStore
from ..settings.judging import make_estimator
from .splits import choose_split, limited

FORMAT = "unveil-joint-1"


def evaluate_jointly(
    run: RunStore,
    *,
    data: Any = None,
    split: str = "test",
    num_samples: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """log p of all modalities together, of each, of each given the other, and what they have in common, in nats.

    Of modalities a and b: log p(a, b), log p(a), log p(b); log p(a|b) = log p(a, b) − log p(b); and the pointwise
    mutual information log p(a, b) − log p(a) − log p(b). Each of the first three is a lower bound by importance
    weights, of one modality the closer of draws from q(z|x) and from p(z). A difference of two has no side: it is off
    by what the bounds are, which the errors do not show. Only examples with both are judged.

    Arguments: as of `evaluate_run`; num_samples, K.
    """
    domain = run.domain
    if domain.parts is None or len(domain.parts) != 2:
        raise RequestError(
            f"Joint figures were asked of a run on {domain}; they are for models of pictures and texts.",
            "Fit one: unveil fit SOURCE --model joint.",
        )
    chosen, source, name = choose_split(run, data, split, None, limit, seed)
    kept = complete(limited(chosen, name, limit, seed), domain)
    if not len(kept):
        raise RequestError("No example has both modalities, so nothing can be said of both together.")
    count = num_samples or run.config.judging.num_samples or 100
    a, b = domain.places
    found, by = {}, {}
    for seen in ((a, b), (a,), (b,)):
        names = ("iwae",) if len(seen) == 2 else ("iwae", "prior")
        found[seen], by[seen] = closest(run.model, showing(kept, domain, seen), names, count, seed, progress)
    both, one, other = found[a, b], found[(a,)], found[(b,)]
    return {
        "format": FORMAT,
        "source": source,
        "split": name,
        "num_examples": len(kept),
        "estimators": {", ".join(seen): name for seen, name in by.items()},
        "num_samples": count,
        "seed": seed,
        f"log p({a}, {b})": _figure(both),
        f"log p({a})": _figure(one),
        f"log p({b})": _figure(other),
        f"log p({a}|{b})": _figure(both, other),
        f"log p({b}|{a})": _figure(both, one),
        "pointwise mutual information": _figure(both, one, other),
    }


def closest(
    model: Model,
    split: Split,
    names: Sequence[str],
    num_samples: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Estimate, str]:
    """The estimate with the highest mean of several lower bounds on log p(x), and its name.

    Of a text alone p(z|t) may be as wide as p(z) and of no simple form, so that draws of p(z) come closer than those
    of q(z|t).
    """
    found = {
        name: evaluate(model, split, make_estimator(name, num_samples, {}), seed=seed, progress=progress)[0]
        for name in names
    }
    best = max(found, key=lambda name: float(found[name].log_px.mean()))
    return found[best], best


def complete(split: Split, domain: Domain) -> Split:
    """The examples of which something of every modality is observed."""
    if split.observed is None:
        return split
    there = torch.stack([split.observed[:, place].any(1) for place in domain.places.values()]).all(0)
    return split.take(there.nonzero().flatten())


def showing(split: Split, domain: Domain, names: tuple[str, ...]) -> Split:
    """The examples with some of their modalities alone."""
    observed = torch.ones(split.x.shape, dtype=torch.bool) if split.observed is None else split.observed.clone()
    for name, place in domain.places.items():
        if name not in names:
            observed[:, place] = False
    return replace(split, observed=None if bool(observed.all()) else observed)


def _figure(first: Estimate, *less: Estimate) -> dict[str, float]:
    """The mean over examples of one estimate less others, its error, and the error of the draws alone."""
    each = first.log_px - sum((own.log_px for own in less), torch.zeros_like(first.log_px))
    draws = sum((own.stderr_mc**2 for own in (first, *less)), torch.zeros_like(first.log_px))
    return {
        "mean": float(each.mean()),
        "stderr": float(error_of_mean(each)),
        "stderr_mc": float(draws.sum().sqrt() / len(each)),
    }
