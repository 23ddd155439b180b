"""What each latent says: the rate and the variance of every dimension of z."""

from markupsafe import Markup
from torch import Tensor

from ...diagnostics.activity import ACTIVE
from ...panels import Panel
from ..charts import FEW, Figure, axis, bars, figure, rule
from ..exhibits import Group, Plot, Table
from ..rounding import fixed
from ..subject import Dimensions, Subject
from . import section


@section("rates", order=80)
def dimensions(subject: Subject) -> Group | None:
    """Bars for each dimension and, of several groups, their rates; where z has a mean."""
    found = subject.dimensions
    if found is None:
        return None
    parts: list[Panel] = []
    if len(subject.model.groups) > 1:
        rates = subject.result["kl_per_group"]
        head = ["group", *(str(group) for group in range(1, len(rates) + 1))]
        parts.append(Table("", "", head, [["rate in nats", *map(fixed, rates)]]))
    plots = [Plot("Variance of the posterior mean", "", "variances", variance_per_dimension(found))]
    if found.rate is not None:
        plots.insert(0, Plot("Rate per dimension", "", "rates", rate_per_dimension(found)))
    return Group("What each latent says", _words(subject, found), [*parts, Group("", "", plots, across=2)])


def _words(subject: Subject, found: Dimensions) -> str:
    levels = " Their grey levels enter as pixel probabilities." if subject.info["levels"] else ""
    return Markup(
        'The rate <span class="f">KL(q(z|x) ‖ p(z))</span> is what the posterior adds to the prior: {} nats per '
        "example. A dimension is active if its posterior mean moves with x: "
        '<span class="f">Var<sub>x</sub>(E<sub>q</sub>[z<sub>d</sub>|x]) &gt; 0.01</span> (Burda’s rule). '
        "{} of {} dimensions are active, counted over {:,} test examples.{} Grey bars are not active."
    ).format(
        fixed(subject.result["rate"]), subject.result["active_units"], len(found.variance), found.num_examples, levels
    )


def rate_per_dimension(found: Dimensions) -> Figure:
    """KL of each dimension, the one that says most first; inactive ones in grey."""
    assert found.rate is not None
    return _ordered(found, found.rate[found.order], axis("nats per example"))


def variance_per_dimension(found: Dimensions) -> Figure:
    """Var_x(E_q[z_d|x]) of each dimension, with the line above which it counts as active."""
    variances = found.variance[found.order].clamp(min=1e-8)
    return _ordered(found, variances, axis("variance", type="log", dtick=1), shapes=[rule(y=ACTIVE, width=1)])


def _ordered(found: Dimensions, values: Tensor, y: Figure, **layout: object) -> Figure:
    colours = ["@accent" if active else "@muted" for active in found.active[found.order].tolist()]
    names = [f"z<sub>{d + 1}</sub>" for d in found.order.tolist()]
    places = list(range(1, len(values) + 1))
    bar = bars(places, values, colours, "%{text}: %{y}", text=names, textposition="none")
    few = {"dtick": 1} if len(values) <= FEW else {}
    x = axis("dimension of z, the one that says most first", showgrid=False, **few)
    return figure([bar], x, y, 260, bargap=0.25, **layout)
