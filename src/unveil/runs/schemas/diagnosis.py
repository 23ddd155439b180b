"""diagnosis.json: what `unveil diagnose` measured, as far as a page or a table reads it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...records import Count, Text
from .result import Direction

Number = Annotated[float, Meta(ge=-1e300, le=1e300)] | None
Family = Literal["mean_field", "full", "flow"]


class Rung(Struct):
    """One bound of the bracket."""

    name: Text
    direction: Direction
    log_px: Number
    stderr_mc: Number = None
    strict: bool = True


class BracketPart(Struct):
    """The bounds on both sides."""

    num_examples: Count
    rows: list[Rung]
    words: list[Text] | Text = []


class Loss(Struct):
    """A mean over the examples."""

    mean: Number
    stderr: Number = None


class LossOfFamily(Struct):
    """The same, and its side."""

    mean: Number
    side: Text
    stderr: Number = None


class PerExample(Struct):
    """Both losses of each example."""

    amortisation: list[Number]
    approximation: list[Number]


class GapPart(Struct):
    """Where the bound loses."""

    log_px: Number
    elbo: Number
    family: Family
    amortisation: Loss
    approximation: LossOfFamily
    by_family: dict[Family, Number]
    per_example: PerExample
    advice: Text


class AggregatePart(Struct):
    """What the rate pays for."""

    information: Number
    kl: Number
    cap: Number
    capped: bool
    auc: Number
    auc_stderr: Number
    holes: Number
    fewer: Text | None = None
    words: list[Text] | Text = []


class Worded(Struct):
    """A part of which the words are shown."""

    words: list[Text] | Text = []


class FidelityOf(Struct):
    """Samples, or training examples, among held-out x."""

    precision: Number
    recall: Number
    density: Number
    coverage: Number


class QualityPart(Struct):
    """Samples beside data."""

    samples: FidelityOf
    reference: FidelityOf
    features: Text
    num_samples: Count
    num_heldout: Count
    copied: Number


class PathsPart(Struct):
    """Decoded paths between two examples."""

    straight_jump: Number
    straight_length: Number
    spherical_jump: Number
    spherical_length: Number


class MeasuredCode(Struct):
    """What is read of a code: whatever simple readers measured of it."""

    linear: Number = None
    linear_stderr: Number = None
    knn: Number = None
    knn_stderr: Number = None
    trustworthiness: Number = None
    continuity: Number = None
    auc: Number = None
    spearman: Number = None
    mig: Number = None
    sap: Number = None
    disentanglement: Number = None
    completeness: Number = None
    informativeness: Number = None


class StructurePart(Struct):
    """What z knows; by the codes "z", "ppca" and "x"."""

    dims: Count
    labels: dict[str, MeasuredCode | None] | None = None
    majority: Number = None
    near: dict[str, MeasuredCode | None] | None = None
    paths: PathsPart | None = None
    order: dict[str, MeasuredCode | None] | None = None
    tree: dict[str, MeasuredCode | None] | None = None
    factors: dict[str, MeasuredCode | None] | None = None


class TrendsPart(Struct):
    """Errors of columns, and of pairs of the columns at the places `paired`."""

    columns: list[Number]
    columns_chance: list[Number]
    paired: list[Count]
    pairs: list[list[Number]]
    pairs_chance: list[list[Number]]


class SyntheticPart(Struct):
    """Synthetic rows of a table beside real ones."""

    names: list[Text]
    trends: TrendsPart
    rows: list[Annotated[list[Text], Meta(min_length=4, max_length=4)]]
    words: Annotated[list[Text], Meta(min_length=1)]

    def __post_init__(self) -> None:
        count, of = len(self.names), self.trends
        squares = (of.pairs, of.pairs_chance)
        sizes = {len(square) for square in squares} | {len(row) for square in squares for row in square}
        if {len(of.columns), len(of.columns_chance)} != {count} or sizes != {len(of.paired)}:
            raise ValueError("its errors are not those of its columns")
        if any(place >= count for place in of.paired):
            raise ValueError("it pairs columns that it does not name")


class Remedied(Struct):
    """A finding with what to do about it."""

    code: Text
    sentence: Text
    remedy: Text


class DiagnosisFile(Struct):
    """diagnosis.json."""

    format: str
    source: Text
    split: Text
    num_examples: Count
    seed: int
    seconds: Annotated[float, Meta(ge=0, le=1e12)]
    bracket: BracketPart | None
    gap: GapPart | None
    aggregate: AggregatePart | None
    collapse: Worded | None
    quality: QualityPart | None
    structure: StructurePart | None
    findings: list[Remedied] = []
    sentences: list[Text] = []
    why: dict[str, Text] = {}
    codebook: Worded | None = None
    synthetic: SyntheticPart | None = None
    phase: Count = 0
