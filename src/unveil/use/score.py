"""The verb score: log p(x) of every row, with its error and its rank among validation examples."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data import Split
from ..errors import Fact, RequestError
from ..estimators.base import Estimate
from ..runs.given import Given, given_with_outside
from ..runs.store import RunStore
from .explain import Explainer, Explanation
from .masks import Ranks, ranks_of_gaps
from .oddity import Judge
from .reference import Reference, scored
from .rows import as_it_came, file_column

FEW, SHARE = 5.0, 0.3  # effective draws of a row, and their share of all draws, below which they are a few
NAMED = 5  # rows that are named


@dataclass(frozen=True)
class Scores:
    """One number per row, in the source's order.

    Arguments: log_px [N] nats; stderr [N], the estimator's own error, NaN where a few draws of z carry the estimate and
    no error can be told; percentile [N], the share of validation examples (in %) that are less likely, of a row with
    gaps among examples of which the same is taken, NaN where there are none on the same draws; direction and estimator
    say what log_px is; files, of a folder of pictures, the path of each row's; khat [N], where draws of z are weighed
    and there are 25 or more, the Pareto shape k̂ of a row's largest weights: above 0.7 a few of them dominate, log p(x)
    may be higher and its error larger than stated; −inf where all weights are equal.
    With oddity=True, oddity [N], oddity_percentile [N] and odd_by [N], as of `unveil.use.oddity.Oddity`. With
    explain=True, explanation, an `unveil.use.explain.Explanation`. Of pictures and texts observed [N], which of them
    log p is of; where neither is, there is no log p (NaN).
    """

    log_px: np.ndarray
    stderr: np.ndarray
    percentile: np.ndarray
    direction: str
    estimator: str
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    khat: np.ndarray | None = None
    oddity: np.ndarray | None = None
    oddity_percentile: np.ndarray | None = None
    odd_by: np.ndarray | None = None
    explanation: Explanation | None = None
    observed: np.ndarray | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.log_px, dtype=dtype, copy=copy)

    def columns(self) -> dict[str, np.ndarray]:
        rows = np.arange(len(self.log_px))
        seen = {} if self.observed is None else {"observed": self.observed}
        numbers = {"row": rows, **seen, "log_px": self.log_px, "stderr": self.stderr, "percentile": self.percentile}
        further = {name: getattr(self, name) for name in ("khat", "oddity", "oddity_percentile", "odd_by")}
        known = {name: found for name, found in further.items() if found is not None}
        explained = {} if self.explanation is None else self.explanation.columns()
        return file_column(self.files) | numbers | known | explained

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays, the one that stands for all first; words are left out."""
        found = {name: column for name, column in self.columns().items() if column.dtype.kind != "O"}
        return {"log_px": self.log_px} | found


