"""What a page asks for, done at a small size. The rule:

- a fit makes at most STEPS updates, whatever budget it was given in updates, epochs or minutes; it is judged with 4
  draws, on one thread, and beside no baselines (the training loop of `unveil.train.loop` keeps the steps it is given);
- a named source has at most ROWS examples; those that are fetched, or lie in $UNVEIL_DATA, are replaced by made ones
  of the same shape, so that no page needs a network or a folder of data;
- what is judged again is judged on at most FEW examples, with at most FEW draws and DISTRIBUTIONS of an annealing;
- what is measured beside a fit (plans, kernels, gaps, brackets, trials) is measured with few draws and updates;
- report.html holds the sentences of the result and no charts (tests/report draws whole ones); no browser is opened.

What files a page writes itself stay as they are, and so do the names, shapes and words of all results: only the numbers
are those of an unfitted model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import quick
from unveil import api, registry
from unveil.data import scenes, sources
from unveil.data.raw import Raw
from unveil.diagnostics import bracket, gap
from unveil.estimators import adapted, annealing
from unveil.evaluation import diagnose, evaluate, splits
from unveil.runs.store import RunStore
from unveil.settings import judging
from unveil.settings.choices import Choices, choose
from unveil.trials import bench

STEPS, ROWS, DRAWS, FEW, DISTRIBUTIONS = 4, 360, 4, 4, 4
CHOOSING = ("unveil.fitting.prepare", "unveil.fitting.phases")  # where options become choices
JUDGING = tuple(f"unveil.evaluation.{name}" for name in ("evaluate", "diagnose", "jointly"))
BUDGETS = ("train.steps", "train.epochs", "train.minutes")
ANNEALED = {name: {"num_samples": DRAWS, "num_distributions": DISTRIBUTIONS} for name in ("ais", "sandwich")}
SMALL = quick.QUICK | {"evaluation.num_samples": DRAWS}
EMOJI = (("grinning face", "笑脸"), ("red heart", "红心"), ("cat", "猫"), ("dog", "狗"))


@contextmanager
def small() -> Iterator[None]:
    """Inside the block the rule above holds."""
    contexts = (quick.no_baselines, quick.short_probes, quick.rough_start, quick.short_adaptation, quick.short_gap)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for context in (*contexts, quick.short_diagnosis):
            stack.enter_context(context())
        for module in CHOOSING:
            patch.setattr(import_module(module), "choose", shortened)
        for module in JUDGING:
            place = import_module(module)
            patch.setattr(place, "limited", at_most_few(place.limited))
        patch.setattr(diagnose, "EXAMPLES", FEW)
        patch.setattr(diagnose, "gap", partial(gap.gap, steps=STEPS, num_samples=64))
        patch.setattr(gap, "LONGER", STEPS)
        for place in (gap, bracket):
            patch.setattr(place, "lookup", shorter)
        patch.setattr(annealing, "adapt", partial(adapted.adapt, sizes=(64, 32, 32)))
        patch.setattr(evaluate, "make_estimator", cheap)
        patch.setattr(evaluate, "choose_split", few_simulated)
        patch.setattr(bench.Bench, "steps_of", lambda self, *budget, **more: STEPS)
        patch.setattr(scenes, "NUM", ROWS)
        patch.setattr(scenes, "NUM_TEST", ROWS // 10)
        for name, cls in registry.load_all("source").items():
            made = STAND_INS.get(name)
            patch.setattr(cls, "read", (lambda self, made=made: made()) if made else _fewer(cls.read))
        patch.setattr(api, "write_report", without_charts)
        patch.setattr("webbrowser.open", lambda address: True)
        yield


def shortened(options: Mapping[str, Any]) -> Choices:
    """`choose` with a small budget; what it refuses it refuses as ever."""
    asked = choose(options)
    steps = min(asked.train.steps or STEPS, STEPS)
    return choose(
        {name: value for name, value in options.items() if name not in BUDGETS} | SMALL | {"train.steps": steps}
    )


def without_charts(run: RunStore, lang: str = "en") -> Path:
    """A report in a few lines."""
    run.report_path.write_text("\n".join(run.result["sentences"]), encoding="utf-8")
    return run.report_path


def at_most_few(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`limited` with a smaller limit."""
    return lambda split, name, limit, seed: plain(split, name, min(limit or FEW, FEW), seed)


