"""result.json: what log p(x) came to, and what is said of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ...records import Count, Positive, Sha256, Text

Nats = Annotated[float, Meta(ge=-1e300, le=1e300)]
NotNegative = Annotated[float, Meta(ge=0, le=1e300)]
Direction = Literal["lower", "upper", "exact", "other"]


class Finding(Struct):
    """Something to know of a result."""

    code: Text
    sentence: Text


class Tried(Struct):
    """A size that was tried."""

    size: Positive
    valid_log_px: Nats


class SimpleModel(Struct):
    """A baseline beside the model."""

    name: Text
    description: Text
    log_px: Nats
    direction: Direction
    num_samples: Positive | None
    size: Positive
    tried: list[Tried]
    difference: Nats
    difference_stderr: NotNegative | None
    seconds: NotNegative
    stderr: NotNegative | None = None


class PartOfResult(Struct):
    """The mean of some of the examples, or of another quantity of them."""

    quantity: Text
    examples: Text
    num_examples: Count
    log_px: Nats
    stderr: NotNegative | None = None
    stderr_mc: NotNegative | None = None
    direction: Direction = "lower"
    elbo: Nats | None = None
    rate: Nats | None = None
    distortion: Nats | None = None


class FarRow(Struct):
    """A row far below the others."""

    row: Count
    log_px: Nats


class Carried(Struct):
    """The few rows that carry the mean."""

    num_rows: Count
    rows: Annotated[list[FarRow], Meta(min_length=1, max_length=1000)]
    cost: Nats
    mean_of_the_others: Nats


class ResultFile(Struct):
    """result.json. What an estimator adds of its own (as a gap) is read by nobody but the person who asked for it."""

    format: str
    source: Text
    split: Text
    binarization: Text | None
    data_sha256: Sha256
    num_examples: Positive
    estimator: Text
    direction: Direction
    num_samples: Positive | None
    log_px: Nats
    log_px_sum: Nats
    stderr: NotNegative | None
    stderr_mc: NotNegative | None
    elbo: Nats
    rate: Nats
    distortion: Nats
    kl_per_group: list[Nats]
    active_units: Count | None
    bits_per_dim: Nats | None
    seconds: NotNegative
    seed: Annotated[int, Meta(ge=0)]
    device: Text
    threads: Positive
    precision: Text
    versions: dict[str, Text]
    phase: Count
    valid_log_px: Nats
    baselines: list[SimpleModel]
    findings: list[Finding]
    sentences: Annotated[list[Text], Meta(min_length=1)]
    baselines_left_out: list[Text] = []
    continuations: list[dict[str, Any]] = []
    run_sha256: Sha256 | None = None
    weights_sha256: Sha256 | None = None
    scores_sha256: Sha256 | None = None
    observed: Annotated[float, Meta(ge=0, le=1)] = 1.0
    condition: Text = "none"
    gaps: Literal["ignored", "informative"] = "ignored"
    settings: dict[str, int | float | str | bool | None] = {}
    median: Nats | None = None
    ess: NotNegative | None = None
    khat: Nats | None = None
    khat_above: Annotated[float, Meta(ge=0, le=1)] | None = msgspec.field(default=None, name="khat_above_0.7")
    lower: Nats | None = None
    upper: Nats | None = None
    accepted: NotNegative | None = None
    parts: list[PartOfResult] = []
    carried: Carried | None = None
    words: list[Text] = []
    why: dict[str, Text] = {}
