"""How good a fitted model is: one estimate of log p(x) per example, and the object that reports it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .batch import Batch
from .config import estimator_arguments
from .data import Split, prepare, read_new
from .data.blocks import ROWS, blocks
from .data.raw import Raw
from .errors import RequestError
from .estimators.base import Estimate, Estimator, check_precision, evaluate
from .files import finite, read_json
from .models.base import Model
from .ops import error_of_mean, keyed
from .registry import lookup
from .run import RESULT, Run, versions

SPLITS = ("train", "valid", "test")
ACTIVE = 0.01  # Burda et al. (2016), §5: a latent is active when Var_x(E_q[z|x]) exceeds this
ACTIVE_ROWS = 10_000
PAIRED = 2 * ROWS  # examples on which two precisions are compared
RANKED = 1000  # validation examples that are scored, for new ones to be ranked among


def make_estimator(name: str, num_samples: int | None = None, options: Mapping[str, Any] | None = None) -> Estimator:
    """The named estimator.

    Arguments: num_samples, only where it takes one; options, {"estimator.KEY": value} as on the command line.
    """
    cls = lookup("estimator", name)
    arguments = estimator_arguments(name, options or {})
    if num_samples is None:
        return cls(**arguments)
    if arguments.get("num_samples", num_samples) != num_samples:
        raise RequestError(
            f"estimator.num_samples came as {arguments['num_samples']} and --num-samples as {num_samples}; give one."
        )
    try:
        return cls(**arguments | {"num_samples": num_samples})
    except TypeError as error:
        raise RequestError(f"The estimator {name!r} draws no samples; leave --num-samples out.") from error


def evaluate_run(
    run: Run,
    *,
    data: Any = None,
    split: str = "test",
    estimator: str | None = None,
    num_samples: int | None = None,
    options: Mapping[str, Any] | None = None,
    simulate: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The judged bound on log p(x), as one JSON object.

    Arguments:
        data: new x to judge (all of it), or the data of a run that was fitted on an array in memory.
        split: "train", "valid" or "test".
        estimator: a name of `unveil list estimators`; by default that of the run's own result.
        num_samples: K; by default as in the run's own result, or the estimator's default.
        options: {"estimator.KEY": value}, other arguments of the estimator.
        simulate: judge so many x drawn from the model itself, whose z are known, instead of any data.
        limit: only the first so many examples; said in the result.
        seed: of the draws.
        precision: "bf16" runs the decoder in bfloat16; the result then holds `precision_difference`, what that changes.
    """
    own = run.config["evaluation"]
    estimator = own["estimator"] if estimator is None else estimator
    if num_samples is None and estimator == own["estimator"] and "estimator.num_samples" not in (options or {}):
        num_samples = own["num_samples"]
    judge = make_estimator(estimator, num_samples, options)
    check_precision(run.model, judge, precision)
    chosen, source, name = choose_split(run, data, split, simulate, limit, seed)
    estimate, seconds = evaluate(
        run.model, chosen, judge, seed=seed, limit=limit, precision=precision, progress=progress
    )
    kept = chosen if limit is None else chosen.head(limit)
    reduced = precision != "float32"
    paired = estimate if len(kept) <= PAIRED else None
    changed = (
        {"precision_difference": precision_difference(run, kept, judge, seed, precision, paired)} if reduced else {}
    )
    return {
        "format": RESULT,
        "source": source,
        "split": name,
        **report_estimate(run, kept, judge, estimate),
        **changed,
        "precision": precision,
        "seconds": round(seconds, 3),
        "seed": seed,
    }


