"""What several runs show side by side: draws of each and, where one can be cut into steps, few steps beside many."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..evaluation.splits import of_one_quantity
from ..ops import keyed
from ..panels import Lines, Panel, Strip
from ..runs.store import RunStore
from ..use.sample import sample
from .rounding import fixed

DRAWN = 12  # draws of each run
ONE_STEP = (
    " A model of many small steps that is cut into one large step is a VAE with one Gaussian between two layers. Its "
    "draws show what the small steps add."
)
EXAMPLES, DRAWS = 64, 8  # test examples, and draws of z for each, that steps are judged on
ROWS = 8  # examples at once: T + 1 groups of the size of x are held for each draw
LEAST = 0.1  # nats that are told from none


def beside(runs: Sequence[RunStore]) -> list[Panel]:
    layered = [run for run in runs if "layers" in run.model.gives]
    return [_draws(runs, layered), *([_steps(runs, layered)] if layered else [])]


def _draws(runs: Sequence[RunStore], layered: Sequence[RunStore]) -> Strip:
    """A row for each run, and one more for a model in one large step."""
    rows, labels = [], []
    for run in runs:
        rows.append(torch.from_numpy(sample(run, DRAWN, mean=run.domain.picture.is_image)))
        labels.append(run.path.name)
        if run in layered:
            rows.append(_in_one_step(run))
            labels.append(f"{run.path.name}, in one step")
    shown = (
        " They are means E[x|z] at z from p(z), without the noise of p(x|z)." if runs[0].domain.picture.is_image else ""
    )
    return Strip("Draws", f"Each row shows new x from one model.{shown}" + (ONE_STEP if layered else ""), rows, labels)


@torch.no_grad()
def _in_one_step(run: RunStore) -> Tensor:
    y, layers = run.model.draw_labels(DRAWN), run.model.layers(1)
    with keyed("sample", 0):
        x, z = layers.sample(DRAWN, y)
    return (layers.shown(x, z, y) if run.domain.picture.is_image else x).cpu()


def _steps(runs: Sequence[RunStore], layered: Sequence[RunStore]) -> Lines:
    """By how much each bound is below the best of them, against the number of steps."""
    steps = sorted({step for run in layered for step in run.model.compared_steps})
    mixed = len({run.result.get("condition") for run in runs}) > 1  # log p(x|label) is not compared with log p(x)
    whole = {run.path.name: _bound(run, mixed) for run in runs}
    best = max(whole.values())
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for run in runs:
        name = run.path.name
        bounds = [_bound(run, mixed, T) for T in steps] if run in layered else [whole[name]] * len(steps)
        series[name] = (steps, [max(best - bound, LEAST) for bound in bounds])
    return Lines(
        "One large step against many small ones",
        f"Each curve shows how many nats the ELBO of a model in T steps is below the best ELBO. The best is "
        f"{fixed(best, 1)} nats over {EXAMPLES} test examples. Less than {LEAST} is shown as {LEAST}. A model that is "
        "not made of steps is a level line.",
        series,
        "steps T",
        "nats below the best",
        log_x=True,
        log_y=True,
    )


@torch.no_grad()
def _bound(run: RunStore, blind: bool, num_steps: int | None = None) -> float:
    """The mean ELBO of a few test examples, in nats; without their labels where blind; of the model in T steps."""
    test = of_one_quantity(run.model, run.data.test.spread(EXAMPLES).to(run.device))
    test = replace(test, y=None) if blind else test
    model = run.model if num_steps is None else run.model.layers(num_steps)
    total = 0.0
    with keyed("steps"):
        for rows in torch.arange(len(test), device=test.x.device).split(ROWS):
            total += float(model.infer(test.batch(rows), DRAWS).elbo.sum())
    return total / len(test)
