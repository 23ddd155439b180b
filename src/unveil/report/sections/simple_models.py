"""Against simple models: the paired difference to each baseline, as bars and in a table."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from ...evaluation.judged import of_x_alone
from ..charts import Figure, axis, bars, errors, figure, plain
from ..exhibits import Group, Plot, Table
from ..rounding import error, fixed
from ..subject import Subject
from . import section

HEAD = ("model", "side", "size chosen", "log p(x)", "standard error", "K", "this model is better by")


@section("baselines", order=10)
def simple_models(subject: Subject) -> Group | None:
    """A bar and a row for each baseline, where the fit had any."""
    result, found = subject.result, subject.result["baselines"]
    if not found:
        return None
    alone, K = of_x_alone(result), result["num_samples"]
    own_name = "this model" if alone == result else "this model, labels summed out"
    mean, stderr = fixed(alone["log_px"]), error(alone["stderr"])
    own = (own_name, result["direction"], "–", mean, f"± {stderr}", str(K or "–"), "–")
    legend = Markup(" ").join([_legend(found, K), *map(escape, result.get("baselines_left_out", ()))])
    rows = [_row(one) for one in sorted(found, key=lambda one: one["log_px"], reverse=True)]
    return Group(
        "Against simple models",
        "Each bar shows how many nats per example this model is better than a simple model of the same data. The size "
        "of each simple model was chosen on validation examples. The thin line at the end of a bar is one standard "
        "error of the difference, which is paired: both models are judged on the same test examples.",
        [Plot("", "", "baselines", differences(found)), Table("", legend, HEAD, [own, *rows], 2, own=0)],
    )


def differences(found: Sequence[dict[str, Any]]) -> Figure:
    """Nats by which the model is better than each baseline, with the paired standard error."""
    ordered = sorted(found, key=lambda b: b["difference"], reverse=True)
    bar = bars(
        [plain(b["description"].split(" (")[0]) for b in ordered],
        [b["difference"] for b in ordered],
        ["@accent" if b["difference"] > 0 else "@muted" for b in ordered],
        "%{x:.2f} nats",
        level=True,
        digits=9,
        error_x=errors([b["difference_stderr"] or 0 for b in ordered]),
    )
    names = {"showgrid": False, "ticksuffix": "  "}
    return figure([bar], axis("nats better", zeroline=True), names, 90 + 48 * len(found), bargap=0.45)


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    name, told, more = found["description"].partition(" (")
    tried = ", ".join(f"{one['size']}: {fixed(one['valid_log_px'])}" for one in found["tried"])
    size = Markup('{} <small title="{} nats on validation">of {} tried</small>')
    return (
        Markup("{} <small>({}</small>").format(name, more) if told else name,
        found["direction"],
        size.format(found["size"], tried, len(found["tried"])),
        fixed(found["log_px"]),
        f"± {error(found['stderr'])}",
        str(found["num_samples"] or "–"),
        f"{fixed(found['difference'])} ± {error(found['difference_stderr'])}",
    )


def _legend(found: Sequence[dict[str, Any]], num_samples: int | None) -> str:
    """What side and K of the table mean."""
    legend = "“lower” is a bound from below, and “exact” a closed form."
    if not any(one["num_samples"] for one in found):
        return legend
    own = "K is the number of importance samples of this model. " if num_samples else ""
    return Markup(
        "{} {}A simple model that is dequantised states a bound on the probability of discrete x: "
        "log P(x) ≥ E log <sup>1</sup>⁄<sub>K</sub> Σ<sub>k</sub> p(x + u<sub>k</sub>). There K is the number of "
        "draws u."
    ).format(legend, own)
