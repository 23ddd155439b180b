"""How a run shows itself in a notebook: a small card that needs nothing from outside."""

from markupsafe import Markup

from ..errors import RequestError
from ..legible import quoted
from ..runs.curves import last_step, validation_curve
from ..runs.store import RunStore
from ..use.sample import sample
from .gallery import Painter, uris

WIDTH, HEIGHT = 260, 44  # of the sparkline, in pixels
SAMPLES, SIDE = 12, 64  # images in the strip, and their longest side

CARD = Markup(
    '<div style="border:1px solid rgb(128 128 128 / .35);border-radius:10px;padding:14px 18px;max-width:640px;'
    'font-family:system-ui,sans-serif;font-size:14px;line-height:1.5">'
    '<div style="display:flex;justify-content:space-between;gap:16px">'
    '<code style="overflow-wrap:anywhere">{path}</code><span style="opacity:.7;white-space:nowrap">{state}</span></div>'
    "<div>{said}</div>{curve}{strip}</div>"
)


def run_card(run: RunStore) -> str:
    """A self-contained HTML card of a run, finished or not: path, state, result, validation bound, samples."""
    model = run.config.model_name
    state = "finished" if run.is_finished else f"unfinished, step {last_step(run):,} of {run.phase.steps:,}"
    said = run.result["sentences"][0] if run.is_finished else f"Go on with: unveil resume {quoted(run.path)}"
    line = sparkline(validation_curve(run)[1])
    return str(CARD.format(path=run.path, state=f"{model} · {state}", said=said, curve=line, strip=_strip(run)))


def sparkline(values: list[float]) -> Markup:
    """The validation bound as a line without axes, its last value beside it; nothing for fewer than two values."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    across, up = (WIDTH - 8) / (len(values) - 1), (HEIGHT - 8) / max(high - low, 1e-12)
    points = " ".join(f"{4 + i * across:.1f},{HEIGHT - 4 - (v - low) * up:.1f}" for i, v in enumerate(values))
    return Markup(
        '<div style="display:flex;align-items:center;gap:10px;margin-top:8px">'
        '<svg width="{width}" height="{height}" role="img" aria-label="validation bound">'
        '<polyline points="{points}" fill="none" stroke="#1796a8" stroke-width="2" stroke-linejoin="round"/></svg>'
        '<span style="opacity:.7">validation bound {last} nats</span></div>'
    ).format(width=WIDTH, height=HEIGHT, points=points, last=f"{values[-1]:.2f}")


def _strip(run: RunStore) -> Markup:
    """Mean images of a few samples in a row; nothing for other x, or where the model cannot be loaded yet."""
    if not run.domain.picture.is_image:
        return Markup("")
    try:
        drawn = sample(run, SAMPLES, mean=True)
        images = Painter.of(run.domain, drawn)(drawn)
    except RequestError:  # no weights yet, or parts of the user's own that this run was opened without
        return Markup("")
    each = Markup('<img src="{}" alt="" style="flex:1;min-width:0;border-radius:3px;image-rendering:pixelated">')
    strip = Markup('<div style="display:flex;gap:5px;margin-top:8px" role="img" aria-label="samples">{}</div>')
    return strip.format(Markup("").join(each.format(uri) for uri in uris(images, SIDE)))