def shorter(kind: str, name: str) -> Any:
    """`lookup` of estimators that anneal briefly."""
    return partial(registry.lookup(kind, name), **ANNEALED.get(name, {}))


def few_simulated(run: Any, data: Any, split: str, simulate: int | None, limit: int | None, seed: int) -> Any:
    """`choose_split` with fewer x that the model draws."""
    return splits.choose_split(run, data, split, simulate and min(simulate, FEW), limit, seed)


def cheap(name: str, num_samples: int | None = None, options: Mapping[str, Any] | None = None) -> Any:
    """`make_estimator` with few draws; what it refuses it refuses as ever."""
    asked = judging.make_estimator(name, num_samples, options)
    for argument, most in (("num_samples", FEW), ("num_distributions", DISTRIBUTIONS)):
        if (getattr(asked, argument, None) or 0) > most:
            setattr(asked, argument, most)
    return asked


def _fewer(read: Callable[[Any], Raw]) -> Callable[[Any], Raw]:
    @wraps(read)
    def few(self: Any) -> Raw:
        raw = _few(read.__qualname__, lambda: read(self))
        return raw

    return few


@cache
def _read_once(name: str) -> dict[str, Raw]:
    return {}


def _few(name: str, read: Callable[[], Raw]) -> Raw:
    """At most ROWS rows of a source, the test split's share of them from its end; read once for all pages."""
    held = _read_once(name)
    if name not in held:
        raw = read()
        num, tested = len(raw.x), round(ROWS * raw.num_test / len(raw.x))
        rows = np.r_[: min(num - raw.num_test, ROWS - tested), num - tested : num]
        taken = {
            key: _rows(value, rows)
            for key, value in vars(raw).items()
            if key in ("x", "y", "observed", "z", "together", "texts") and value is not None
        }
        factors = raw.factors and {key: value[rows] for key, value in raw.factors.items()}
        held[name] = replace(raw, num_test=tested, factors=factors, **taken)
    return held[name]


def _rows(value: Any, rows: np.ndarray) -> Any:
    return tuple(value[row] for row in rows) if isinstance(value, tuple) else value[rows]


@cache
def _digits(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits [ROWS, side, side] of grey levels 0 … 255, and their classes."""
    found = load_digits()
    large = np.kron(found.images[:ROWS], np.ones((1, side // 8, side // 8))) * 15
    margin = side - large.shape[1]
    return np.pad(large, ((0, 0), (0, margin), (0, margin))).astype(np.uint8), found.target[:ROWS].astype(np.int64)


def _grey(name: str, classes: tuple[str, ...]) -> Callable[[], Raw]:
    return lambda: Raw(name, *_digits(28), classes, ROWS // 10, "dynamic")


def _colour(name: str, classes: tuple[str, ...], **more: Any) -> Callable[[], Raw]:
    def read() -> Raw:
        x, y = _digits(32)
        return Raw(name, np.stack([255 - x, 255 - x // 2, 255 - x // 3], axis=-1), y % len(classes), classes, **more)

    return read


STAND_INS: dict[str, Callable[[], Raw]] = {
    "mnist": _grey("mnist", sources.DIGITS),
    "fashion_mnist": _grey("fashion_mnist", sources.FASHION),
    "omniglot": _grey("omniglot", sources.DIGITS),
    "cifar10": _colour("cifar10", sources.DIGITS, num_test=ROWS // 10),
    "emoji": _colour(
        "emoji",
        ("smileys", "animals"),
        factors={"subgroup": np.arange(ROWS) % 4, "base": np.arange(ROWS) // 2},
        together=np.arange(ROWS) // 2,
        texts=tuple(EMOJI[i % len(EMOJI)] for i in range(ROWS)),
    ),
}
