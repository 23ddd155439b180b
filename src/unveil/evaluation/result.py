"""The object that states an estimate of log p(x): the fields of result.json."""

import math
from typing import Any

import torch
from torch import Tensor

from ..diagnostics.activity import active_units
from ..estimators.base import Estimator
from ..estimators.label import settings_of
from ..files import finite
from ..ops import error_of_known, error_of_mean
from ..runs.store import RunStore
from ..runs.versions import versions
from .carried import carried, spread_of
from .judged import Judged
from .splits import condition, observed_share


def report_estimate(run: RunStore, judge: Estimator, judged: Judged) -> dict[str, Any]:
    """The shared fields of result.json and `evaluate --json`, from one estimate."""
    split, estimate = judged.split, judged.estimate
    info, log_px = run.data_info, estimate.log_px
    count, observed = len(log_px), observed_share(split)
    found = estimate.diagnostics
    report = {
        "binarization": info["binarization"],
        "data_sha256": info["sha256"],
        "num_examples": count,
        "observed": observed,
        "condition": condition(run.model, split),
        **({"gaps": "informative"} if run.domain.models_gaps else {}),
        "estimator": judge.registered[1],
        "direction": estimate.direction,
        "num_samples": judge.num_samples,
        "settings": settings_of(judge),
        "log_px": float(log_px.mean()),
        "log_px_sum": float(log_px.sum()),
        **spread_of(log_px),
        "stderr": finite(float(error_of_mean(log_px))),
        "stderr_mc": finite(error_of_known(estimate.stderr_mc)),
        **{name: float(found[name].mean()) for name in ("elbo", "rate", "distortion")},
        "kl_per_group": [float(v) for v in found["kl"].mean(0)],
        "active_units": active_units(run.model, split),
        "bits_per_dim": bits_per_dim(run, float(log_px.mean()), observed),
        "device": run.device,
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "versions": versions(),
        "continuations": run.continuations,
    }
    if "khat" in found:
        report |= _weights_health(found)
    if few := carried(log_px, split):
        report["carried"] = few
    if judged.parts:
        report["parts"] = [part.to_json() for part in judged.parts]
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


def bits_per_dim(run: RunStore, log_px: float, observed: float = 1.0) -> float | None:
    """−log₂ p(x)/D for discrete x, D counting what is observed; None for real x, and where nothing is."""
    domain = run.domain
    return -log_px / (domain.num_dims * observed * math.log(2)) if domain.is_discrete and observed else None
