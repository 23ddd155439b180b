"""Work that is not the subject of its test: fits with K = 10, one thread, float32, not compiled, no baselines; and less
time for what is measured, adapted and drawn beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from unveil.api import Run
from unveil.diagnostics import bracket
from unveil.diagnostics import gap as gaps
from unveil.estimators import adapted, annealing, proposals
from unveil.evaluation import diagnose
from unveil.fitting.prepare import prepare
from unveil.nn import factors
from unveil.planning import candidates, measure
from unveil.registry import lookup
from unveil.report import write_report

PLAIN = {"train.threads": 1, "train.precision": "float32", "train.compile": False}  # nothing is timed
QUICK = PLAIN | {"evaluation.num_samples": 10, "evaluation.baselines": "none"}
NETWORK: dict[str, Any] = {  # the arguments of an estimator that is a network without a linear start
    "latent": 1, "prior": "standard_normal", "steps": 2, "options": {
        "data.domain": "real", "model.network": "plain", "model.width": 8, "train.valid_every": 2,
        "evaluation.num_samples": 2,
    },
}  # fmt: skip
PLAIN_KEYS = {key.replace(".", "__"): value for key, value in PLAIN.items()}  # for `unveil.fit`
PLAIN_WORDS, WORDS = (tuple(f"{key}={str(value).lower()}" for key, value in o.items()) for o in (PLAIN, QUICK))


@contextmanager
def no_baselines() -> Iterator[None]:
    """A fit inside the block is compared with nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unveil.fitting.carry_out.fit_baselines", lambda data, **options: ([], ()))
        yield


@contextmanager
def short_probes() -> Iterator[None]:
    """A plan inside the block times few updates, and one draw, and tries families of a table for an update each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("UNCOUNTED", 1), ("TIMED", 2), ("PROBED", 0.0), ("ALONE", 2), ("QUICK", 0.0)):
            patch.setattr(measure, name, value)
        for name in ("UPDATES", "FEWEST"):
            patch.setattr(candidates, name, 1)
        yield


@contextmanager
def rough_start() -> Iterator[None]:
    """Networks inside the block start from a linear model that has few rounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factors, "ROUNDS", 8)
        yield


@contextmanager
def short_adaptation() -> Iterator[None]:
    """Kernels inside the block are laid with few draws, as one mode in few dimensions needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapted, "KERNELS", 32)
        patch.setattr(adapted, "FEWEST", 16.0)
        patch.setattr(annealing, "adapt", partial(adapted.adapt, sizes=(256, 128, 128)))
        patch.setattr(proposals, "SIZES", (256, 128))
        yield


@contextmanager
def short_gap() -> Iterator[None]:
    """The local fits of a gap inside the block have few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaps, "LONGER", 30)
        patch.setattr(diagnose, "gap", partial(gaps.gap, steps=15))
        yield


@contextmanager
def short_diagnosis() -> Iterator[None]:
    """A diagnosis inside the block anneals over few distributions, and draws few samples."""
    shorter = {"sandwich": {"num_samples": 4, "num_distributions": 20}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bracket, "LADDER", (10, 50))
        patch.setattr(bracket, "lookup", lambda kind, name: partial(lookup(kind, name), **shorter.get(name, {})))
        yield


def fitted(source: Any, out: Path, *, report: bool = False, baselines: bool = False, **options: Any) -> Run:
    """A finished run of a short fit; other arguments are those of `unveil.fit`."""
    asked = QUICK | {"evaluation.baselines": "auto"}  # one that is saved could be asked for later
    with nullcontext() if baselines else no_baselines():
        for _ in prepare(source, out=out, options=asked, **options).events(
            write_report if report else lambda run: None
        ):
            pass
    own = {name: options.get(name) for name in ("y", "z", "text")}
    return Run.load(out) if isinstance(source, str | Path) else Run.load(out, data=source, **own)


def forget_sums(run: Path) -> None:
    """Take from a result what it says of the files that it was made of, as earlier versions said nothing."""
    path = run / "result.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    for name in ("run_sha256", "weights_sha256", "scores_sha256"):
        found.pop(name)
    path.write_text(json.dumps(found), encoding="utf-8")
