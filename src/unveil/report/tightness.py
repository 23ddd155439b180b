"""How far the number can be trusted: the bracket around log p(x), what the bound loses and what the rate pays for."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..panels import Panel
from . import evidence_figures as draw
from .exhibits import Group, Plot, sentences
from .rounding import error, fixed, percent

Found = Mapping[str, Any]
FAMILIES = {"mean_field": "mean-field Gaussian", "full": "Gaussian with full covariance", "flow": "flow"}


def told(part: Found) -> list[str]:
    """The sentences that a part of the diagnosis brings along."""
    words = part.get("words") or []
    return [words] if isinstance(words, str) else list(words)


def bracket(part: Found, title: str, what: str) -> Panel:
    """Every bound as a mark, and where the true value lies."""
    rows = [row for row in part["rows"] if row["log_px"] is not None]
    if not rows:
        return Panel(title, "No estimator of this model gave a finite number.")
    if len(rows) == 1 and _exact(rows[0]):
        return Panel("The true value", f"{what} is computed exactly, so no bound is needed. {where_it_lies(rows)}")
    where = "The line is the true value." if any(map(_exact, rows)) else "The true value is in the shaded part."
    lead = (
        f"{what} is an integral over z that cannot be computed directly. Bounds from below approach it from the left, "
        f"bounds from above from the right. Each mark is the mean over the same {part['num_examples']:,} examples. "
        f"{where}"
    )
    plot = Plot("", "", "bracket", draw.bracket(rows, what))
    return Group(title, lead, [plot, *sentences(where_it_lies(rows), *told(part))])


def where_it_lies(rows: Sequence[Found]) -> str:
    """Where the true value lies, in a sentence or two."""
    below = max((r for r in rows if r["direction"] == "lower"), key=lambda r: r["log_px"], default=None)
    above = min((r for r in rows if r["direction"] == "upper"), key=lambda r: r["log_px"], default=None)
    exact = next(filter(_exact, rows), None)
    if exact is not None:
        short = f" The best bound from below, {_named(below)}, is {_apart(exact, below)}." if below else ""
        return f"{exact['name'].capitalize()} gives {fixed(exact['log_px'])} nats.{short}"
    if below is None or above is None:
        one, side = (below, "below") if below else (above, "above")
        assert one is not None
        return f"The tightest bound is {_named(one)}, from {side}. No bound from the other side was found."
    kind = "" if above.get("strict", True) else ", which is heuristic on these x"
    if above["log_px"] < below["log_px"]:
        end = (
            "meet within their noise"
            if _noise(above, below)
            else "cross by more than their noise, so one of them is wrong"
        )
        return f"The lower side {_named(below)} and the upper side {_named(above)}{kind}, {end}."
    return (
        f"The true value is between {_named(below)} from below and {_named(above)} from above{kind}. The two sides are "
        f"{fixed(above['log_px'] - below['log_px'])} nats apart."
    )


def _exact(row: Found) -> bool:
    return bool(row["direction"] == "exact")


def _named(row: Found) -> str:
    return f"{fixed(row['log_px'])} ± {error(row.get('stderr_mc'))} ({row['name']})"


def _apart(exact: Found, below: Found) -> str:
    apart = exact["log_px"] - below["log_px"]
    if _noise(exact, below):
        return "equal to it within its noise"
    return (
        f"{fixed(apart)} nats below it" if apart > 0 else f"{fixed(-apart)} nats above it, which is more than its noise"
    )


def _noise(one: Found, other: Found) -> bool:
    """Whether two estimates differ by no more than three standard errors, or by what two digits do not show."""
    both = math.hypot(*(row.get("stderr_mc") or 0 for row in (one, other)))
    return bool(abs(one["log_px"] - other["log_px"]) <= max(0.005, 3 * both))


def gap(part: Found, title: str, what: str) -> Panel:
    """What the ELBO loses by the encoder, and what by the family of q."""
    amortisation, approximation = (
        [v for v in part["per_example"][name] if v is not None] for name in ("amortisation", "approximation")
    )
    parts: list[Panel] = []
    if amortisation and approximation:
        first, second = draw.gap(amortisation, approximation)
        plots = [Plot("Amortisation gap", "", "gap_amortisation", first),
                 Plot("Approximation gap", "", "gap_approximation", second)]  # fmt: skip
        parts.append(Group("", "", plots, across=2))
    lead = (
        f"{what} − ELBO = KL(q(z|x) ‖ p(z|x)) is the sum of two losses. The amortisation gap is what the encoder loses "
        "against the best q of the same family, fitted to each x alone. The approximation gap is what this best q "
        "still loses: p(z|x) has another shape."
    )
    return Group(title, lead, [*parts, *sentences(_losses(part, what), _local(part), part["advice"])])


def _losses(part: Found, what: str) -> str:
    total = None if None in (part["log_px"], part["elbo"]) else part["log_px"] - part["elbo"]
    least = " The second number is a lower limit, because log p(x) is a bound from below here."
    said = (
        f"{what} − ELBO is {fixed(total)} nats: {_mean(part['amortisation'])} by amortisation and "
        f"{_mean(part['approximation'])} by the family of q ({FAMILIES[part['family']]})."
    )
    return said + least if part["approximation"]["side"] == "lower" else said


def _local(part: Found) -> str:
    """The ELBO of local fits, family by family."""
    each = ", ".join(f"{fixed(elbo)} ({FAMILIES[name]})" for name, elbo in part["by_family"].items())
    return f"The ELBO is {fixed(part['elbo'])} with the q of the encoder. With a q fitted to each x alone it is {each}."


def _mean(part: Found) -> str:
    return f"{fixed(part['mean'])} ± {error(part.get('stderr'))}"


def rate(part: Found, title: str, _what: str) -> Panel:
    """The rate as information about x and as what q(z) differs from p(z) by."""
    lead = (
        "rate = I(x; z) + KL(q(z) ‖ p(z)). The first part is what z tells about x. The second part is wasted: it grows "
        "when q(z), the average of q(z|x) over x, differs from the prior p(z), from which samples start."
    )
    parts: list[Panel] = []
    if part["information"] is not None and part["kl"] is not None:
        cap = part["cap"] if part["capped"] else None
        parts.append(Plot("", "", "rate_split", draw.rate_split(part["information"], part["kl"], cap)))
    classifier = (
        f"A classifier tells the codes of held-out x from draws of p(z) with an AUC of {fixed(part['auc'], 3)} "
        f"± {fixed(part['auc_stderr'], 3)}. The AUC is 0.5 if q(z) matches p(z). {percent(part['holes'])} of the "
        "draws of p(z) lie where there are hardly any codes. It is 1 % if q(z) matches p(z)."
    )
    return Group(title, lead, [*parts, *sentences(*told(part), part["fewer"] or "", classifier)])
