"""How good is it, really: what `unveil diagnose` measured of a run, in words, and its posteriors drawn beside p(z)."""

from collections.abc import Callable

import torch
from markupsafe import Markup

from ...evaluation.diagnose import HEALTHY, OF_LATENTS
from ...evaluation.findings import quantity
from ...legible import quoted
from ...panels import Panel
from ...use.show import batch_x
from .. import evidence_figures as draw
from ..densities import AggregateDraws, Beside, aggregate, beside_the_truth
from ..exhibits import Group, Html, Plot
from ..gallery import uris
from ..rounding import fixed
from ..subject import Subject
from ..tightness import Found, bracket, gap, rate
from ..worth import codebook, collapse, quality, structure
from . import section

SIDE = 96  # pixels of the x beside its posteriors
Part = Callable[[Found, str, str], Panel]
PARTS: dict[str, tuple[str, Part]] = {  # by their names in the diagnosis
    "bracket": ("The true value between two sides", bracket),
    "gap": ("Where the bound loses", gap),
    "aggregate": ("What the rate pays for", rate),
    "collapse": ("Is z used?", collapse),
    "codebook": ("Are the codes used?", codebook),
    "quality": ("Samples beside data", quality),
    "structure": ("What z knows", structure),
}
BEFORE = 3  # parts, which the pictures of densities come after
QUESTIONS = (
    "This section answers three questions. How far can that number be trusted? What is lost between it and the true "
    "value? Is z worth what it costs?"
)
WITHOUT_LATENTS = "This model has no latents: it states p(x) itself. What asks about z is left out."
MAY_LACK = ("codebook",)  # nothing is said where a model has none


@section("evidence", order=110)
def evidence(subject: Subject) -> Group | None:
    """All that is known of a run beyond its result."""
    found, pictures = subject.run.diagnosis, _pictures(subject)
    title, what = "How good is it, really", quantity(subject.result)
    if found is None:
        command = Markup("Run <code>unveil diagnose {}</code> to measure the bracket, the gap, islands and structure. ")
        words = command.format(quoted(subject.run.path)) + "The page then shows them here."
        return Group(title, words, pictures)
    gone = () if subject.run.model.groups else OF_LATENTS
    parts = [
        _part(found, name, *of, what)
        for name, of in PARTS.items()
        if name not in gone and (name not in MAY_LACK or found.get(name))
    ]
    lead = _measured(found, QUESTIONS if subject.run.model.groups else WITHOUT_LATENTS)
    return Group(title, lead, [*parts[:BEFORE], *pictures, *parts[BEFORE:], _findings(found)])


def _measured(found: Found, questions: str) -> str:
    return Markup(
        "The number at the top says how well the model predicts. {} <small>Measured on the {} split of {}. The bracket "
        "and the gap use {:,} of its examples. Seed {}, {:,.0f} seconds.</small>"
    ).format(questions, found["split"], found["source"], found["num_examples"], found["seed"], found["seconds"])


def _part(found: Found, name: str, title: str, made: Part, what: str) -> Panel:
    """A part of the diagnosis, or why there is none."""
    part = found.get(name)
    if part is not None:
        return made(part, title, what)
    return Panel(title, f"Left out: {(found.get('why') or {}).get(name) or 'It was not measured.'}")


def _findings(found: Found) -> Panel:
    if not found.get("findings"):
        return Panel("Findings", " ".join(found.get("sentences") or [HEALTHY]))
    return Html("Findings", "", "findings.html", {"findings": found["findings"]})


def _pictures(subject: Subject) -> list[Panel]:
    """q(z) over p(z), where z is real, and p(z|x) beside q(z|x), where it is two real numbers."""
    cloud = aggregate(subject)
    if cloud is None:
        return []
    plot = Plot("", "", "aggregate", draw.aggregate(cloud), narrow=len(cloud.titles) == 2)
    found = beside_the_truth(subject)
    shown: list[Panel] = [Group("The aggregate posterior over the prior", _cloud_lead(cloud), [plot])]
    if found:
        shown.append(Group("The true posterior beside q", TRUTH, _views(subject, found, cloud.titles), across=3))
    return shown


TRUTH = (
    "With two latents p(z|x) can be computed on a grid. The filled shape is p(z|x), and the dashed line is q(z|x). "
    "Both enclose 50, 90 and 99 % of the mass. At this x the ELBO loses KL(q ‖ p), which is small if the two shapes "
    "agree."
)


def _cloud_lead(cloud: AggregateDraws) -> str:
    lead = (
        "Samples start from p(z). The decoder was trained on z from q(z), the average of q(z|x) over x. Both should "
        "cover the same places. In a place with p(z) but without q(z), the decoder was never trained, and samples may "
        "be unlike data. In a place with q(z) but without p(z) lie x that the model almost never makes."
    )
    if cloud.num_dims <= 2:
        return lead
    under = "p(z)" if cloud.density is not None else "draws of p(z)"
    return f"{lead} z has {cloud.num_dims} dimensions; the two with the largest rate are shown, over {under}."


def _views(subject: Subject, found: list[Beside], titles: tuple[str, ...]) -> list[Panel]:
    images = _images(subject, [one.place for one in found])
    crisp = subject.paint is not None and subject.paint.crisp
    return [
        Group("", "", [
            Plot("", "", f"beside_{i}", draw.beside(one, titles)),
            Html("", "", "view.html", {"image": image, "crisp": crisp, "caption": _caption(subject, one.place),
                                       "loss": _loss(one.kl)}),
        ])
        for i, (one, image) in enumerate(zip(found, images, strict=True))
    ]  # fmt: skip


def _images(subject: Subject, places: list[int]) -> list[str] | list[None]:
    if subject.paint is None:
        return [None] * len(places)
    return uris(subject.paint(batch_x(subject.test.take(torch.tensor(places)))), SIDE)


def _caption(subject: Subject, place: int) -> str:
    label = subject.label(subject.test, place)
    row = f"row {int(subject.test.rows[place]):,}"
    return row if label is None else f"{label} · {row}"


def _loss(kl: float | None) -> str:
    return "q is too narrow for this grid" if kl is None else f"KL(q ‖ p) = {fixed(max(kl, 0.0))} nats"
