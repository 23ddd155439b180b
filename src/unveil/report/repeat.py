"""The commands that make a run again: every choice in words, and never a clock."""

from __future__ import annotations

import shlex

from ..runs.command import fit_command, keys_of
from ..runs.store import RunStore


def repetition(run: RunStore) -> list[str] | None:
    """`unveil fit …` and what follows it, or None for a model that was built by hand."""
    keys = keys_of(run)
    if keys is None:
        return None
    first, *later = run.config.phases
    again = [f"unveil resume {shlex.quote(str(run.path))} --steps {phase.steps}" for phase in later]
    return [fit_command(run, keys, first.steps), *again]


def judgement(run: RunStore) -> str:
    """The command that judges the run with the same estimator and K."""
    chosen = run.config.judging
    samples = f" --num-samples {chosen.num_samples}" if chosen.num_samples else ""
    return f"unveil evaluate {shlex.quote(str(run.path))} --estimator {chosen.estimator}{samples}"
