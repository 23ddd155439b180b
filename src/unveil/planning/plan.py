"""From "auto" to numbers: every choice that a clock or a probe makes is made here, once, before the first step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data import Data
from ..errors import at_least
from ..model import Model, device_of
from ..objectives import Objective
from ..ops import threads
from ..registry import rebuild
from ..settings.judging import Judging
from ..settings.options import EvaluationOptions, TrainOptions
from ..settings.phase import Phase
from ..train.encoded import encodes
from ..train.stage import Stage
from .judging import beside, check_judging, plan_judging
from .measure import (
    Probe,
    bytes_of_weights,
    bytes_per_row,
    flops_per_step,
    free_bytes,
    has_convolutions,
    seconds_of_encoding,
)
from .memory import check_memory
from .stages import check_stages, plan_stages, with_prior_share

DEFAULT_MINUTES = 10.0
VALIDATIONS, FEWEST_VALIDATIONS = 25, 5
APART = 4  # steps from one validation to the next, down to the fewest of these
VALIDATION_SHARE = 0.1  # of the seconds for training, that validations may take down to the fewest
MOST_OF_IT = 0.2  # of those seconds, above which a validation looks at fewer examples, down to
FEWEST_EXAMPLES, MOST_AT_ALL = 100, 0.4  # and above that share there are fewer validations
FEWEST_STEPS = 5
ASKED = 20_000  # times a network is asked in a validation
SHARE, TABLE_SHARE = 0.01, 0.02  # of the training examples, in one update
TRAINING_SHARE, UPDATES, SMALLEST = 0.6, 100, 8  # of a budget; updates that it is to pay for; rows of a batch at least
REPORT_SECONDS = 8.0
COMPILING, GAIN = 25.0, 0.1  # seconds per stage that compiling takes, and the share it saves, before it is tried
WORTH = 0.97  # of an eager step's time, from which on a compiled one is not used
HOPELESS, SETTING_UP = 3.0, 1.0  # times a float32 update, and seconds, from which on one update in bf16 tells enough
LARGE = 5e8  # floating-point operations per update from which threads and reduced precision matter
MEMORY_SHARE = 0.5  # of what is free, for a step
BASELINE_SHARE, SLACK = 0.07, 0.04  # of a budget in minutes
BASELINES = (2.0, 0.15)  # elsewhere: seconds and share of those for training, whichever is more


@dataclass(frozen=True)
class Plan:
    """What a fit will do.

    Arguments:
        phase: resolved training options.
        judging: the estimator and K of the result and of scores.
        seconds: expected, by part.
        notes: what a probe decided, in sentences.
        problem: the compiled problem, where there is one, to be used again.
    """

    phase: Phase
    judging: Judging
    seconds: dict[str, float]
    notes: tuple[str, ...]
    problem: Any = None


@dataclass(frozen=True)
class Request:
    """What a fit is asked to do.

    Arguments:
        model: initialised and on its device; left as it came.
        data: on the same device.
        objective: of the main stage.
        options: how to train, with what is left to be found as "auto".
        judging: how the result is judged.
        seed: of the order of examples and of all noise.
        started: `time.perf_counter()` at the command's start.
    """

    model: Model
    data: Data
    objective: Objective
    options: TrainOptions
    judging: EvaluationOptions
    seed: int
    started: float

    @property
    def batch_size(self) -> int:
        size, asked = len(self.data.train), self.options.batch_size
        share = TABLE_SHARE if self.data.domain.columns is not None else SHARE
        most = 256 if has_convolutions(self.model) else 512  # they keep a core busy with fewer, and see fewer examples
        own = int(min(most, max(64, 2 ** round(math.log2(max(1, share * size))))))
        return min(own if asked == "auto" else asked, size)


def check_counts(options: TrainOptions) -> None:
    """Refuse options that count something and are below one."""
    for name in ("valid_every", "batch_size", "threads"):
        value = getattr(options, name)
        if value != "auto":
            at_least(1, f"train.{name}", value)
    at_least(0, "train.patience", options.patience)


def resolve(request: Request) -> Plan:
    """Fix stages, batch size, learning rate, precision, threads, compilation and the number of steps.

    A budget in minutes becomes a number of steps after a short timed warm-up; nothing later reads the clock.
    """
    options = request.options
    check_counts(options)
    check_stages(options, request.model, request.data.train)
    check_judging(request.judging, request.model)
    batch, notes = _fitting_batch(request)
    request = replace(request, options=replace(options, batch_size=batch))
    large = flops_per_step(request.model, batch * request.objective.num_samples) > LARGE
    few = torch.get_num_threads() if large else 1  # a second thread costs a small model more than it brings
    with threads(few if options.threads == "auto" else options.threads):
        if large and options.batch_size == "auto":
            request, told = _paid_batch(request)
            notes += told
        return _resolve(request, large, notes)


def _resolve(request: Request, large: bool, notes: list[str]) -> Plan:
    phase = _chosen(request)
    probe = Probe(request.model, request.data, request.objective, phase, request.seed, steps=_steps_asked(request))
    speed = _pick_speed(request, probe, phase, large)
    kept = _encoded(request, phase)
    per_step, validation = _seconds_per_step(request, phase, probe, speed, kept), probe.seconds_per_validation
    steps, minutes, told = _budget(request, per_step)
    encoding = seconds_of_encoding(request.model, request.data.train) if kept else 0.0
    looks, examples = min(VALIDATIONS, max(FEWEST_VALIDATIONS, steps // APART)), _looked_at(request)
    judging, judged, few = plan_judging(request.judging, probe, minutes, per_step * steps)
    if minutes is None:
        validation *= (examples or len(request.data.valid)) / len(request.data.valid)
    else:
        passed = time.perf_counter() - request.started
        left = (
            60 * minutes * (1 - BASELINE_SHARE - SLACK) - judged - REPORT_SECONDS - passed - speed.compiling - encoding
        )
        looks, examples = _looks(left, validation, len(request.data.valid))
        validation *= (examples or len(request.data.valid)) / len(request.data.valid)
        steps = max(FEWEST_STEPS, int((left - (looks + 1) * validation) / per_step))
        told += _too_few(steps, minutes, request)
    precision = "bf16" if speed.bf16 else "float32"
    phase = replace(
        _of_steps(request, phase, steps, looks, kept), precision=precision, compile=speed.problem is not None
    )
    phase = replace(phase, valid_examples=examples)
    for own in phase.stages:  # each is refused here, or trains
        Stage.of(rebuild(own["objective"]) if "objective" in own else request.objective, phase.stage_options(own))
    validations = steps / phase.valid_every + len(phase.stages) - 1
    seconds = {
        "training": per_step * steps + validation * validations + speed.compiling + encoding,
        "evaluation": judged,
        "report": REPORT_SECONDS,
    }
    share = BASELINE_SHARE * 60 * minutes if minutes else beside(seconds["training"], *BASELINES)
    seconds["baselines"] = 0.0 if request.judging.baselines == "none" else min(share, 60.0)
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    return Plan(phase, judging, rounded, (*notes, *speed.notes, *told, *few), speed.problem)


def _looked_at(request: Request) -> int | None:
    """How many examples a validation looks at where a model asks its network often for each, None standing for all."""
    examples = max(FEWEST_EXAMPLES, ASKED // request.model.passes)
    return examples if request.model.passes > 1 and examples < len(request.data.valid) else None


def _looks(left: float, validation: float, total: int) -> tuple[int, int | None]:
    """How many validations there are, and of how many examples, None standing for all.

    Arguments: left, seconds for training and validations; validation, seconds of one over all `total` examples.
    """
    looks = int(min(VALIDATIONS, max(FEWEST_VALIDATIONS, VALIDATION_SHARE * left / validation)))
    examples = min(total, max(FEWEST_EXAMPLES, int(total * MOST_OF_IT * left / (looks * validation))))
    looks = int(max(1, min(looks, MOST_AT_ALL * left * total / (validation * examples))))
    return looks, examples if examples < total else None


def _too_few(steps: int, minutes: float, request: Request) -> list[str]:
    """What to say of a budget that hardly anything can be learned in."""
    if steps >= UPDATES // 2 or request.model.solves == "all":
        return []
    smaller = " or smaller pictures, such as --size 32" if request.model.domain.is_image else ""
    return [f"Only {steps} updates fit into {minutes:g} min, too few to learn much. Give more --minutes{smaller}."]


def _paid_batch(request: Request) -> tuple[Request, list[str]]:
    """The request with a batch halved until a budget in minutes pays for 100 updates, and what is to be said."""
    asked, batch = request.options, request.batch_size
    has_minutes = asked.steps is None and asked.epochs is None
    if not has_minutes or request.model.solves == "all" or batch <= SMALLEST:
        return request, []
    phase = replace(_chosen(request), batch_size=SMALLEST)
    few = Probe(request.model, request.data, request.objective, phase, request.seed, steps=_steps_asked(request))
    each = few.seconds_per_step(False, None, budget=0.5) / SMALLEST
    minutes = DEFAULT_MINUTES if asked.minutes is None else asked.minutes
    paid, whole = TRAINING_SHARE * 60 * minutes / (UPDATES * each), batch
    while batch > max(SMALLEST, paid):
        batch //= 2
    if batch == whole:
        return request, []
    told = f"The batch size is {batch}, so that {minutes:g} min pay for more updates; train.batch_size=N takes another."
    return replace(request, options=replace(asked, batch_size=batch)), [told]


def _fitting_batch(request: Request) -> tuple[int, list[str]]:
    """The batch size asked for or picked, the latter halved until a step takes at most half of the free memory."""
    model, batch = request.model, request.batch_size
    if model.solves == "all":
        return batch, []
    free, each = free_bytes(device_of(model)), bytes_per_row(model, request.data, request.objective)
    fixed = bytes_of_weights(model)
    fits = max(1, int((MEMORY_SHARE * free - fixed) / each))
    asked = request.options.batch_size != "auto"
    check_memory(model, each, batch if asked else min(batch, fits))
    if batch <= fits:
        return batch, []
    if asked:
        needed = (fixed + each * batch) / 1e9
        return batch, [f"A batch of {batch} needs about {needed:.1f} GB, and {free / 1e9:.1f} GB are free."]
    while batch > fits:
        batch = batch // 2
    return batch, [f"The batch size is {batch}, the largest whose step takes half of the {free / 1e9:.1f} GB free."]


def _budget(request: Request, per_step: float) -> tuple[int, float | None, list[str]]:
    """(steps, minutes or None, what is to be said): the budget asked for, or the default one."""
    steps, options = _steps_asked(request), request.options
    asked = any(budget is not None for budget in (options.minutes, options.steps, options.epochs))
    if asked or per_step * steps <= 60 * DEFAULT_MINUTES * 0.8:
        return steps, options.minutes, []
    told = f"The default budget is {DEFAULT_MINUTES:g} minutes; --minutes, --epochs or --steps change it."
    return steps, DEFAULT_MINUTES, [told]


def _chosen(request: Request) -> Phase:
    """What does not depend on the number of steps (which stands at 1)."""
    options, images = with_prior_share(request.options, request.model), request.model.domain.is_image
    assert options.prior_share != "auto"
    return Phase(
        asked=options,
        batch_size=request.batch_size,
        lr=request.model.lr_scale * _learning_rate(request.batch_size, images) if options.lr == "auto" else options.lr,
        weight_decay=(0.02 if images else 0.01) if options.weight_decay == "auto" else options.weight_decay,
        prior_share=options.prior_share,
        device=str(device_of(request.model)),
        threads=torch.get_num_threads(),
        seed=request.seed,
    )


def _of_steps(request: Request, phase: Phase, steps: int, looks: int, encoded: int) -> Phase:
    """The phase with what follows from the number of steps and of validations, and of examples encoded once."""
    options = request.options
    every = max(1, round(steps / looks)) if options.valid_every == "auto" else options.valid_every
    return replace(
        phase,
        steps=steps,
        ema_half_life=0.01 * steps * phase.batch_size if options.ema_half_life == "auto" else options.ema_half_life,
        valid_every=max(1, min(every, steps)),
        stages=tuple(plan_stages(phase, request.objective, steps, encoded)),
    )


def _seconds_per_step(request: Request, phase: Phase, probe: Probe, speed: Speed, encoded: int) -> float:
    """The mean over all stages; later ones are timed eagerly and taken to gain as much by compiling as the first."""
    main = probe.seconds_per_step(speed.bf16, speed.problem)
    gain = main / probe.seconds_per_step(speed.bf16, None) if speed.problem is not None else 1.0
    total = 0.0
    for own in plan_stages(phase, request.objective, 1_000_000, encoded):
        inner = own.get("encoder_steps", phase.asked.encoder_steps) * phase.asked.aggressive_share
        seconds = main * (1 + inner)
        if own["name"] != "main":
            goal = rebuild(own["objective"])
            few = encoded and own["name"] == "prior"  # not all are encoded for a few updates
            data = replace(request.data, train=request.data.train.head(own["batch_size"])) if few else request.data
            other = Probe(request.model, data, goal, phase, request.seed, own)
            seconds = gain * other.seconds_per_step(speed.bf16, None, budget=0.5)
        total += own["steps"] * seconds
    return total / 1_000_000


def _encoded(request: Request, phase: Phase) -> int:
    """How many examples a stage of the prior alone encodes once, or 0."""
    (*_, last), train = plan_stages(phase, request.objective, 1_000_000), request.data.train
    if last["name"] != "prior":
        return 0
    stage = Stage.of(rebuild(last["objective"]), phase.stage_options(last))
    return len(train) if encodes(request.model, stage, train) else 0


def _steps_asked(request: Request) -> int:
    """The steps asked for, those of the epochs asked for, or the default; of a model in closed form, passes."""
    options, size, batch = request.options, len(request.data.train), request.batch_size
    if request.model.solves == "all":
        return options.steps or options.epochs or 60
    of_epochs = max(1, math.ceil(options.epochs * size / batch)) if options.epochs else 0
    return options.steps or of_epochs or int(min(30_000, max(1_500, 80 * size / batch)))


def _learning_rate(batch: int, images: bool) -> float:
    """Of images 3e-3 at a batch of 512, which left MNIST half a nat above 1.5e-3 after 20 epochs."""
    if images and batch > 128:
        return min(3e-3, 1e-3 * batch / 128)
    return min(1.5e-3, 1e-3 * math.sqrt(batch / 128))


@dataclass(frozen=True)
class Speed:
    """How the steps are computed.

    Arguments:
        bf16: networks in bfloat16.
        problem: compiled, or None.
        compiling: seconds that compiling the later stages will take.
        notes: what was decided, in sentences.
    """

    bf16: bool = False
    problem: Any = None
    compiling: float = 0.0
    notes: tuple[str, ...] = ()


def _pick_speed(request: Request, probe: Probe, phase: Phase, large: bool) -> Speed:
    if request.model.solves == "all":
        return Speed()
    bf16, notes = _pick_precision(request.options.precision, probe, large)
    stages = len(plan_stages(phase, request.objective, 1_000_000))
    asked = request.options.compile if request.model.compiles else False
    training = _seconds_of_training(request, probe.seconds_per_step(bf16, None)) if asked == "auto" else 0.0
    if asked is False or (asked == "auto" and GAIN * training < COMPILING * stages):
        return Speed(bf16, notes=notes)
    problem, why = probe.compiled(bf16)
    if problem is None:
        return Speed(bf16, notes=(*notes, f"Not compiled: {why}."))
    later = (stages - 1) * probe.compiling
    if asked is True:
        return Speed(bf16, problem, later, notes)
    share = probe.seconds_per_step(bf16, problem) / probe.seconds_per_step(bf16, None)
    told = f"A compiled step takes {share:.2f} times as long as an uncompiled one"
    if share >= WORTH or (1 - share) * training < later:  # what it took is spent; what later stages will take is not
        return Speed(bf16, notes=(*notes, f"{told}; not used."))
    return Speed(bf16, problem, later, (*notes, f"{told}; compiling took {probe.compiling:.0f} s."))


def _pick_precision(asked: str, probe: Probe, large: bool) -> tuple[bool, tuple[str, ...]]:
    """(bf16?, what was decided)."""
    if asked != "auto" or not large:
        return asked == "bf16", ()
    full = probe.seconds_per_step(False, None)
    half = probe.seconds_per_step(True, None, budget=0.5, hopeless=HOPELESS * full + SETTING_UP)
    bf16 = half < 0.87 * full
    told = f"bf16 takes {half / full:.2f} times as long as float32"
    return bf16, (f"Networks run in {'bf16' if bf16 else 'float32'}: {told}.",)


def _seconds_of_training(request: Request, per_step: float) -> float:
    """About how long it would be without compiling, of which only the order of magnitude matters."""
    steps, minutes, _ = _budget(request, per_step)
    return per_step * steps if minutes is None else 60 * minutes
