"""What a model is good for and what is wrong with it, or not known: a sentence each, made from what was measured.

A claim is a function of what is known of a run that returns its sentence, or None where nothing of it was measured or
it does not hold. No claim stands without its number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..diagnostics.quality import ENOUGH, LITTLE, SHORT
from ..diagnostics.verdicts import clearly
from ..evaluation.findings import quantity
from ..evaluation.judged import of_x_alone
from ..legible import quoted
from .reliance import FEW, error_of_one, few_count
from .rounding import error, fixed, percent
from .subject import Subject

SILENT = 0.1  # nats, below which a fit says of a model that it has collapsed
SOME_RATE = 0.5  # nats, below which a code says next to nothing
FEW_EXAMPLES = 100  # test examples, below which an error is large
TELLING = 3.0  # how many errors of the estimator the spread of log p(x) must be, to rank examples by it
ABOVE_GUESSING = 4.0  # standard errors of what a linear probe finds
TOLD = 0.8  # AUC, from which on synthetic rows are easily told from real ones


@dataclass(frozen=True)
class Known:
    """What was measured of a run.

    Arguments: result and diagnosis, its files, {} where there is no diagnosis; num_latents and num_levels, None where
    x or z has none; typed, the run as it is typed in a command; has_z, whether the model has latents.
    """

    result: dict[str, Any]
    diagnosis: dict[str, Any]
    num_latents: int | None
    num_levels: int | None
    typed: str
    has_z: bool = True

    @staticmethod
    def of(subject: Subject) -> Known:
        found = subject.dimensions
        count = None if found is None else len(found.variance)
        files, levels = (subject.result, subject.run.diagnosis or {}), subject.domain.num_levels
        return Known(*files, count, levels, quoted(subject.run.path), bool(subject.model.groups))

    @cached_property
    def alone(self) -> dict[str, Any]:
        """The numbers of log p(x) itself, of a model that was given labels."""
        return of_x_alone(self.result)


@dataclass(frozen=True)
class Claims:
    """Sentences for the first screen."""

    good: list[str]
    wrong: list[str]


def claims(subject: Subject) -> Claims:
    """What holds of a run."""
    return stated(Known.of(subject))


def stated(known: Known) -> Claims:
    """The claims that hold of what is known, in order."""
    good, wrong = ([said for claim in each if (said := claim(known))] for each in (GOOD, WRONG))
    return Claims(good, wrong)


def beats_simple_models(known: Known) -> str | None:
    """That log p(x) is clearly above that of every simple model."""
    best = _best(known)
    if best is None or clearly(best["difference"], best["difference_stderr"], known.result["num_examples"]) <= 0:
        return None
    least = "at least " if _is_below(known, best) else ""
    return (
        f"Saying how likely an x is: {quantity(known.alone)} of new x is {least}{_apart(best)} nats higher than with "
        f"the best simple model, {best['description']}."
    )


def samples_like_data(known: Known) -> str | None:
    """That samples lie among held-out x, and held-out x among samples, nearly as training examples do."""
    found = _quality(known)
    if found is None or any(_share(found, name) < SHORT for name in ("precision", "coverage")):
        return None
    return f"Making new x: {_among(found)}"


def codes_tell_labels(known: Known) -> str | None:
    """That a linear probe reads the label from z, clearly better than by guessing."""
    part = known.diagnosis.get("structure") or {}
    found, guess = (part.get("labels") or {}).get("z"), part.get("majority")
    if not found or found.get("linear") is None or guess is None:
        return None
    if found["linear"] - guess <= ABOVE_GUESSING * (found.get("linear_stderr") or math.inf):
        return None
    return (
        f"A short code for each x: a linear probe reads the right label from z for {percent(found['linear'])} of the "
        f"examples. Guessing would reach {percent(guess)}."
    )


def codes_carry(known: Known) -> str | None:
    """How much z says, in how many dimensions."""
    active, rate = known.result["active_units"], known.result["rate"]
    if not known.num_latents or not active or rate < SOME_RATE or _beaten(known):
        return None
    change, carry = ("changes", "it carries") if active == 1 else ("change", "together they carry")
    return (
        f"A short description of x: {active} of {known.num_latents} latents {change} with x, and {carry} at most "
        f"{fixed(rate)} nats about it."
    )


def ranks_examples(known: Known) -> str | None:
    """That log p(x) differs from example to example by far more than the estimator's error for one."""
    spread = _spread(known)
    if spread is None or few_count(known.alone) or _beaten(known):
        return None
    whole, own = spread
    if own > 0 and whole < TELLING * own:
        return None
    exact, what = known.alone["direction"] == "exact", quantity(known.alone)
    apart = "it is exact" if exact else f"the estimator errs by {error(own)} for one example"
    return f"Ranking examples by {what}: it varies by {fixed(whole)} nats from one to another, and {apart}."


