"""Which stages a training has: the main one, a finish with another objective, the prior alone."""

from dataclasses import replace
from typing import Any

from ..data import Split
from ..errors import RequestError, at_least
from ..model import Model
from ..objectives import Objective
from ..ops import keyed
from ..registry import describe, lookup
from ..settings.options import TrainOptions
from ..settings.phase import Phase

FEWEST_ROWS = 32  # examples per update that a finish keeps, however many samples it draws
MOST_OF_STEPS = 0.3  # that the prior takes of a number of steps, unless it is told
ENCODED_ROWS = 512  # examples per update of the prior alone, where they are encoded once
GENTLER = 0.3  # the peak learning rate of a later stage, relative to the first


def with_prior_share(options: TrainOptions, model: Model) -> TrainOptions:
    """The options with a number for the share of the prior: the one asked for, or the family's own.

    That may be large where updates of the prior are quick; of a budget in steps or epochs it is 0.3 at most.
    """
    own = model.prior_share if model.parameters_of("prior") else 0.0
    own = own if options.steps is None and options.epochs is None else min(own, MOST_OF_STEPS)
    return replace(options, prior_share=own) if options.prior_share == "auto" else options


def check_stages(options: TrainOptions, model: Model, data: Split) -> None:
    """Refuse stages that this model or these options cannot have, before anything is timed."""
    options = with_prior_share(options, model)
    _check_shares(options)
    _check_companions(options)
    asked = [name for name in ("finish", "prior_share", "encoder_steps") if getattr(options, name) not in ("none", 0)]
    if asked and model.solves == "all":
        raise RequestError(
            f"train.{asked[0]} came for a {type(model).__name__}, which is solved in closed form and has no later "
            "stages; leave it out."
        )
    if options.prior_share and not model.parameters_of("prior"):
        raise RequestError(
            f"train.prior_share is {options.prior_share}, and the prior of this {type(model).__name__} has no "
            "parameters to train.",
            "Choose one that has, such as prior=gaussian.",
        )
    if options.encoder_steps and not model.parameters_of("q"):
        raise RequestError(f"train.encoder_steps came, and q of this {type(model).__name__} has no weights of its own.")
    if options.finish != "none":
        with keyed("check"):
            lookup("objective", options.finish)().check(model, data.head(1).batch(data.rows.new_zeros(1)))


def _check_shares(options: TrainOptions) -> None:
    for name in ("finish_share", "prior_share", "aggressive_share"):
        if not 0 <= getattr(options, name) < 1 and getattr(options, name) != 1.0 * (name == "aggressive_share"):
            raise RequestError(f"train.{name} is {getattr(options, name)}; it takes a share of the steps below 1.")
    assert options.prior_share != "auto"
    later = options.finish_share + options.prior_share
    if options.prior_share + (options.finish != "none") * options.finish_share >= 1:
        raise RequestError(
            f"train.finish_share and train.prior_share add up to {later:g}, "
            "which leaves no main stage; give less than 1 together."
        )
    at_least(0, "train.encoder_steps", options.encoder_steps)


def _check_companions(options: TrainOptions) -> None:
    """An option that only works beside another is refused without it."""
    plain = TrainOptions()
    for name, other, missing in (
        ("finish_share", "train.finish", options.finish == "none"),
        ("aggressive_share", "train.encoder_steps", options.encoder_steps == 0),
        ("plateau", "train.schedule=plateau", options.schedule != "plateau"),
    ):
        if missing and getattr(options, name) != getattr(plain, name):
            raise RequestError(f"train.{name} has an effect only together with {other}; add that, or leave it out.")
    at_least(1, "train.plateau", options.plateau)
    if options.schedule == "plateau" and 0 < options.patience <= options.plateau:
        raise RequestError(
            f"train.plateau is {options.plateau} and training stops after {options.patience} validations without a "
            "better bound. The learning rate would never fall; take train.plateau below train.patience."
        )


def plan_stages(phase: Phase, objective: Objective, steps: int, encoded: int = 0) -> list[dict[str, Any]]:
    """What config.json says of each stage, over what holds for the whole phase.

    Arguments: phase, its resolved options; objective, of the main stage; steps of all stages together; encoded, how
    many examples the prior alone is trained on as what they are encoded to, 0 where it is on x.
    """
    has_finish = phase.asked.finish != "none"
    finish, prior = round(has_finish * phase.asked.finish_share * steps), round(phase.prior_share * steps)
    goal = lookup("objective", phase.asked.finish)() if has_finish else objective
    later = {"progress_from": 1.0, "encoder_steps": 0, "objective": describe(goal), "lr": GENTLER * phase.lr}
    stages: list[dict[str, Any]] = [{"name": "main", "steps": steps - finish - prior}]
    rows = _rows(phase.batch_size, objective, goal)
    if finish:
        stages.append({"name": "finish", "steps": finish, **later, "batch_size": rows})
    if prior:
        usual = rows if finish else phase.batch_size
        batch = max(usual, min(ENCODED_ROWS, encoded))
        alone = {"parts": ["prior"], "lr": phase.lr, "batch_size": batch}
        stages.append({"name": "prior", "steps": prior, **later, **alone})
    return stages


def _rows(batch_size: int, main: Objective, goal: Objective) -> int:
    """Fewer examples where the finish draws more samples of each."""
    return max(min(batch_size, FEWEST_ROWS), batch_size * main.num_samples // max(main.num_samples, goal.num_samples))
