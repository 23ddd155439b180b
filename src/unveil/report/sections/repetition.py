"""How it was made: the commands that make a run again, every choice in words and never a clock, and its facts."""

import shlex

from markupsafe import escape

from ...legible import quoted
from ...registry import lookup
from ...runs.command import fit_command, keys_of
from ...runs.store import RunStore
from ..exhibits import Group, Html
from ..subject import Subject
from . import section


@section("made", order=130)
def made(subject: Subject) -> Group:
    """The commands, where the run can be made again by any, and what is known of data, training and versions."""
    commands = repetition(subject.run)
    whole = None if commands is None else escape("\n".join(commands))  # however long: it is to be copied
    values = {"commands": whole, "judgement": escape(judgement(subject.run)), "subject": subject}
    return Group("How it was made", "", [Html("", "", "made.html", values)])


def repetition(run: RunStore) -> list[str] | None:
    """`unveil fit …` and what follows it, or None for a model that was built by hand."""
    keys = keys_of(run)
    if keys is None:
        return None
    first, *later = run.config.phases
    again = [f"unveil resume {quoted(run.path)} --steps {phase.steps}" for phase in later]
    return [fit_command(run, keys, first.steps), *again]


def judgement(run: RunStore) -> str:
    """The command that judges the run with the same estimator and K."""
    chosen = run.config.judging
    samples = f" --num-samples {chosen.num_samples}" if chosen.num_samples else ""
    lookup("estimator", chosen.estimator)  # a name that nothing is registered under is no word to copy
    return f"unveil evaluate {quoted(run.path)} --estimator {shlex.quote(chosen.estimator)}{samples}"
