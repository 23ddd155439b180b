"""What to say of a result: three sentences a person can act on."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..diagnostics.codebook import LEAST, collapsed
from ..diagnostics.finding import Finding
from ..diagnostics.synthetic import FIDELITY
from ..diagnostics.verdicts import WORTH, clearly
from ..estimators.label import label_of
from ..legible import quoted
from ..model import Model
from ..registry import load_all
from ..runs.curves import curve, validation_curve
from ..runs.store import RunStore
from .carried import carried_words
from .effort import FEWEST, Effort
from .judged import of_x_alone

ENOUGH, FEW = 5, 2.0  # importance samples that were drawn, and effective ones below which the weights say little
FEW_EXAMPLES = 30  # below which an error over examples is itself hardly known
SEEN = 0.5  # passes over the training examples, below which a few steps are a beginning
MUCH = 100.0  # nats, by which no validation bound falls for nothing, however low it is
SIDES = {"lower": "at least", "exact": "exactly", "upper": "at most", "other": "about"}
SIGNS = {"lower": "≥", "exact": "=", "upper": "≤", "other": "≈"}  # other: of another model, with no side


def conclude(run: RunStore, result: dict[str, Any]) -> dict[str, Any]:
    """`findings` (by code, each a sentence) and the three `sentences` that a fit ends with."""
    _, bounds = validation_curve(run)
    effort, overfit = Effort.of(run), _overfit(bounds)
    checks = (
        _carried(result),
        _below(run, result, effort, overfit is not None),
        _collapsed(run, result, effort),
        _codebook(run, effort),
        overfit,
        _unfinished(bounds, effort),
        heavy_weights(run, result),
        _begun(effort),
    )
    findings = [found for found in checks if found]
    wrong = " ".join(f["sentence"] for f in findings) or "Nothing looks wrong in the numbers that were checked."
    return {"findings": findings, "sentences": [_value(result), _against_baselines(result), wrong]}


def quantity(result: Mapping[str, Any]) -> str:
    """What log_px of a result is of: log p(x), or log p(x|label) of a model that was given the labels.

    Where gaps are modelled it is log p(x, mask): x as far as it is observed, and the mask that says how far that is.
    """
    told = _with_mask("log p(x|label)" if result.get("condition") == "label" else "log p(x)", result)
    return f"{told} of another model with the same weights" if result.get("direction") == "other" else told


def _with_mask(told: str, result: Mapping[str, Any]) -> str:
    return told.replace("(x", "(x, mask") if result.get("gaps") == "informative" else told


def _value(result: dict[str, Any]) -> str:
    error = f" ± {result['stderr']:.2f}" if result["stderr"] is not None else ""
    bits = f", {result['bits_per_dim']:.3f} bits per dimension" if result["bits_per_dim"] is not None else ""
    share = result.get("observed", 1.0)
    part = "" if share == 1 else f" of the observed part of x ({share:.1%})"
    name = result["estimator"]
    how = "closed form" if name == "exact" else label_of(result)
    return (
        f"{quantity(result)}{part} is {SIDES[result['direction']]} {result['log_px']:.2f}{error} nats per example on "
        f"{result['num_examples']:,} test examples ({how}{bits}).{labels_known_in_part(result)}"
    )


def labels_known_in_part(result: Mapping[str, Any]) -> str:
    """What the examples with a label and those without come to, each by itself; nothing where all are of one kind."""
    parts = result.get("parts", [])
    if len(parts) < 2:
        return ""
    each = "; ".join(
        f"{_with_mask(part['quantity'], result)} of the {part['num_examples']:,} examples {part['examples']} is "
        f"{SIDES[part['direction']]} {part['log_px']:.2f}{_give_or_take(part['stderr'])}"
        for part in parts
    )
    return f" Labels are summed out in this number, because only some of the examples have one. Apart, {each}."


def _give_or_take(error: float | None) -> str:
    return "" if error is None else f" ± {error:.2f}"


def _against_baselines(result: dict[str, Any]) -> str:
    if result.get("observed", 1.0) < 1 and not result["baselines"]:
        return "The simple baselines are left out: they take x without gaps, and parts of it are missing."
    left_out = result.get("baselines_left_out", ())
    if not result["baselines"] and left_out:
        return " ".join(left_out)
    if not result["baselines"]:
        return "There was no simple baseline to compare with."
    best = max(result["baselines"], key=lambda b: b["log_px"])
    alone = of_x_alone(dict(result))
    told = "That" if alone == result else f"Without the labels, {quantity(alone)} is {alone['log_px']:.2f}, which"
    bound = (
        " That number is a bound from below: the true value may be higher." if best.get("direction") == "lower" else ""
    )
    return f"{told} is {_beside(best, result['num_examples'])}{bound}"


def _beside(best: Mapping[str, Any], count: int) -> str:
    """How far a result is from a baseline, as the end of a sentence: no verdict where the difference is none."""
    gain, error = best["difference"], best["difference_stderr"]
    apart, name = f"{abs(gain):.2f}{_give_or_take(error)}", f"the best simple baseline, {best['description']}"
    if clear := clearly(gain, error, count):
        return f"{apart} nats {'better' if clear > 0 else 'worse'} than {name}."
    if error is None:
        way = "above" if gain > 0 else "below"
        return f"{apart} nats {way} {name}, on a single test example: that does not tell which of them is better."
    difference = f"{name}: the difference, {'+' if gain > 0 else '−'}{apart} nats, is"
    if abs(gain) <= WORTH:
        return f"as good as {difference} too small to matter."
    few = " on so few examples" if count < FEW_EXAMPLES else ""
    return f"not clearly {'better' if gain > 0 else 'worse'} than {difference} not clear beside its error{few}."


def _typed(run: RunStore) -> str:
    """The run as it is typed in a command."""
    return quoted(run.path)


def _finding(code: str, sentence: str) -> dict[str, str]:
    return {"code": code, "sentence": sentence}


def _carried(result: dict[str, Any]) -> dict[str, str] | None:
    words = carried_words(result)
    return _finding("few_rows", words) if words else None


def _below(run: RunStore, result: dict[str, Any], effort: Effort, overfit: bool) -> dict[str, str] | None:
    """Whether a simple model is better, or as good."""
    if not result["baselines"]:
        return None
    best = max(result["baselines"], key=lambda b: b["log_px"])
    if best["difference"] > 0 or best["difference_stderr"] is None:
        return None
    count = result["num_examples"]
    sure = any(clearly(b["difference"], b["difference_stderr"], count) < 0 for b in result["baselines"])
    than = "explains these data better than this one" if sure else "is as good as this one"
    return _finding("below_baseline", f"A simple model {than}. {_instead(run, effort, overfit)}")


def _instead(run: RunStore, effort: Effort, overfit: bool) -> str:
    """What may be better than this model."""
    families: dict[str, type[Model]] = load_all("model")
    few = [name for name, cls in families.items() if cls.fits_few_data and run.domain.kind in cls.domains]
    other = f"use a model that fits few data, such as --model {few[0]}" if few and not run.model.fits_few_data else ""
    if effort.solved:
        return "More training does not change a closed form: take another size of it, or another model."
    first = "Take a smaller network (model.width)" if overfit else f"Train longer ({effort.longer})"
    return f"{first}{', or ' + other if other else ''}."


def _collapsed(run: RunStore, result: dict[str, Any], effort: Effort) -> dict[str, str] | None:
    if result["rate"] > 0.1 or result["direction"] == "exact":
        return None
    carry = f"The latents carry only {result['rate']:.2f} nats"
    if effort.hardly_begun:
        return _finding("hardly_begun", f"{carry}, but training has hardly begun: {effort.words}. {_further(effort)}")
    cure = f"unveil diagnose {_typed(run)} --cure"
    return _finding("collapse", f"{carry}: the model has collapsed. To try remedies: {cure}")


def _begun(effort: Effort) -> dict[str, str] | None:
    """Whether the training saw too little to be judged by, whatever the numbers are."""
    if effort.solved or effort.steps >= FEWEST or effort.passes >= SEEN:
        return None
    return _finding("hardly_begun", f"Training has hardly begun: {effort.words}. {_further(effort)}")


def _further(effort: Effort) -> str:
    return f"Train longer before you judge it: {effort.longer}."


def _codebook(run: RunStore, effort: Effort) -> dict[str, str] | None:
    """Of a model with codes, whether validation found more than a few of them in use."""
    size, (_, perplexity) = run.model.codebook_size, curve(run, "valid_codebook_perplexity")
    if not perplexity or perplexity[-1] >= LEAST * size:
        return None
    _, usage = curve(run, "valid_codebook_usage")
    found = suited(collapsed(round(usage[-1] * size), size, perplexity[-1]), effort)
    return _finding(found.code, f"{found.sentence} {found.remedy}")


EARLY = {"collapse": "z carries next to nothing yet", "codebook_collapse": "Few of the codes are used yet"}
BY_TRAINING = ("low_precision", "low_coverage", "no_structure", *FIDELITY)  # whose remedy begins with more training


def suited(found: Finding, effort: Effort) -> Finding:
    """A finding as it fits the training: what has hardly begun has not collapsed, and a closed form is at its end."""
    if effort.hardly_begun and found.code in EARLY:
        sentence = f"{EARLY[found.code]}, but training has hardly begun: {effort.words}."
        return Finding("hardly_begun", sentence, found.number, _further(effort))
    if effort.solved and found.code in BY_TRAINING:
        remedy = "More training does not change a closed form: take another size of it, or another model."
        return Finding(found.code, found.sentence, found.number, remedy)
    if found.code in FIDELITY:
        remedy = found.remedy.replace("Train longer", f"Train longer ({effort.longer})", 1)
        return Finding(found.code, found.sentence, found.number, remedy)
    return found


def _overfit(valid: Sequence[float]) -> dict[str, str] | None:
    if not valid or max(valid) - valid[-1] < max(1.0, min(MUCH, 0.002 * abs(max(valid)))):
        return None
    return _finding(
        "overfit",
        f"The validation bound ended {max(valid) - valid[-1]:.1f} nats below its best. The best weights were kept. "
        "If the training bound went on rising, the model began to learn examples by heart: fewer steps or a "
        "smaller model.width may help.",
    )


def _unfinished(valid: Sequence[float], effort: Effort) -> dict[str, str] | None:
    if len(valid) < 5 or max(valid) != valid[-1] or valid[-1] - valid[-3] < max(WORTH, 0.005 * abs(valid[-1])):
        return None
    more = "More passes may raise it" if effort.solved else "Train longer"
    return _finding("unfinished", f"The validation bound was still rising at the end. {more}: {effort.longer}.")


def heavy_weights(run: RunStore, result: dict[str, Any]) -> dict[str, str] | None:
    """Whether a few importance weights make up the estimate of most examples."""
    share, ess, K = result.get("khat_above_0.7"), result.get("ess"), result["num_samples"]
    heavy = share is not None and share >= 0.5
    alone = ess is not None and K is not None and K >= ENOUGH and ess < FEW
    if not heavy and not alone:
        return None
    counted = (
        f"Of {K:,} importance samples only {ess:.1f} count, on average"
        if alone
        else (f"For {100 * (share or 0):.0f} % of the examples a few importance weights dominate (k̂ > 0.7)")
    )
    can_anneal = {"joint", "pathwise", "log_w"} <= run.model.gives
    tighter = "--estimator sandwich" if can_anneal else f"--num-samples {10 * (K or 100)}"
    return _finding(
        "heavy_weights",
        f"{counted}. The bound holds, but log p(x) may be noticeably higher, and its error larger than stated. Judge "
        f"it again: unveil evaluate {_typed(run)} {tighter}.",
    )
