"""Training: the bound and its two costs, step by step."""

from typing import Any

from markupsafe import Markup

from ...evaluation.splits import of_one_quantity
from ...panels import Panel
from ...runs.curves import Curve, curve, kept_step
from ...runs.store import RunStore
from ..charts import Figure, axis, figure, line, points, without_the_first_fall
from ..exhibits import Group, Plot
from ..subject import Subject
from . import section

POINTS = 500  # of a curve: more than a screen can show
OVERFITTING = (
    "If the validation curve stops rising while the training curve goes on, the model learns examples by heart. The "
    "circle marks the step whose weights were kept."
)


@section("training", order=20)
def training(subject: Subject) -> Group | None:
    """The bound and, of a model with latents, its rate and distortion, where training has steps."""
    names = ("bound", "rate", "distortion") if subject.model.groups else ("bound",)
    found = {name: curves(subject.run, name) for name in names}
    shown = [Plot("" if name == "bound" else name.capitalize(), "", name, figure) for name, figure in found.items()
             if figure["data"]]  # fmt: skip
    if not shown:
        return None
    parts: list[Panel] = [shown[0]]
    if shown[1:]:
        parts.append(Group("", "", shown[1:], across=2))
    return Group("Training", _words(bool(shown[1:]), bool(subject.model.groups)) + _labels(subject), parts)


def _labels(subject: Subject) -> str:
    """What the curves are of, where a model takes labels and only some of them are known."""
    if of_one_quantity(subject.model, subject.valid) is subject.valid:
        return ""
    return (
        " Only some of these examples have a label. In the curves, an example with a label counts with log p(x|label), "
        "and one without with log p(x)."
    )


def _words(costs: bool, latents: bool) -> str:
    if not costs:
        return f"{'The bound on log p(x)' if latents else 'log p(x)'} rises during training. {OVERFITTING}"
    two_costs = Markup(
        'The bound rises during training. It is the negative sum of two costs, <span class="f">log p(x) ≥ −(distortion '
        '+ rate)</span>. The distortion, <span class="f">−E<sub>q</sub>[log p(x|z)]</span>, is what z does not say '
        'about x. The rate, <span class="f">KL(q(z|x) ‖ p(z))</span>, is what z costs. '
    )
    return two_costs + OVERFITTING


def curves(run: RunStore, name: str) -> Figure:
    """One quantity over training: the training set in grey, the validation set in colour, the kept weights marked."""
    best, valid = kept_step(run), curve(run, f"valid_{name}")
    kept = [y for x, y in zip(*valid, strict=True) if x == best]
    (x, y), (u, v) = thinned(curve(run, name), best), thinned(valid, best)
    style: dict[str, Any] = {"hover": "%{y:.2f} at step %{x}", "digits": 7}
    ring = {"size": 11, "line": {"color": "@accent", "width": 2.5}}
    more = without_the_first_fall(y, v) if name == "bound" else {}
    return figure(
        [
            line(x, y, "@muted", "training batches", width=1.2, **style),
            line(u, v, "@accent", "validation", marks=True, **style),
            points([best or 0] * len(kept), kept, "@paper", "weights kept", marker=ring, **style),
        ],
        axis("step"),
        axis("nats per example", **more),
        showlegend=name == "bound",
    )


def thinned(found: Curve, best: int | None) -> Curve:
    """At most about 500 points of a curve, and the best."""
    steps, values = found
    kept = [i for i, step in enumerate(steps) if i % (len(steps) // POINTS + 1) == 0 or step == best]
    return [steps[i] for i in kept], [values[i] for i in kept]