def score(
    run: RunStore,
    x: Any,
    *,
    seed: int = 0,
    skip_broken: bool = False,
    oddity: bool = False,
    explain: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """log p(x) of every row with its error and its percentile among the validation examples, as `Scores`.

    All rows are judged on the same draws, keyed by the seed: a row's number is a function of the row, whatever stands
    beside it and wherever it stands in the file, and rows are compared without the noise that they share. Validation
    examples are scored on the draws of seed 0; under another seed a row has no percentile (NaN), unless they are scored
    again, which oddity does. A high log p(x) does not prove that x belongs: simple images can be likelier than any
    training image. Of a row with gaps it is log p of the observed part, and its percentile is among validation examples
    of which the same is taken (`unveil.use.masks.ranks_of_gaps`), which needs the data of the run, and NaN without it;
    of a row of which nothing is observed log p is 0. Where gaps are modelled (data.missing=informative) log p is that
    of the row and its mask, and all rows are ranked together. Labels are not read: a model conditioned on them sums
    over them. A data frame gives a frame of the same kind and index.

    Arguments: skip_broken, leave out pictures of a folder that cannot be read; the others are named by their files;
    oddity, add columns that order rows by how odd they are, which needs the training data: the farthest of several
    measures, 1 being where the oddest 5 % begin. Of a table they are the distance to the nearest row that the run was
    given, the tails of its columns, and log p(x) where it is low; of other x log p(x) (too likely is odd as well), the
    distance to the fifth nearest training example in z, and, of pictures and levels, the compressed size of x;
    explain, of the rows of a table, add log p of each column given what else is observed of the row, the column that
    fits least, and what was to be expected there, which needs the validation examples, and so the data. The column with
    the lowest percentile fits least: the share of validation examples of which it is less likely given the rest of
    their rows. log p itself does not compare between columns, of which one of many levels or of small cells always has
    a low one.
    """
    judging, judge = run.config.judging, Judge.of(run, seed) if oddity else None
    explainer = Explainer.of(run) if explain else None
    reference = Reference.kept(run, seed) if judge is None else judge.reference
    given = given_with_outside(run, x, skip_broken)
    raw, estimate = given.raw, scored(run, given.split, seed, progress=progress)
    log_px, gaps = np.where(given.outside, -np.inf, estimate.log_px.numpy()), _with_gaps(given)
    ranks = _ranks_of_gaps(run, given, gaps, log_px, seed)
    percentile = np.where(gaps, ranks.percentile, reference.percentile(log_px))
    few = carried_by_few(estimate, judging.num_samples)
    stderr = np.where(given.outside, 0.0, np.where(few | np.isneginf(log_px), np.nan, estimate.stderr_mc.numpy()))
    remarks = (*_said(few & ~np.isneginf(log_px)), *_said_impossible(given, log_px), *ranks.notes)
    notes = (*raw.ignored, *remarks, *reference.notes, *((_OF_BOTH,) if run.domain.models_gaps else ()))
    khat = _khat(estimate, given.outside | np.isneginf(log_px))
    observed = _modalities(given.split)
    if observed is not None:
        log_px, stderr, percentile = (np.where(observed == "", np.nan, own) for own in (log_px, stderr, percentile))
    found = Scores(log_px, stderr, percentile, estimate.direction, judging.estimator, notes, raw.files, khat)
    found = replace(found, observed=observed)
    if judge is not None:
        odd = judge(given.split, log_px)
        found = replace(found, oddity=odd.value, oddity_percentile=odd.percentile, odd_by=odd.by)
        found = replace(found, notes=(*notes, *odd.notes))
    if explainer is not None:
        told = explainer(given.split, seed, progress)
        found = replace(found, explanation=told, notes=tuple(dict.fromkeys((*found.notes, *told.notes))))
    return as_it_came(x, raw, found)


def _khat(estimate: Estimate, impossible: np.ndarray) -> np.ndarray | None:
    """k̂ [N] of the weights, NaN in impossible rows [N]; None where there are no weights, or too few to tell."""
    found = estimate.diagnostics.get("khat")
    if found is None or bool(found.isnan().all()):
        return None
    return np.where(impossible, np.nan, found.numpy())


def _modalities(split: Split) -> np.ndarray | None:
    """Of joint x which modalities of each row are observed [N], such as "image, text" or ""; None of other x."""
    if split.domain.parts is None:
        return None
    there = np.ones((len(split), len(split.domain.places)), bool)
    if split.observed is not None:
        each = [split.observed[:, place].any(1).cpu().numpy() for place in split.domain.places.values()]
        there = np.stack(each, 1)
    names = np.array(list(split.domain.places))
    return np.array([", ".join(names[row]) for row in there], object)


def _with_gaps(given: Given) -> np.ndarray:
    """[N] whether something of a row is left out of log p(x), because it is not observed."""
    observed = given.split.settled
    return np.zeros(len(given.split), bool) if observed is None else ~observed.flatten(1).all(1).cpu().numpy()


def _ranks_of_gaps(run: RunStore, given: Given, gaps: np.ndarray, log_px: np.ndarray, seed: int) -> Ranks:
    """The percentiles [N] of rows with gaps; of pictures, and where the data of the run is gone, there are none."""
    if not gaps.any():
        return Ranks(log_px, ())
    none = np.full(len(gaps), np.nan)
    if run.domain.models_gaps:
        return Ranks(none, (Fact(_NEW_GAPS.format(rows=f"{gaps.sum():,} of {len(gaps):,}")),))
    told = (
        f"{gaps.sum():,} of {len(gaps):,} rows have gaps. Their log p(x) is of what is observed, and does not "
        "compare with that of other rows: they have no percentile"
    )
    if len(run.domain.shape) != 1:
        return Ranks(none, (Fact(f"{told}."),))
    try:
        valid = run.judged("valid")
    except RequestError as error:
        return Ranks(none, (Fact(f"{told}, which takes the data of the run. {error.message}"),))
    return ranks_of_gaps(run, given.split, valid, log_px, seed)


_OF_BOTH = Fact("log_px is log p(x, mask): of what is observed of a row, and of which of its cells are missing.")
_NEW_GAPS = (
    "{rows} rows have gaps in columns that had none in training. These are left out of log p, which does not compare "
    "with that of other rows: they have no percentile."
)


def _said_impossible(given: Given, log_px: np.ndarray) -> tuple[str, ...]:
    """What there is to say of rows that come out at −inf."""
    told = [f"{given.said} Such a row has probability 0: its log p(x) is −inf."] if given.said else []
    far = np.flatnonzero(np.isneginf(log_px) & ~given.outside)
    if len(far):
        rows = ", ".join(f"{row:,}" for row in far[:NAMED]) + (" …" if len(far) > NAMED else "")
        told.append(
            f"{len(far):,} of {len(log_px):,} rows ({rows}) lie so far from all of training that their log p(x) is too "
            "low to be computed; it is given as −inf."
        )
    return tuple(told)


def carried_by_few(estimate: Estimate, num_samples: int | None) -> np.ndarray:
    """[N] whether a few of the draws make up the estimate: 1/√ess, its error, is then no error at all."""
    ess = estimate.diagnostics.get("ess")
    if ess is None or num_samples is None:
        return np.zeros(len(estimate.log_px), bool)
    return (ess < min(FEW, SHARE * num_samples)).numpy()


def _said(few: np.ndarray) -> tuple[str, ...]:
    if not few.any():
        return ()
    rows = ", ".join(f"{row:,}" for row in np.flatnonzero(few)[:NAMED]) + (" …" if few.sum() > NAMED else "")
    return (
        f"In {few.sum():,} of {len(few):,} rows ({rows}) a few draws of z carry the estimate. It is a lower bound that "
        "changes with the seed, and log p(x) may be much higher. No error is given for these rows.",
    )
