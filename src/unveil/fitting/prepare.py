"""From a source to a fit that is resolved: the data is read, the model built, a few steps timed; nothing is written."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..data import Data, load
from ..data.pairs import OWN
from ..errors import RequestError, at_least
from ..files import check_space
from ..model import Model
from ..objectives import Objective
from ..plainfiles import at_home
from ..planning.candidates import best_family, is_open
from ..planning.latents import with_latents
from ..planning.measure import pick_device
from ..planning.memory import give_back, within_memory
from ..planning.network import asks, passes_within, verdict, with_patches
from ..planning.plan import Plan, Request, check_counts, resolve
from ..registry import describe, seeded
from ..runs.config import RunConfig
from ..runs.paths import check_new, check_writable, default_path
from ..runs.store import RunStore
from ..runs.versions import versions
from ..settings.choices import Choices, choose
from ..settings.keys import PARTS
from ..settings.options import DataOptions, TrainOptions
from ..train.loop import initialise
from .carry_out import Report, carry_out, trained
from .classes import said_of_classes
from .events import Event
from .explain import explain
from .numbers import as_numbers
from .owntexts import as_long_as_vectors, with_own_texts
from .place import placed

MUCH = 2**25  # bytes of training examples, from which on memory that reading took is looked after
OPEN = {"model": "auto", "objective": "elbo"}  # what stands for nothing asked for
SHORT = {
    **{name: f"model.{name}" for name in ("latent", "condition")},
    **{name: f"train.{name}" for name in ("epochs", "steps", "minutes")},
    **{name: f"data.{name}" for name in ("size", "skip_broken", "text")},
}


@dataclass(frozen=True)
class Fitting:
    """A fit that is resolved and has written nothing yet.

    Arguments: path of the run to be; config, what config.json will hold; lines, what was picked and why; numbered,
    whether the path was picked, and is the next one where another fit takes it before this one starts.
    """

    path: Path
    config: RunConfig
    lines: tuple[str, ...]
    data: Data = field(repr=False)
    model: Model = field(repr=False)
    plan: Plan = field(repr=False)
    parts: dict[str, Any] = field(repr=False)
    numbered: bool = False

    def start(self) -> RunStore:
        """Make the run directory; nothing is trained yet."""
        return RunStore.create(self.path, self.config, self.data, self.parts, self.numbered)

    def events(self, report: Report) -> Iterator[Event]:
        """Train, judge and report, one event at a time; `report` writes the page of a finished run."""
        run = self.start()
        yield from carry_out(run, report, problem=self.plan.problem, model=self.model)

    def trained(self) -> RunStore:
        """Train, and neither judge nor report: for a caller that keeps the model alone."""
        return trained(self.start(), self.plan.problem, self.model)


def prepare(
    source: Any,
    *,
    out: Path | str | None = None,
    model: str | Model = "auto",
    objective: Any = "elbo",
    seed: int = 0,
    y: Any = None,
    z: Any = None,
    text: Any = None,
    options: Mapping[str, Any] | None = None,
    started: float | None = None,
    arrange: Callable[[Data], Data] = lambda data: data,
    **keys: Any,
) -> Fitting:
    """Resolve a fit: read the data, build the model, time a few steps. Writes nothing.

    Arguments:
        source: the data.
        out: the run directory; default runs/<source>-<model>-<n>.
        model: a name, or a model built by hand from parts; "auto" is vae, and for a table of mixed columns the best of
            a few that are tried.
        objective: a name, or an Objective.
        seed: of initial weights, order of examples and noise.
        y: [N] labels; None, NaN or −1 where one is not known.
        z: [N, D] known latents, NaN in the rows where they are not known; see the objective elbo. Or {text: its
            vector}: z is the vector of the text of each picture.
        text: the texts that go with pictures, [N] strings, lists of strings or None, for the model joint, or to say
            which vector each has.
        options: {"model.latent": 16, …}; `keys` are the same with a double underscore for the dot.
        started: `time.perf_counter()` when the command began, for --minutes.
        arrange: makes other splits of the same rows, for a caller that judges nothing or weighs rows.
    """
    started = time.perf_counter() if started is None else started
    at_least(0, "The seed", seed)
    asked = dict(options or {}) | {dotted(name): value for name, value in keys.items()}
    choices = choose(asked | _named("model", model) | _named("objective", objective))
    if isinstance(model, Model) and {key.split(".")[0] for key in asked} & {"model", *PARTS}:
        raise RequestError("The model is built already, so keys such as model.latent cannot be used; leave them out.")
    check_writable(Path("runs")) if out is None else check_new(at_home(out))
    device = pick_device(choices.train.device)
    choices, numbers = as_numbers(choices, source)
    with within_memory("the data", "Give fewer rows or columns, or smaller pictures: --size."):
        choices = with_own_texts(choices, text, isinstance(z, Mapping) or choices.data.z == "text")
        data = load(source, y=y, **choices.data.beside(z=z, text=text))
        data = arrange(data)
        choices = as_long_as_vectors(choices, data)
    if data.train.x.nbytes > MUCH:
        give_back()
    goal = choices.objective() if isinstance(objective, str) else objective
    built, told = _build(model, choices, data, goal, seed, device)
    if built.solves == "all" and "objective" in asked | _named("objective", objective):
        raise RequestError(
            f"The objective {choices.names['objective']!r} came for a {type(built).__name__}. It is fitted in closed "
            "form and takes no objective; leave it out."
        )
    goal.check(built, data.train.expected(torch.zeros(1, dtype=torch.int64)))
    data = placed(replace(data, notes=(*numbers, *data.notes, *said_of_classes(data, built))), device)
    with within_memory("a step of this fit", "Give a smaller train.batch_size or model.width."):
        plan = resolve(Request(built, data, goal, choices.train, choices.evaluation, seed, started))
    plan = replace(plan, notes=(*told, *plan.notes))
    path = at_home(out) if out is not None else default_path(data.name, describe(built).get("name", "model"))
    in_memory = not isinstance(source, str | Path) or any(given is not None for given in (y, z, text))
    config = _config(in_memory, data, built, goal, choices, plan, seed)
    numbers = sum(t.numel() for t in built.state_dict().values())
    check_space(path, 10 * 4 * numbers + 20_000_000)
    return Fitting(path, config, explain(data, built, config), data, built, plan, own_parts(built), out is None)


def dotted(name: str) -> str:
    """model__latent → model.latent; the names of the flags → their keys."""
    return SHORT.get(name, name.replace("__", "."))


def _named(kind: str, value: Any) -> dict[str, str]:
    return {kind: value} if isinstance(value, str) and value not in (OPEN[kind], "auto") else {}


def _build(
    model: str | Model, choices: Choices, data: Data, goal: Objective, seed: int, device: str
) -> tuple[Model, tuple[str, ...]]:
    """The model, initialised, and what was picked by the budget."""
    if isinstance(model, Model):
        if model.domain != data.domain:
            raise RequestError(
                f"The model is for {model.domain} x of shape {model.domain.shape} and the data is "
                f"{data.domain} of shape {data.domain.shape}; build it with domain=data.domain."
            )
        return _started(model, data, seed, device), ()
    told: tuple[str, ...] = ()
    if choices.train.minutes is not None and asks(choices, data):
        check_counts(choices.train)
        tried = _from_choices(with_patches(choices), data, seed, device)
        depth, why = verdict(passes_within(choices.train.minutes, tried, data, goal, seed, choices.train))
        choices, told = with_patches(choices, depth) if depth else choices, (why,)
    begun: Model | None = None
    if is_open(choices, data):
        choices, begun, found = best_family(choices, data, lambda each: _from_choices(each, data, seed, device), seed)
        told = (*told, *found)
    sized, asked = with_latents(choices, data)
    if begun is None or sized != choices:
        begun = _from_choices(sized, data, seed, device)
    return begun, (*told, *asked)


def _from_choices(choices: Choices, data: Data, seed: int, device: str) -> Model:
    known = {"num_classes": len(data.classes or ()), "has_missing": data.has_missing, "num_examples": len(data.train)}
    built: Model = seeded(describe(choices.model(data.domain, **known)), seed)
    return _started(built, data, seed, device)


def _started(model: Model, data: Data, seed: int, device: str) -> Model:
    model = model.to(device)
    initialise(model, data.train, seed)
    return model


def _config(
    in_memory: bool, data: Data, model: Model, objective: Any, choices: Choices, plan: Plan, seed: int
) -> RunConfig:
    told = choices.data.text
    text = told if told in ("", OWN) else str(Path(told).expanduser().absolute())
    return RunConfig(
        where=data.source,
        in_memory=in_memory,
        data=DataOptions(**vars(choices.data) | {"binarization": data.binarization or "none", "text": text}),
        seed=seed,
        model=describe(model),
        objective=describe(objective),
        phases=(plan.phase,),
        judging=plan.judging,
        asked=_asked(choices.train),
        seconds=plan.seconds,
        notes=(*data.notes, *plan.notes),
        versions=versions(),
    )


def _asked(options: TrainOptions) -> dict[str, Any]:
    """The budget, and what else of a new phase is as it was asked for here."""
    budget = {name: getattr(options, name) for name in ("epochs", "steps", "minutes") if getattr(options, name)}
    return budget if options.valid_every == "auto" else budget | {"valid_every": options.valid_every}


def own_parts(model: Model) -> dict[str, Any]:
    """The user's own pieces of a model built by hand, by slot."""
    parts = {slot: part for slot, part in getattr(model, "spec", {}).items() if isinstance(part, torch.nn.Module)}
    return {slot: part for slot, part in parts.items() if "class" in describe(part)}
