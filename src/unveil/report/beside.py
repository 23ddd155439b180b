"""What several runs show side by side: draws of each and, where one can be cut into steps, few steps beside many."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.shared.panels import Lines, Panel, Strip
from ..models.vdm.walks import STEPS, log_lost
from ..ops import keyed
from ..runs.store import RunStore
from ..use.sample import sample

DRAWN = 12  # draws of each run
ONE_STEP = (
    " In one large step a model of many small ones is a VAE with one Gaussian between two layers: what it lacks is "
    "what the small steps are for."
)
EXAMPLES, DRAWS = 64, 8  # test examples, and draws of z for each, that steps are judged on
ROWS = 8  # examples at once: T + 1 groups of the size of x are held for each draw


def beside(runs: Sequence[RunStore]) -> dict[str, Panel]:
    """The panels of a comparison."""
    layered = [run for run in runs if "layers" in run.model.gives]
    found: dict[str, Panel] = {"draws": _draws(runs, layered)}
    return found | ({"steps": _steps(runs, layered)} if layered else {})


def _draws(runs: Sequence[RunStore], layered: Sequence[RunStore]) -> Strip:
    """A row for each run, and one more for a model in one large step."""
    rows, labels = [], []
    for run in runs:
        rows.append(torch.from_numpy(sample(run, DRAWN)))
        labels.append(run.path.name)
        if run in layered:
            rows.append(_in_one_step(run))
            labels.append(f"{run.path.name}, in one step")
    return Strip(
        "Draws",
        "New x from each model." + (ONE_STEP if layered else ""),
        torch.stack(rows),
        labels,
    )


@torch.no_grad()
def _in_one_step(run: RunStore) -> Tensor:
    with keyed("sample", 0):
        return run.model.layers(1).sample(DRAWN, run.model.draw_labels(DRAWN))[0].cpu()


def _steps(runs: Sequence[RunStore], layered: Sequence[RunStore]) -> Lines:
    """By how much each bound is behind the best of them, against the number of steps."""
    whole = {run.path.name: _bound(run) for run in runs}
    best = max(whole.values())
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for run in runs:
        name = run.path.name
        bounds = [_bound(run, steps) for steps in STEPS] if run in layered else [whole[name]] * len(STEPS)
        series[name] = (STEPS, [log_lost(best - bound) for bound in bounds])
    return Lines(
        "One large step against many small ones",
        f"By how many nats the bound of T steps is behind the best bound here, {best:.1f} nats over {EXAMPLES} test "
        "examples, as a power of 10; models that are not made of steps are level lines.",
        series,
        "steps T",
        "log₁₀ of nats behind",
        log_x=True,
    )


@torch.no_grad()
def _bound(run: RunStore, num_steps: int | None = None) -> float:
    """The mean ELBO of a few test examples, in nats; of the model in T steps."""
    test = run.data.test.head(EXAMPLES).to(run.device)
    model = run.model if num_steps is None else run.model.layers(num_steps)
    total = 0.0
    with keyed("steps"):
        for rows in torch.arange(len(test), device=test.x.device).split(ROWS):
            total += float(model.infer(test.batch(rows), DRAWS).elbo.sum())
    return total / len(test)
