"""How good it is, really: what `unveil diagnose` measured of a run, in words, and its posteriors drawn beside p(z)."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..evaluation.findings import quantity
from ..use.show import batch_x
from . import evidence_figures as draw
from .densities import Aggregate, Beside, aggregate, beside_the_truth
from .figures import Figure
from .gallery import Painter, uris
from .rounding import error, fixed
from .subject import Subject
from .views import held_out

Found = Mapping[str, Any]
FAMILIES = {"mean_field": "mean-field Gaussian", "full": "Gaussian with full covariance", "flow": "flow"}
SIDE = 96  # pixels of the x beside its posteriors


@dataclass(frozen=True)
class Table:
    """Columns by name and rows of text; the first column is words, the rest numbers."""

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Exhibit:
    """One part of the section.

    Arguments:
        title: its heading.
        lead: what to look for, a sentence or two.
        figures: names of figures, with what they show.
        words: what was measured, sentence by sentence.
        table: numbers beside a reference, or None.
        why: why there is nothing to show, or None.
        narrow: whether its figure is as high as wide.
    """

    title: str
    lead: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    table: Table | None = None
    why: str | None = None
    narrow: bool = False


@dataclass(frozen=True)
class View:
    """One x with p(z|x) and q(z|x): the name of its figure, its picture (or None), what it is, and the KL in words."""

    figure: str
    image: str | None
    caption: str
    loss: str


@dataclass(frozen=True)
class Evidence:
    """What the section shows.

    Arguments: measured, on what, or None without a diagnosis; command, that makes one; before and after, the parts
    around the pictures of densities; cloud, the part on q(z) over p(z), or None; views; findings, each with sentence
    and remedy; figures by name.
    """

    measured: str | None
    command: str
    before: list[Exhibit]
    cloud: Exhibit | None
    views: list[View]
    after: list[Exhibit]
    findings: list[Found]
    figures: dict[str, Figure]


def evidence(subject: Subject) -> Evidence:
    """All that is known of a run beyond its result."""
    found = subject.run.diagnosis
    figures: dict[str, Figure] = {}
    before, after = ([], []) if found is None else (_before(found, quantity(subject.result), figures), _after(found))
    cloud, views = _pictures(subject, figures)
    command = f"unveil diagnose {shlex.quote(str(subject.run.path))}"
    findings = [] if found is None else found.get("findings") or []
    return Evidence(_measured(found), command, before, cloud, views, after, findings, figures)


def _measured(found: Found | None) -> str | None:
    if found is None:
        return None
    return (
        f"Measured on the {found['split']} split of {found['source']}, the bracket and the gap on "
        f"{found['num_examples']:,} examples of it; seed {found['seed']}, {found['seconds']:,.0f} seconds."
    )


def _before(found: Found, what: str, figures: dict[str, Figure]) -> list[Exhibit]:
    return [
        _part(found, "bracket", "The truth between two sides", lambda part: _bracket(part, what, figures)),
        _part(found, "gap", "Where the bound loses", lambda part: _gap(part, what, figures)),
        _part(found, "aggregate", "What the rate pays for", lambda part: _rate(part, figures)),
    ]


def _after(found: Found) -> list[Exhibit]:
    return [
        _part(found, "collapse", "Is z used?", _collapse),
        *([_part(found, "codebook", "Are the codes used?", _codebook)] if found.get("codebook") else []),
        _part(found, "quality", "Samples beside data", _quality),
        _part(found, "structure", "What z knows", _structure),
    ]


def _part(found: Found, name: str, title: str, shown: Callable[[Found], dict[str, Any]]) -> Exhibit:
    """A part of the diagnosis, or why there is none."""
    part = found.get(name)
    if part is None:
        return Exhibit(title, why=(found.get("why") or {}).get(name) or "It was not measured.")
    return Exhibit(title, **shown(part))


# -- the bracket, the gap and the rate ---------------------------------------------------------------------------------


def _bracket(part: Found, what: str, figures: dict[str, Figure]) -> dict[str, Any]:
    rows = [row for row in part["rows"] if row["log_px"] is not None]
    if not rows:
        return {"why": "No estimator of this model came to a finite number."}
    figures["bracket"] = draw.bracket(rows, what)
    return {
        "lead": f"{what} hides behind an integral over z. Bounds from below close in on it from the left and bounds "
        f"from above from the right; each mark is the mean over the same {part['num_examples']:,} examples. "
        + ("The line is the truth." if any(_exact(row) for row in rows) else "The truth lies in the shaded part."),
        "figures": {"bracket": "Bounds on log p(x) from both sides"},
        "words": (_between(rows), *_words(part)),
    }


def _between(rows: list[Found]) -> str:
    """Where the truth lies, in a sentence."""
    below = max((r for r in rows if r["direction"] == "lower"), key=lambda r: r["log_px"], default=None)
    above = min((r for r in rows if r["direction"] == "upper"), key=lambda r: r["log_px"], default=None)
    exact = next(filter(_exact, rows), None)
    if exact is not None:
        short = f"; the best bound from below, {_named(below)}, is {_apart(exact, below)}" if below else ""
        return f"{exact['name'].capitalize()} finds {fixed(exact['log_px'])} nats{short}."
    if below is None or above is None:
        one = below or above
        assert one is not None
        side = "below" if below else "above"
        return f"The tightest bound is {_named(one)}, from {side}; nothing here bounds it from the other side."
    kind = "" if above.get("strict", True) else ", a heuristic side on these x"
    if above["log_px"] < below["log_px"]:
        crossed = "meet within their noise" if _noise(above, below) else "cross by more than their noise: one is wrong"
        return f"The sides, {_named(below)} and {_named(above)}{kind}, {crossed}."
    return (
        f"The truth lies between {_named(below)} from below and {_named(above)} from above{kind}: "
        f"{fixed(above['log_px'] - below['log_px'])} nats apart."
    )


def _exact(row: Found) -> bool:
    return bool(row["direction"] == "exact")


def _named(row: Found) -> str:
    return f"{fixed(row['log_px'])} ± {error(row.get('stderr_mc'))} ({row['name']})"


def _apart(exact: Found, below: Found) -> str:
    apart = exact["log_px"] - below["log_px"]
    if _noise(exact, below):
        return "level with it within its noise"
    return f"{fixed(apart)} nats below it" if apart > 0 else f"{fixed(-apart)} nats above it, more than its noise"


def _noise(one: Found, other: Found) -> bool:
    """Whether two estimates differ by no more than three standard errors, or by what two digits do not show."""
    errors = math.hypot(*(row.get("stderr_mc") or 0 for row in (one, other)))
    return bool(abs(one["log_px"] - other["log_px"]) <= max(0.005, 3 * errors))


def _gap(part: Found, what: str, figures: dict[str, Figure]) -> dict[str, Any]:
    each = part["per_example"]
    amortisation, approximation = ([v for v in each[k] if v is not None] for k in ("amortisation", "approximation"))
    drawn = {}
    if amortisation and approximation:
        figures["gap_amortisation"], figures["gap_approximation"] = draw.gap(amortisation, approximation)
        drawn = {
            "gap_amortisation": "Amortisation gap per example",
            "gap_approximation": "Approximation gap per example",
        }
    first, second = part["amortisation"], part["approximation"]
    total = None if None in (part["log_px"], part["elbo"]) else part["log_px"] - part["elbo"]
    least = ", the latter at least: log p(x) is a bound from below here" if part["side"] == "lower" else ""
    return {
        "lead": f"{what} − ELBO = KL(q(z|x) ‖ p(z|x)), and it has two causes. The amortisation gap is what the encoder "
        "loses against the best q of its own family, fitted to each x alone; the approximation gap what even that q "
        "loses, because p(z|x) has another shape.",
        "figures": drawn,
        "words": (
            f"{what} − ELBO is {fixed(total)} nats: {_mean(first)} by amortisation and {_mean(second)} by the family "
            f"of q ({FAMILIES[part['family']]}){least}.",
            f"The ELBO is {fixed(part['elbo'])} at the encoder's q, and at a q fitted to each x alone {_local(part)}.",
            part["advice"],
        ),
    }


def _local(part: Found) -> str:
    """The ELBO of local fits, family by family."""
    return ", ".join(f"{fixed(elbo)} ({FAMILIES[name]})" for name, elbo in part["by_family"].items())


def _mean(part: Found) -> str:
    return f"{fixed(part['mean'])} ± {error(part.get('stderr'))}"


def _rate(part: Found, figures: dict[str, Figure]) -> dict[str, Any]:
    told, apart = part["information"], part["kl"]
    drawn = {}
    if told is not None and apart is not None:
        figures["rate_split"] = draw.rate_split(told, apart, part["cap"] if part["capped"] else None)
        drawn = {"rate_split": "The rate as mutual information and KL(q(z) ‖ p(z))"}
    return {
        "lead": "rate = I(x; z) + KL(q(z) ‖ p(z)): z pays for what it tells of x, and, to no use, for an aggregate "
        "q(z), the average of q(z|x) over x, that strays from the prior, where samples start.",
        "figures": drawn,
        "words": (
            *_words(part),
            *filter(None, [part["fewer"]]),
            f"A classifier tells codes of held-out x from draws of p(z) with an AUC of {fixed(part['auc'], 3)} "
            f"± {fixed(part['auc_stderr'], 3)} (0.5 is a match), and {_percent(part['holes'])} of the draws of p(z) "
            "lie where hardly any code does (1 % in a match).",
        ),
    }


def _words(part: Found) -> list[str]:
    """The sentences that a part of the diagnosis brings along."""
    words = part.get("words") or []
    return [words] if isinstance(words, str) else list(words)


# -- densities ---------------------------------------------------------------------------------------------------------


def _pictures(subject: Subject, figures: dict[str, Figure]) -> tuple[Exhibit | None, list[View]]:
    cloud = aggregate(subject)
    if cloud is None:
        return None, []
    figures["aggregate"] = draw.aggregate(cloud)
    found = beside_the_truth(subject)
    for place, one in enumerate(found):
        figures[f"beside_{place}"] = draw.beside(one, cloud.titles)
    shown = Exhibit(
        "The aggregate posterior over the prior",
        _cloud_lead(cloud),
        {"aggregate": "q(z) over p(z)"},
        narrow=len(cloud.titles) == 2,
    )
    return shown, _views(subject, found)


def _cloud_lead(cloud: Aggregate) -> str:
    lead = (
        "Samples start at p(z), and the decoder has learned x where q(z), the average of q(z|x) over x, puts z; the "
        "two should cover the same ground. Where p(z) is without q(z), samples come from nowhere in particular; where "
        "q(z) is without p(z), a kind of x is hardly ever made up."
    )
    if cloud.num_dims <= 2:
        return lead
    under = (
        "p(z) over these two" if cloud.density is not None else "draws of p(z), which has no simple form over these two"
    )
    return f"{lead} Of {cloud.num_dims} dimensions of z the two with the largest rate are shown, with {under}."


def _views(subject: Subject, found: list[Beside]) -> list[View]:
    places = [one.place for one in found]
    images = _images(subject, places) if found and subject.domain.is_image else [None] * len(found)
    return [View(f"beside_{i}", images[i], _caption(subject, one.place), _loss(one.kl)) for i, one in enumerate(found)]


def _images(subject: Subject, places: list[int]) -> list[str | None]:
    split = subject.test.head(max(places) + 1)
    paint = Painter.of(subject.domain, held_out(subject, 2000))
    return list(uris(paint(batch_x(split)[places]), SIDE))


def _caption(subject: Subject, place: int) -> str:
    label = subject.label(subject.test, place)
    row = f"row {int(subject.test.rows[place]):,}"
    return row if label is None else f"{label} · {row}"


def _loss(kl: float | None) -> str:
    return "q is too narrow here for this grid" if kl is None else f"KL(q ‖ p) = {fixed(max(kl, 0.0))} nats"


# -- collapse, samples and structure -----------------------------------------------------------------------------------


def _collapse(part: Found) -> dict[str, Any]:
    return {
        "lead": "Give every example the z of another. A model that reads its z does much worse; one that has collapsed "
        "does not notice.",
        "words": tuple(_words(part)),
    }


def _codebook(part: Found) -> dict[str, Any]:
    return {
        "lead": "A book of codes is worth as many codes as are used: its perplexity counts those that would do, were "
        "all used alike.",
        "words": (part["words"],),
    }


MEANING = {
    "precision": "samples that lie among held-out x",
    "recall": "held-out x that lie among samples",
    "density": "how thickly held-out x surround a sample",
    "coverage": "held-out x with a sample nearby",
}


def _quality(part: Found) -> dict[str, Any]:
    samples, reference = part["samples"], part["reference"]
    rows = [[f"{k}: {said}", fixed(samples[k], 3), fixed(reference[k], 3)] for k, said in MEANING.items()]
    return {
        "lead": f"{part['num_samples']:,} samples beside {part['num_heldout']:,} held-out x, by nearest neighbours in "
        f"{part['features']}. Training examples in the place of samples show what a perfect model would reach.",
        "words": (
            f"{_percent(part['copied'])} of the samples are closer to a training example than 99 % of held-out x are "
            "(1 % by chance; far more would mean that the model repeats what it has seen).",
        ),
        "table": Table(["", "samples", "training x"], rows),
    }


MEASURES = (  # part, key, in words
    ("labels", "linear", "label, by a linear probe"),
    ("labels", "knn", "label, by nearest neighbours"),
    ("order", "linear", "which of two digits is above, by a linear probe"),
    ("order", "knn", "which of two digits is above, by nearest neighbours"),
    ("near", "trustworthiness", "trustworthiness: neighbours in the code are neighbours in x"),
    ("near", "continuity", "continuity: neighbours in x are neighbours in the code"),
    ("tree", "auc", "pairs of one subgroup nearer than pairs of two groups"),
    ("tree", "spearman", "rank correlation with distances in the tree of groups"),
    ("factors", "mig", "MIG: each factor in one dimension alone"),
    ("factors", "sap", "SAP: each factor best told by one dimension alone"),
    ("factors", "disentanglement", "DCI disentanglement: a dimension speaks of one factor"),
    ("factors", "completeness", "DCI completeness: a factor speaks through one dimension"),
    ("factors", "informativeness", "DCI informativeness: the code tells the factors"),
)


def _structure(part: Found) -> dict[str, Any]:
    found = [(part[name], key, said) for name, key, said in MEASURES if part.get(name)]
    rows = [[said, *(_measured_of(codes.get(code), key) for code in ("z", "ppca", "x"))] for codes, key, said in found]
    words = []
    if part.get("majority") is not None:
        words.append(f"To guess the most frequent label is right for {_percent(part['majority'])} of the examples.")
    if part.get("paths"):
        words.append(_paths(part["paths"]))
    return {
        "lead": "What a simple reader finds in z, beside what it finds in pPCA codes of as many dimensions and in x "
        "itself: a number for z alone would say little.",
        "words": tuple(words),
        "table": Table(["", "z", f"pPCA, {part['dims']} dimension{'' if part['dims'] == 1 else 's'}", "x"], rows),
    }


def _measured_of(code: Found | None, key: str) -> str:
    """A number with its standard error, where it has one."""
    if code is None or code.get(key) is None:
        return "–"
    stderr = code.get(f"{key}_stderr")
    return fixed(code[key], 3) + ("" if stderr is None else f" ± {fixed(stderr, 3)}")


def _paths(part: Found) -> str:
    ways = (
        f"{way} ones {fixed(part[f'{way}_jump'], 1)} times and {fixed(part[f'{way}_length'], 1)} times"
        for way in ("straight", "spherical")
    )
    return (
        "On decoded paths between two examples, the largest step beside the mean one, and the length beside that of a "
        f"straight line in x: {'; '.join(ways)}. A smooth decoder keeps both near 1."
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