def compresses(known: Known) -> str | None:
    """That x takes fewer bits than it takes as it is written."""
    bits, levels = known.alone["bits_per_dim"], known.num_levels
    if bits is None or not levels or known.alone["direction"] not in ("lower", "exact"):
        return None
    plain, stderr = math.log2(levels), known.alone["stderr"]
    off = math.inf if stderr is None else TELLING * stderr * bits / abs(known.alone["log_px"])
    if bits + off >= plain or _beaten(known) or few_count(known.alone):
        return None
    return (
        f"Storing x in few bits: {fixed(bits, 3)} bits per dimension are enough. As written it takes {fixed(plain, 3)}."
    )


def beaten_by_simple_models(known: Known) -> str | None:
    """Simple models that explain x clearly better, or better than is known of this one."""
    count, every = known.result["num_examples"], known.alone["baselines"]
    better = [one for one in every if clearly(one["difference"], one["difference_stderr"], count) < 0]
    if not better:
        return None
    best = max(better, key=lambda one: one["log_px"])
    if _is_below(known, best):
        return (
            f"The bound on {quantity(known.alone)} is lower than what {len(better)} of {len(every)} simple models "
            f"reach. The best of them, {best['description']}, is {_apart(best)} nats above it. The true value may be "
            "higher than the bound."
        )
    return (
        f"{len(better)} of {len(every)} simple models explain x better. The best of them, {best['description']}, is "
        f"{_apart(best)} nats better."
    )


def not_above_simple_models(known: Known) -> str | None:
    """That nobody can tell it from the best simple model."""
    best = _best(known)
    if best is None or clearly(best["difference"], best["difference_stderr"], known.result["num_examples"]) != 0:
        return None
    return (
        f"It is not clearly better than a simple model, {best['description']}: the difference is "
        f"{_signed(best['difference'])} ± {error(best['difference_stderr'])} nats."
    )


def samples_unlike_data(known: Known) -> str | None:
    """That precision or coverage falls far short of what training examples reach."""
    found = _quality(known)
    if found is None or all(_share(found, name) >= LITTLE for name in ("precision", "coverage")):
        return None
    return f"Its samples differ from data: {_among(found)}"


def rows_told_apart(known: Known) -> str | None:
    """Of a table, that a classifier tells synthetic rows from real ones."""
    rows = (known.diagnosis.get("synthetic") or {}).get("rows", [])
    told = next((row[1] for row in rows if row[0] == "told from real rows, AUC"), None)
    if told is None or float(told.split(" ")[0]) < TOLD:
        return None
    return (
        f"Synthetic rows are easily told from real ones: a classifier reaches an AUC of {told}, and 0.5 would be a "
        "match."
    )


def latents_silent(known: Known) -> str | None:
    """That z is hardly used at all."""
    if known.num_latents is None or known.result["direction"] == "exact" or known.result["rate"] >= SILENT:
        return None
    return f"z is hardly used: the latents carry at most {fixed(known.result['rate'])} nats about x."


def latents_unused(known: Known) -> str | None:
    """Latents whose mean hardly changes with x, where that of others does."""
    active, count = known.result["active_units"], known.num_latents
    if active is None or not count or active == count or latents_silent(known):
        return None
    return f"{count - active} of {count} latents hardly change with x."


