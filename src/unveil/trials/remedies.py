"""What can be done about latents that say too little: three remedies that a short trial can judge, the rest by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import RequestError
from ..files import Plain
from ..model import Model, num_latents
from ..objectives.floors import FreeBits
from ..registry import describe, rebuild
from ..runs.command import objective_keys
from ..runs.store import RunStore
from .bench import Bench, Trial

CONTROL, WARMED, FREE, AGGRESSIVE = "as it was", "warm-up in cycles", "free bits", "aggressive encoder"
WARMUP, CYCLES = 0.5, 4  # Fu et al. (2019), §4: R and M
ENCODER_STEPS = 5  # updates of q alone before each one of everything, over the default share of the steps
PER_LATENT, LEAST, MOST = 0.5, 1.0, 8.0  # nats that z may carry for free: per latent, and of all together


@dataclass(frozen=True)
class LeftOut(Plain):
    """A remedy that was not judged. Arguments: name; reason, in a sentence."""

    name: str
    reason: str


def remedies_of(bench: Bench) -> tuple[list[Trial], list[LeftOut]]:
    """The control and every remedy that applies to the run; those that do not, with the reason."""
    trials, left_out = [Trial(CONTROL, bench.run.objective)], []
    for name, make in ((WARMED, _warmed), (FREE, _free), (AGGRESSIVE, _aggressive)):
        try:
            trial = replace(make(bench), name=name)
            bench.check(trial)
            trials.append(trial)
        except RequestError as error:
            left_out.append(LeftOut(name, error.message))
    return trials, left_out


def _warmed(bench: Bench) -> Trial:
    """The rate's weight from 0 to its value, four times over (Fu et al., Cyclical Annealing Schedule, 2019)."""
    spec = bench.run.config.objective
    if "cycles" not in spec:
        raise RequestError(f"The objective {spec['name']!r} has no warm-up; elbo, beta_elbo and free_bits have one.")
    if spec["cycles"] > 1:
        raise RequestError(f"The run has {spec['cycles']} cycles of warm-up already.")
    change = {"warmup": WARMUP, "cycles": CYCLES}
    return Trial(WARMED, rebuild(spec | change), {f"objective.{name}": value for name, value in change.items()})


def _free(bench: Bench) -> Trial:
    """No cost for the first nats of every latent group (Kingma et al., IAF, 2016, eq. 15)."""
    spec, model = bench.run.config.objective, bench.run.model
    if spec["name"] in ("free_bits", "min_rate"):
        raise RequestError(f"The objective is {spec['name']!r} already; what is left is a higher floor.")
    kept = {name: spec[name] for name in ("num_samples", "warmup", "cycles") if name in spec}
    objective = FreeBits(floor=free_nats(model) / len(model.groups), **kept)
    said = {"objective": "free_bits", **objective_keys(describe(objective)), "objective.floor": objective.floor}
    return Trial(FREE, objective, said)


def free_nats(model: Model) -> float:
    """Half a nat per latent, from 1 to 8 nats in all: below what a live model carries, above nothing."""
    return min(MOST, max(LEAST, PER_LATENT * num_latents(model)))


def _aggressive(bench: Bench) -> Trial:
    """Updates of q alone before each one of everything (He et al., Lagging Inference Networks, 2019)."""
    if bench.phase.asked.encoder_steps:
        raise RequestError(f"The run has train.encoder_steps={bench.phase.asked.encoder_steps} already.")
    change = {"encoder_steps": ENCODER_STEPS}
    return Trial(AGGRESSIVE, bench.run.objective, {f"train.{k}": v for k, v in change.items()}, change)


def keys_with(keys: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A run's keys with a change; another objective brings its own arguments."""
    kept = {k: v for k, v in keys.items() if not ("objective" in change and k.split(".")[0] == "objective")}
    return {**kept, **change}


def further_remedies(run: RunStore) -> tuple[str, ...]:
    """What a short trial cannot judge, in words with the keys to give; without what the run has already."""
    model, objective, lr = run.config.model, run.config.objective, run.config.phases[0].lr
    beta = objective.get("beta", 1.0)
    found = [
        "a smaller or weaker decoder (model.width, model.depth), which cannot tell x without z",
        "the weight of the rate below 1 for longer (objective.warmup=1)" if "warmup" in objective else "",
        f"--objective elbo, which weighs the rate by 1 in place of {beta:g}" if beta > 1 else "",
        "a floor for the whole rate (--objective min_rate objective.rate=5)" if objective["name"] != "min_rate" else "",
        f"a gentler step (train.lr={lr / 3:.2g})",
        *_parts(model),
    ]
    return tuple(text for text in found if text)


def _parts(model: Mapping[str, Any]) -> list[str]:
    """Richer parts, for a model that takes them and has others."""
    prior, posterior = (_name(model, part) for part in ("prior", "posterior"))
    priors = [name for name in ("vamp", "realnvp") if prior not in (None, "bernoulli", "categorical", name)]
    found = [f"a prior that fits the codes (prior={' or prior='.join(priors)})"] if priors else []
    real = posterior not in (None, "bernoulli", "categorical", "iaf")
    return found + ["a q that can follow the true posterior (posterior=iaf)"] * real


def _name(model: Mapping[str, Any], part: str) -> str | None:
    found = model.get(part)
    return found.get("name") if isinstance(found, Mapping) else None