def precision_difference(
    run: Run,
    split: Split,
    judge: Estimator,
    seed: int = 0,
    precision: str = "bf16",
    reduced: Estimate | None = None,
) -> dict[str, Any]:
    """What a reduced precision changes, log p̂(x) in it − log p̂(x) in float32, in nats, of examples spread over a split.

    Both see the same x, z and q(z|x), with the same K. Rounding of log w that differs from draw to draw pushes a
    log-mean-exp up, by up to half its variance, so the difference is stated and never taken off.

    Arguments: reduced, the estimate of the whole split in the reduced precision, where the split is no larger than what
    is compared.
    """
    some, start = split.spread(PAIRED), time.perf_counter()
    if reduced is None:
        reduced, _ = evaluate(run.model, some, judge, seed=seed, precision=precision)
    full, _ = evaluate(run.model, some, judge, seed=seed)
    off = reduced.log_px - full.log_px
    return {
        "mean": float(off.mean()),
        "stderr": finite(float(error_of_mean(off))),
        "max_abs": float(off.abs().max()),
        "num_examples": len(off),
        "num_samples": judge.num_samples,
        "seconds": round(time.perf_counter() - start, 3),
    }


def choose_split(
    run: Run,
    data: Any = None,
    split: str = "test",
    simulate: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[Split, str, str]:
    """What is to be judged, on the run's device, with its source and its name; arguments as for `evaluate_run`.

    Its z are exact draws from p(z|x) where x is simulated, and left out elsewhere: known latents of real x are not.
    """
    if split not in SPLITS:
        raise RequestError(f"There is no split {split!r}; a run has {', '.join(SPLITS)}.")
    for name, count in (("limit", limit), ("simulate", simulate)):
        if count is not None and count < 1:
            raise RequestError(f"{name} is {count}; it takes a whole number from 1 upwards.")
    if data is not None and simulate is not None:
        raise RequestError("Both data and a number of x to simulate came; give one of them.")
    if simulate is not None:
        return simulated(run, simulate, seed), "the model itself", "simulated"
    if data is None:
        found, source, name = getattr(run.data, split), run.data.source, split
    else:
        found, source, name = new_split(run, data)[0], data if isinstance(data, str) else "array", "given"
    return replace(found, z=None).to(run.train["device"]), source, name


@torch.no_grad()
def simulated(run: Run, count: int, seed: int = 0) -> Split:
    """x drawn from p(x, z) with the z behind each: an exact draw from p(z|x). Labels, of a model given them, from p(y).

    The numbers do not depend on `count`: noise is drawn in blocks of 128.
    """
    drawn = [_simulated_block(run, seed, block.first) for block in blocks(count)]
    x = torch.cat([part.x for part in drawn])
    y = None if drawn[0].y is None else torch.cat([part.y for part in drawn if part.y is not None])
    z = tuple(torch.cat(groups) for groups in zip(*(part.z for part in drawn if part.z is not None), strict=True))
    rows = torch.arange(len(x), device=x.device)
    return Split(x, y, run.domain, "none", rows, z=z).head(count)


def _simulated_block(run: Run, seed: int, first: int) -> Batch:
    with keyed("simulate", seed, first):
        y = run.model.draw_labels(ROWS)
        x, z = run.model.sample(ROWS, y)
    return Batch(x, y=y, z=z)


def new_split(run: Run, x: Any) -> tuple[Split, Raw]:
    """New x in the run's domain, every row in the source's order, and what it was read as; columns go by name."""
    info, options = run.data_info, run.config["data"]
    table = {name: options.get(name, "") for name in ("label", "drop")}
    raw = read_new(x, run.domain, columns=info["columns"], **table)
    return prepare(raw, run.domain, info["binarization"], info["split"]["seed"], levels=info["levels"]), raw


def observed_share(split: Split) -> float:
    """The share of the values of x that are observed."""
    return 1.0 if split.observed is None else float(split.observed.double().mean())


def condition(model: Model, split: Split) -> str:
    """ "label" where log p(x|label) is judged; a model conditioned on labels sums over them where none is observed."""
    given = split.y is not None and bool((split.y >= 0).any())
    return "label" if given and model.draw_labels(1) is not None else "none"


def report_estimate(run: Run, split: Split, judge: Estimator, estimate: Estimate) -> dict[str, Any]:
    """The shared fields of result.json and `evaluate --json`, from one estimate."""
    info, log_px = run.data_info, estimate.log_px
    count, observed = len(log_px), observed_share(split)
    found = estimate.diagnostics
    report = {
        "format": RESULT,
        "binarization": info["binarization"],
        "data_sha256": info["sha256"],
        "num_examples": count,
        "observed": observed,
        "condition": condition(run.model, split),
        "estimator": judge.registered[1],
        "direction": estimate.direction,
        "num_samples": judge.num_samples,
        "log_px": float(log_px.mean()),
        "log_px_sum": float(log_px.sum()),
        "stderr": finite(float(error_of_mean(log_px))),
        "stderr_mc": finite(float((estimate.stderr_mc**2).sum().sqrt()) / count),
        "elbo": float(found["elbo"].mean()),
        "rate": float(found["rate"].mean()),
        "distortion": float(found["distortion"].mean()),
        "kl_per_group": [float(v) for v in found["kl"].mean(0)],
        "active_units": active_units(run.model, split),
        "bits_per_dim": bits_per_dim(run, float(log_px.mean()), observed),
        "device": run.train["device"],
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "versions": versions(),
        "continuations": continuations(run),
    }
    if "khat" in found:
        report |= _weights_health(found)
    report |= judge.summary(estimate)
    return report | {"why": _why_null(report)}


def _weights_health(found: dict[str, Tensor]) -> dict[str, Any]:
    khat = found["khat"]
    return {
        "ess": float(found["ess"].mean()),
        "khat": finite(float(khat.nanmedian())),
        "khat_above_0.7": None if bool(khat.isnan().all()) else float((khat > 0.7).double().mean()),
    }


def _why_null(report: dict[str, Any]) -> dict[str, str]:
    reasons = {
        "bits_per_dim": "x is real-valued: its log density has no bits",
        "num_samples": "the estimator draws no samples",
        "stderr": "one example has no spread",
        "stderr_mc": "one draw cannot tell its own error",
        "active_units": "the latents have no posterior mean",
        "khat": "fewer than 25 samples, or equal weights",
        "khat_above_0.7": "fewer than 25 samples",
        "binarization": "the data was not binarized",
    }
    return {name: reasons[name] for name, value in report.items() if value is None}


def bits_per_dim(run: Run, log_px: float, observed: float = 1.0) -> float | None:
    """−log₂ p(x)/D for discrete x, D counting what is observed; None for real x, and where nothing is."""
    domain = run.domain
    return -log_px / (domain.num_dims * observed * math.log(2)) if domain.is_discrete and observed else None


def continuations(run: Run) -> list[dict[str, Any]]:
    """When and from which step the run was resumed."""
    path = run.path / "continuations.json"
    return list(read_json(path, "unveil-continuations-1")["continuations"]) if path.is_file() else []


@torch.no_grad()
def posterior_moments(model: Model, split: Split, *, expected: bool = False) -> tuple[Tensor, Tensor] | None:
    """Posterior means and standard deviations [N, D] on the CPU, or None where z has none.

    Arguments: expected, feed grey images as pixel probabilities instead of a draw (for embeddings).
    """
    means, stddevs = [], []
    model.eval()
    for block in blocks(len(split)):
        with keyed("moments", block.first):  # a label that is not known is inferred from draws
            posterior = model.posterior(split.expected(block.rows) if expected else split.batch(block.rows))
        if posterior.mean is None or posterior.stddev is None:
            return None
        means.append(torch.cat([m.flatten(1) for m in posterior.mean], 1)[: block.keep].cpu())
        stddevs.append(torch.cat([s.flatten(1) for s in posterior.stddev], 1)[: block.keep].cpu())
    return torch.cat(means), torch.cat(stddevs)


def active_rows(split: Split) -> Split:
    """The examples on which active latents are counted: at most 10,000, evenly spread over the split."""
    return split.spread(ACTIVE_ROWS)


def active_units(model: Model, split: Split) -> int | None:
    """Burda's count: latents whose posterior mean varies over examples by more than 0.01."""
    moments = posterior_moments(model, active_rows(split), expected=True)
    return None if moments is None or len(moments[0]) < 2 else int((moments[0].var(0) > ACTIVE).sum())