def weights_heavy(known: Known) -> str | None:
    """That for some of the examples the importance weights are heavy."""
    share = known.result.get("khat_above_0.7")
    if not share:
        return None
    return f"For {percent(share)} of the test examples k̂ is above 0.7, and their log p(x) may be higher than stated."


def draws_do_not_count(known: Known) -> str | None:
    """That on average hardly more than one of the draws of z has a weight."""
    ess, count = known.result.get("ess"), known.result["num_samples"]
    if ess is None or ess >= FEW:
        return None
    return f"Only {fixed(ess, 1)} of {count} draws of z count on average, and log p(x) may be much higher than stated."


def few_examples(known: Known) -> str | None:
    """That the error over examples is large because they are few."""
    count, stderr = known.result["num_examples"], known.result["stderr"]
    if count >= FEW_EXAMPLES or stderr is None:
        return None
    return (
        f"There are only {count} test examples, so that the number below has a standard error of {error(stderr)} nats."
    )


def tightness_unknown(known: Known) -> str | None:
    """How far the bound is from log p(x), where nobody has bracketed it."""
    direction, bracket = known.alone["direction"], known.diagnosis.get("bracket")
    if direction == "exact" or (bracket and any(row["direction"] != direction for row in bracket["rows"])):
        return None
    log_px, what = fixed(known.alone["log_px"]), quantity(known.alone)
    return f"Not known: how far {log_px} nats, which is a bound, are from the true {what}."


def no_diagnosis(known: Known) -> str | None:
    """That samples and codes were not looked at yet."""
    if known.diagnosis:
        return None
    z = ", and what z knows" if known.has_z else ""
    return f"Not known yet: whether samples are like data{z}. To measure it: unveil diagnose {known.typed}"


Claim = Callable[[Known], str | None]
GOOD: tuple[Claim, ...] = (
    beats_simple_models, samples_like_data, codes_tell_labels, codes_carry, ranks_examples, compresses,
)  # fmt: skip
WRONG: tuple[Claim, ...] = (
    beaten_by_simple_models, not_above_simple_models, samples_unlike_data, rows_told_apart, latents_silent,
    latents_unused, weights_heavy, draws_do_not_count, few_examples, tightness_unknown, no_diagnosis,
)  # fmt: skip


def _best(known: Known) -> dict[str, Any] | None:
    """The best simple model, beside log p(x) without labels."""
    every = known.alone["baselines"]
    return max(every, key=lambda one: one["log_px"]) if every else None


def _beaten(known: Known) -> bool:
    return beaten_by_simple_models(known) is not None


def _is_below(known: Known, best: dict[str, Any]) -> bool:
    """Whether a difference sets a bound of this model beside a value of the other."""
    return bool(known.alone["direction"] == "lower" and best.get("direction") != "lower")


def _apart(one: dict[str, Any]) -> str:
    return f"{fixed(abs(one['difference']))} ± {error(one['difference_stderr'])}"


def _signed(value: float) -> str:
    return f"+{fixed(value)}" if value > 0 else fixed(value)


def _spread(known: Known) -> tuple[float, float] | None:
    """The standard deviation of log p(x) over examples, and the estimator's error for one of them."""
    result = known.alone
    if result["stderr"] is None or (result["stderr_mc"] is None and result["direction"] != "exact"):
        return None
    return math.sqrt(result["num_examples"]) * result["stderr"], error_of_one(result) or 0.0


def _quality(known: Known) -> dict[str, Any] | None:
    """Samples beside held-out x, where there were enough of both to say something."""
    found = known.diagnosis.get("quality")
    return found if found and min(found["num_samples"], found["num_heldout"]) >= ENOUGH else None


def _share(found: dict[str, Any], name: str) -> float:
    """A number of the samples, of that of training examples."""
    reference = found["reference"][name]
    return math.inf if not reference else (found["samples"][name] or 0.0) / reference


def _among(found: dict[str, Any]) -> str:
    own, real = found["samples"], found["reference"]
    return (
        f"{percent(own['precision'])} of its samples lie among held-out x, and {percent(own['coverage'])} of held-out "
        f"x have a sample nearby. Training examples reach {percent(real['precision'])} and {percent(real['coverage'])}."
    )
