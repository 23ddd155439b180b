"""The lines before a fit: what was picked and why, and what it will cost."""

import time

from ..data import Data
from ..model import Model
from ..planning.measure import memory
from ..runs.config import RunConfig


def explain(data: Data, model: Model, config: RunConfig) -> tuple[str, ...]:
    """What was picked and why, what was noticed of the data, and what it will cost."""
    phase, seconds = config.phases[-1], config.seconds
    sizes = f"{len(data.train):,} + {len(data.valid):,} + {len(data.test):,} examples (train, valid, test)"
    binarized = f", {data.binarization} binarization" if data.binarization else ""
    shape = "×".join(map(str, data.domain.shape))
    weights = sum(p.numel() for p in model.parameters())
    story = f", {model.story}" if model.story else ""
    passes = phase.steps * phase.batch_size / len(data.train)
    epochs = f"{passes:,.{0 if passes >= 10 else 1}f}"
    needed, free = memory()
    end = time.strftime("%H:%M:%S", time.localtime(time.time() + sum(seconds.values())))
    picked = ["bf16"] * (phase.in_bf16) + ["compiled"] * phase.compile
    many = [f"{phase.threads} threads"] * (phase.device == "cpu" and phase.threads > 1)
    fast = ", ".join(picked + many)
    how = (
        f"{phase.steps:,} passes in closed form"
        if model.solves == "all"
        else f"{phase.steps:,} steps of {phase.batch_size} ({epochs} epochs){', ' + fast if fast else ''}"
    )
    return (
        *([] if data.resize is None else [f"Read   {data.resize}"]),
        f"Data   {data.name}: {sizes}, {shape}, {data.domain}{binarized}",
        *(f"Note   {note}" for note in data.notes if note != data.resize),
        f"Model  {config.model_name}{story}, {weights:,} weights",
        *(f"Note   {note}" for note in config.notes if note not in data.notes),
        f"Budget {how}; memory {needed:.1f} of {free:.1f} GB; about {sum(seconds.values()):.0f} s, until {end}",
    )
