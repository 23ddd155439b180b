"""What to say of a result: three sentences a person can act on."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..diagnostics.codebook import LEAST, collapsed
from ..estimators.label import label
from ..model import Model
from ..registry import load_all
from ..runs.curves import curve, validation_curve
from ..runs.store import RunStore

SIDES = {"lower": "at least", "exact": "exactly", "upper": "at most", "other": "about"}
SIGNS = {"lower": "≥", "exact": "=", "upper": "≤", "other": "≈"}  # other: of another model, with no side


def conclude(run: RunStore, result: dict[str, Any]) -> dict[str, Any]:
    """`findings` (by code, each a sentence) and the three `sentences` that a fit ends with."""
    _, bounds = validation_curve(run)
    checks = (
        _below(run, result),
        _collapsed(run, result),
        _codebook(run),
        _overfit(bounds),
        _unfinished(bounds),
        _weights(result),
    )
    findings = [found for found in checks if found]
    wrong = " ".join(f["sentence"] for f in findings) or "Nothing looks wrong in the numbers that were checked."
    return {"findings": findings, "sentences": [_value(result), _against_baselines(result), wrong]}


def quantity(result: Mapping[str, Any]) -> str:
    """What log_px of a result is of: log p(x), or log p(x|label) of a model that was given the labels."""
    told = "log p(x|label)" if result.get("condition") == "label" else "log p(x)"
    return f"{told} of another model with the same weights" if result.get("direction") == "other" else told


def _value(result: dict[str, Any]) -> str:
    error = f" ± {result['stderr']:.2f}" if result["stderr"] is not None else ""
    bits = f", {result['bits_per_dim']:.3f} bits per dimension" if result["bits_per_dim"] is not None else ""
    share = result.get("observed", 1.0)
    part = "" if share == 1 else f" of the observed part of x ({share:.1%})"
    name = result["estimator"]
    how = "closed form" if name == "exact" else label(name, result["num_samples"])
    return (
        f"{quantity(result)}{part} is {SIDES[result['direction']]} {result['log_px']:.2f}{error} nats per example on "
        f"{result['num_examples']:,} test examples ({how}{bits})."
    )


def _against_baselines(result: dict[str, Any]) -> str:
    if result.get("observed", 1.0) < 1 and not result["baselines"]:
        return "The simple baselines are left out: they take x without gaps, and parts of it are missing."
    if not result["baselines"]:
        return "There was no simple baseline to compare with."
    best = max(result["baselines"], key=lambda b: b["log_px"])
    gain, error = best["difference"], best["difference_stderr"]
    verb = "better" if gain > 0 else "worse"
    sure = "" if error is not None and abs(gain) > 3 * error else ", which is within three standard errors"
    give_or_take = "" if error is None else f" ± {error:.2f}"
    told = "; the baselines state log p(x), without the label" if result.get("condition") == "label" else ""
    if best.get("direction") == "lower":
        told += ". The baseline's number is a bound from below: its true value may be higher"
    return (
        f"That is {abs(gain):.2f}{give_or_take} nats {verb} than the best simple baseline, "
        f"{best['description']}{sure}{told}."
    )


def _finding(code: str, sentence: str) -> dict[str, str]:
    return {"code": code, "sentence": sentence}


def _below(run: RunStore, result: dict[str, Any]) -> dict[str, str] | None:
    better = [b for b in result["baselines"] if b["difference"] < -2 * (b["difference_stderr"] or 0.0)]
    if not better:
        return None
    families: dict[str, type[Model]] = load_all("model")
    few = [name for name, cls in families.items() if cls.fits_few_data and run.domain.kind in cls.domains]
    takes = few and not run.model.fits_few_data
    other = f", or use a model that fits few data, such as --model {few[0]}" if takes else ""
    return _finding(
        "below_baseline", f"A simple model explains these data better than this one: train longer with --epochs{other}."
    )


def _collapsed(run: RunStore, result: dict[str, Any]) -> dict[str, str] | None:
    if result["rate"] > 0.1 or result["direction"] == "exact":
        return None
    return _finding(
        "collapse",
        f"The latents carry only {result['rate']:.2f} nats: the model has collapsed. The command "
        f"unveil diagnose {run.path} --cure tries remedies.",
    )


def _codebook(run: RunStore) -> dict[str, str] | None:
    """Of a model with codes, whether validation found more than a few of them in use."""
    size, (_, perplexity) = run.model.codebook_size, curve(run, "valid_codebook_perplexity")
    if not perplexity or perplexity[-1] >= LEAST * size:
        return None
    _, usage = curve(run, "valid_codebook_usage")
    found = collapsed(round(usage[-1] * size), size, perplexity[-1])
    return _finding(found.code, f"{found.sentence} {found.remedy}")


def _overfit(valid: Sequence[float]) -> dict[str, str] | None:
    if not valid or max(valid) - valid[-1] < max(1.0, 0.03 * abs(max(valid))):
        return None
    return _finding(
        "overfit",
        f"The validation bound fell {max(valid) - valid[-1]:.1f} nats below its best while training went on: the model "
        "began to learn examples by heart. The best weights were kept. Fewer steps or a smaller model.width may give a "
        "higher bound.",
    )


def _unfinished(valid: Sequence[float]) -> dict[str, str] | None:
    if len(valid) < 5 or max(valid) != valid[-1] or valid[-1] - valid[-3] < 0.005 * abs(valid[-1]):
        return None
    return _finding(
        "unfinished", "The validation bound was still rising at the end; train longer with --epochs or --minutes."
    )


def _weights(result: dict[str, Any]) -> dict[str, str] | None:
    share = result.get("khat_above_0.7")
    if share is None or share < 0.5:
        return None
    return _finding(
        "heavy_weights",
        f"For {100 * share:.0f} % of the examples a few importance weights dominate (k̂ > 0.7): the bound holds, but "
        "log p(x) may be noticeably higher and its error larger than stated; judge it with --estimator sandwich.",
    )
