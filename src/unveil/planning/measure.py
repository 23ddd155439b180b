"""Short measurements on the real model and data that a plan is made from: seconds, bytes, floating-point operations."""

import copy
import functools
import math
import shutil
import time
from collections.abc import Mapping
from typing import Any

import psutil
import torch
from torch import Tensor

from ..data import Data, Split
from ..errors import RequestError, WorkError
from ..estimators.base import evaluate, rows_of_block
from ..model import Model, device_of
from ..objectives import Objective
from ..ops import has_device, keyed
from ..settings.judging import make_estimator
from ..settings.phase import Phase
from ..train.compiling import compiled
from ..train.encoded import encoded
from ..train.loop import TrainState
from ..train.loop import fit as train
from ..train.stage import Stage
from ..train.validation import validate
from .available import available

UNCOUNTED, TIMED = 3, 100  # updates that are made first, and those whose time counts, at most
SERVED = 5  # updates of the training for each one that is timed
FEW_ENCODED = 256  # examples that encoding is timed on
ALONE = 8  # examples that are judged one by one for their time
PROBED = 1.0  # seconds that timing the estimator may take, about
GLANCES, QUICK = (32, 256, 1000), 0.3  # validation examples that are timed, and seconds below which more of them are
PER_WEIGHT = 4 * 6 + 2  # bytes: weight, gradient, two moments, average, one of them copied; bf16


def flops_per_step(model: Model, rows: int) -> float:
    """A rough count of one update: 6 per weight and row, weights of convolutions being used about 20 times."""
    weights = sum(p.numel() for p in model.parameters())
    reuse = 20 if has_convolutions(model) else 1
    return 6.0 * weights * reuse * rows


def has_convolutions(model: Model) -> bool:
    return any(isinstance(m, torch.nn.Conv2d) for m in model.modules())


def bytes_per_row(model: Model, data: Data, objective: Objective) -> float:
    """What one more example adds to a step: all that is kept for the gradient, and as much again while it is taken.

    Counted on one and two examples, in float32.
    """
    kept = [_bytes_kept(model, data, objective, rows) for rows in (1, min(2, len(data.train)))]
    return 2.0 * max(kept[1] - kept[0], kept[0] / 10)


def _bytes_kept(model: Model, data: Data, objective: Objective, rows: int) -> int:
    """The size of the memory, parameters aside, that autograd holds between the two passes."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in weights:
            held[memory.data_ptr()] = memory.nbytes()
        return tensor

    objective.prepare(len(data.train))
    with keyed("bytes"), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        batch = data.train.batch(torch.arange(rows)).to(device_of(model))
        objective(model, batch, torch.zeros((), device=device_of(model)))
    return sum(held.values())


def bytes_of_weights(model: Model) -> float:
    """The weights and all that training keeps of each."""
    return float(PER_WEIGHT * sum(p.numel() for p in model.parameters()))


def free_bytes(device: torch.device) -> float:
    """The memory that a device can still give."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return available()[0]


class Probe:
    """Short timings on the real model and data; the model is left as it came.

    Arguments: own, what differs in one stage; steps, of the planned training, which bound what is timed for it.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        objective: Objective,
        phase: Phase,
        seed: int,
        own: Mapping[str, Any] | None = None,
        steps: int = UNCOUNTED + TIMED,
    ) -> None:
        self.model, self.data, self.seed = model, data, seed
        self.most = min(UNCOUNTED + TIMED, max(UNCOUNTED + 1, steps // SERVED))
        self.stage = Stage.of(objective, phase.stage_options(own or {}) | {"steps": 10_000_000, "encoder_steps": 0})
        self._timed: dict[tuple[bool, bool], float] = {}
        self.compiling = 0.0  # seconds that compiling took, once it was done

    def seconds_per_step(self, bf16: bool, problem: Any, budget: float = 0.8, hopeless: float = math.inf) -> float:
        """The median time of an update, after three that are not counted (fewer, where they are slow).

        Arguments: budget, seconds, about; hopeless, seconds of one update from which on no more are made.
        """
        key = (bf16, problem is not None)
        if key in self._timed:
            return self._timed[key]
        kept = copy.deepcopy(self.model.state_dict())
        state = TrainState(self.model, self.stage)
        times, last = [], time.perf_counter()
        for step in train(self.model, self.data.train, self.stage, state, seed=self.seed, bf16=bf16, problem=problem):
            now = time.perf_counter()
            times.append(now - last)
            last = now
            spent = sum(times[1:]) > 2 * budget or sum(times[UNCOUNTED:]) > budget or step.number >= self.most
            if times[-1] > hopeless or (spent and step.number >= 2):
                break
        self.model.load_state_dict(kept)
        counted = sorted(times[min(UNCOUNTED, len(times) - 1) :])
        self._timed[key] = counted[len(counted) // 2]
        return self._timed[key]

    def compiled(self, bf16: bool) -> tuple[Any, str]:
        """The problem compiled and run once, or None and the reason."""
        if shutil.which("c++") is None and shutil.which("g++") is None and shutil.which("cl") is None:
            return None, "there is no C++ compiler"
        start = time.perf_counter()
        try:
            problem = compiled(self.model, self.stage)
            self.seconds_per_step(bf16, problem)
        except WorkError as error:
            return None, f"{error.message.rstrip('.')}"
        except RuntimeError as error:  # torch's compiler errors derive from it
            return None, f"the compiler failed ({type(error).__name__})"
        self.compiling = time.perf_counter() - start
        return problem, ""

    @functools.cached_property
    def seconds_per_validation(self) -> float:
        """Of one over all validation examples, timed on a few of them where these take long."""
        total, seconds = len(self.data.valid), 0.0
        for count in (min(count, total) for count in GLANCES):
            start = time.perf_counter()
            validate(self.model, self.data.valid.head(count), self.stage.objective)
            seconds = (time.perf_counter() - start) * total / count
            if seconds * count / total > QUICK or count == total:
                break
        return seconds

    def seconds_per_sample(self, estimator: str) -> float:
        """Of one draw for one example."""
        rows = rows_of_block(self.model)
        split = self.data.valid.head(rows)
        evaluate(self.model, split, make_estimator(estimator, 1))  # the first of all is slow, and says nothing
        _, one = evaluate(self.model, split, make_estimator(estimator, 1))
        samples = max(1, min(32, int(PROBED / one)))
        _, seconds = evaluate(self.model, split, make_estimator(estimator, samples))
        return seconds / (samples * rows)

    def seconds_per_row(self, estimator: str) -> float:
        """Of one draw for one example that is judged by itself, as those are that new ones are ranked among."""
        split = self.data.valid.head(ALONE)
        _, seconds = evaluate(self.model, split, make_estimator(estimator, 1), common=True)
        return seconds / len(split)


def seconds_of_encoding(model: Model, data: Split) -> float:
    """Of all examples, before the prior is trained alone."""
    some = data.head(FEW_ENCODED)
    start = time.perf_counter()
    encoded(model, some, 0)
    return (time.perf_counter() - start) * len(data) / len(some)


def pick_device(name: str) -> str:
    """The device asked for, or the accelerator where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not has_device(name):
        raise RequestError(f"train.device came as {name!r}, which this machine does not have; use cpu.")
    return name


def memory() -> tuple[float, float]:
    """(needed, free) in GB: what this process holds after the probes, and what the machine could still give it."""
    held = psutil.Process().memory_info().rss
    return held / 1e9, (held + available()[0]) / 1e9
