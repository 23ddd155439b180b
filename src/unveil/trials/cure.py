"""Remedies for a model whose latents say too little, tried on a short budget and chosen on validation examples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..diagnostics.collapse import Verdict, verdict
from ..diagnostics.verdicts import WORTH
from ..estimators.label import label
from ..files import Plain
from ..objectives.elbo import BetaElbo, Elbo
from ..ops import seed_of, threads
from ..runs.command import fit_command, keys_of
from ..runs.store import RunStore
from ..train.loop import NonFinite
from .bench import Bench, Count, Judged, Refits, Told, Trial, paired
from .remedies import LeftOut, further_remedies, keys_with, remedies_of

CURE = "unveil-cure-1"
CLEARLY = 2.0  # paired standard errors by which a remedy must be better than the control, beside WORTH in nats
ALIVE_BETA, ALIVE_LR = 0.05, 1e-3  # of the stage that only has to bring the encoder to life
HEADS = ("trial", "log p(x)", "gain", "rate", "active", "shuffled z costs", "seconds")


@dataclass(frozen=True)
class Tried(Plain):
    """One refit, judged.

    Arguments:
        name: of the trial.
        keys: what differs from the run's own choices, as `unveil fit` takes it.
        judged: on the validation examples.
        seconds: of training.
        difference: mean log p(x) minus that of the control, nats per example; stderr, paired; None for the control.
    """

    name: str
    keys: Mapping[str, Any]
    judged: Judged
    seconds: float
    difference: float | None = None
    stderr: float | None = None

    @property
    def is_better(self) -> bool:
        """Whether it is better than the control, by more than two paired standard errors and 0.05 nat."""
        if self.difference is None or self.stderr is None:
            return False
        return self.difference > max(WORTH, CLEARLY * self.stderr)

    def to_json(self) -> dict[str, Any]:
        found = super().to_json()
        judged, stderr = found.pop("judged"), found.pop("stderr")
        return {**found, **judged, "difference_stderr": stderr}

    def row(self) -> tuple[str, ...]:
        found = self.judged
        gain = "–" if self.difference is None else f"{self.difference:+.2f} ± {self.stderr:.2f}"
        ends = (f"{found.rate:.2f}", found.units, f"{found.drop:.2f}", f"{self.seconds:.1f}")
        return (self.name, f"{found.log_px:.2f}", gain, *ends)


@dataclass(frozen=True, kw_only=True)
class Cured(Refits):
    """What the remedies came to.

    Arguments, beside those of `Refits`:
        estimator: with num_samples draws; direction, the side of log p(x) it states.
        before: the run's own weights on the same examples.
        tried: the control first.
        left_out: remedies that could not be tried.
        chosen: the name of the best remedy, where it is clearly better than the control.
        verdict: whether collapse is the optimum or failed optimisation; None for a run that has not collapsed.
        command: `unveil fit …` with the chosen remedy at the run's full budget; None where nothing was chosen, or no
            command makes the run.
        advice: how to fit with the chosen remedy, in a sentence before the command; "" where nothing was chosen.
        further: remedies that take another model or more than a short budget.
    """

    estimator: str
    num_samples: int | None
    direction: str
    before: Judged
    tried: tuple[Tried, ...]
    left_out: tuple[LeftOut, ...]
    chosen: str | None
    verdict: Verdict | None
    command: str | None
    advice: str
    further: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"format": CURE, **super().to_json()}

    def rows(self) -> list[tuple[str, ...]]:
        """The before/after table under `HEADS`: the run itself, the control, the remedies."""
        itself = Tried(f"the run itself, {self.own_steps:,} steps", {}, self.before, 0.0)
        return [(*itself.row()[:-1], "–"), *(tried.row() for tried in self.tried)]

    def lines(self) -> list[str]:
        """What to say below the table."""
        return [
            self.how("Each trial", f" by {label(self.estimator, self.num_samples)}"),
            self._choice(),
            *(f"Not tried: {left.name}. {left.reason}" for left in self.left_out),
            *([] if self.verdict is None else [self.verdict.sentence]),
            *filter(None, (self.advice, self.command)),
            "Further remedies: " + "; ".join(self.further) + ".",
        ]

    def _choice(self) -> str:
        if self.chosen is None:
            return (
                "None is clearly better than the fit as it was. Clearly means by more than two standard errors of the "
                f"difference, and by more than {WORTH} nat."
            )
        best = next(tried for tried in self.tried if tried.name == self.chosen)
        return (
            f"Best: {best.name}, {best.difference:.2f} ± {best.stderr:.2f} nats better than the fit as it was, each "
            "fitted once. Another --seed shows whether that was luck."
        )


def cure(
    run: RunStore,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    progress: Told | None = None,
) -> Cured:
    """Fit a run's model again as it was and with each remedy, and choose on validation examples.

    Nothing of the run is touched, nothing is written, and the test examples are not looked at.

    Arguments:
        steps: of each trial.
        minutes: for everything, which become a number of steps after a short timing; by default 1.5, and never more
            steps than the run itself made.
        seed: of every trial; by default the run's own.
        progress: called with the name of the trial, the steps made of all trials, and the steps of all trials.
    """
    with threads(run.phase.threads):
        return _Cure(Bench(run, seed), progress).carried_out(steps, minutes)


class _Cure:
    """One cure under way: the trials, and how far they are."""

    def __init__(self, bench: Bench, progress: Told | None) -> None:
        self.bench, self.progress = bench, progress
        self.trials, self.left_out = remedies_of(bench)
        self.collapsed = bench.before.has_collapsed

    def carried_out(self, steps: int | None, minutes: float | None) -> Cured:
        bench, run = self.bench, self.bench.run
        revived = 2 * [self.trials[0]] * self.collapsed  # costs as much as two controls
        self.steps = bench.steps_of([*self.trials, *revived], steps, minutes)
        self.count = Count(self.progress, self.steps * len([*self.trials, *revived]))
        tried = self._tried()
        best = max(tried, key=lambda t: t.judged.log_px)
        chosen = best if best.is_better else None
        verdict = self._verdict(tried[0].judged) if self.collapsed else None
        command = None if chosen is None else _command(run, chosen.keys, bench.own_steps)
        return Cured(
            **bench.facts(self.steps),
            estimator=bench.judge.registered[1],
            num_samples=bench.judge.num_samples,
            direction=bench.judge.direction,
            before=bench.before,
            tried=tuple(tried),
            left_out=tuple(self.left_out),
            chosen=None if chosen is None else chosen.name,
            verdict=verdict,
            command=command,
            advice="" if chosen is None else _advice(run, chosen.keys, command),
            further=further_remedies(run),
        )

    def _tried(self) -> list[Tried]:
        """The control, then every remedy whose training stays finite."""
        control = self._try(self.trials[0], None)
        found = [control]
        for trial in self.trials[1:]:
            begun = self.count.made
            try:
                found.append(self._try(trial, control.judged))
            except NonFinite as error:
                self.left_out.append(LeftOut(trial.name, error.message))
                self.count.made = begun + self.steps
        return found

    def _try(self, trial: Trial, control: Judged | None) -> Tried:
        model, seconds = self.bench.fitted(trial, self.steps, self.count)
        judged = self.bench.judged(model)
        gain, stderr = (None, None) if control is None else paired(judged.each, control.each)
        return Tried(trial.name, trial.keys, judged, seconds, gain, stderr)

    def _verdict(self, control: Judged) -> Verdict:
        """Whether the plain objective, from weights with a live encoder, falls back to what the run came to.

        The control stands for the collapsed model where it has collapsed, too.
        """
        bench, name, gentle = self.bench, "from a live z", {"lr": min(ALIVE_LR, self.bench.phase.lr)}
        alive = Trial(name, BetaElbo(beta=ALIVE_BETA, warmup=0.0), train=gentle, keep="last")
        plain = Trial(name, Elbo(warmup=0.0), train=gentle, keep="last")
        model, _ = bench.fitted(alive, self.steps, self.count)
        if bench.judged(model).has_collapsed:
            self.count.made += self.steps
            why = f"No latent became active in {self.steps:,} steps at β = {ALIVE_BETA}; give more --steps."
            return Verdict("undecided", why)
        again = seed_of("stage", bench.seed, 1)
        model, _ = bench.fitted(plain, self.steps, self.count, model=model, seed=again)
        live, dead = bench.judged(model), control if control.has_collapsed else bench.before
        _, stderr = paired(live.each_elbo, dead.each_elbo)
        found, beta = verdict(dead.elbo, live.elbo, live.rate, stderr), bench.run.config.objective.get("beta", 1.0)
        if found.kind != "failed_optimisation" or beta <= 1:
            return found
        why = f" The ELBO says so; the run's own objective weighs the rate by {beta:g}, which keeps z from being used."
        return replace(found, sentence=found.sentence + why)


def _command(run: RunStore, change: Mapping[str, Any], steps: int) -> str | None:
    """The fit of a run with some choices changed; None for a run that no command makes."""
    keys = keys_of(run)
    return None if keys is None else fit_command(run, keys_with(keys, change), steps)


def _advice(run: RunStore, change: Mapping[str, Any], command: str | None) -> str:
    if command is None:
        said = ", ".join(f"{name.replace('.', '__')}={value!r}" for name, value in change.items())
        return f"To fit with it at the full budget, in Python: unveil.fit(…, {said}), with all else as for this run."
    if run.config.in_memory:
        where = run.config.where
        return f"To fit with it at the full budget, save the array and put the name of its file in place of “{where}”:"
    return "To fit with it at the full budget:"
