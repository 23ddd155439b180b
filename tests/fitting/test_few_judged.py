"""A budget that does not pay for all test examples: some are judged, drawn with a seed, and everything fits them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unveil
from quick import fitted
from unveil.api import Run
from unveil.data.split import spread_rows
from unveil.estimators.base import evaluate
from unveil.planning import judging
from unveil.report.sections.extremes import ends
from unveil.report.subject import Subject

ALL, FEW = 179, 130  # test examples


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run]]:
    """The same fit, judged on some and on all test examples."""
    made, where = [], tmp_path_factory.mktemp("few")
    for name, few in (("some", FEW), ("all", None)):
        with pytest.MonkeyPatch.context() as patch:
            plan = judging.plan_judging
            patch.setattr(
                "unveil.planning.plan.plan_judging",
                lambda *a, plan=plan, few=few: (replace(plan(*a)[0], num_examples=few), *plan(*a)[1:]),
            )
            options = {"latent": 2, "model__width": 8}
            made.append(fitted("digits", where / name, steps=20, baselines=few is not None, **options))
    yield made[0], made[1]


def test_the_result_is_the_mean_over_the_examples_that_were_drawn(runs: tuple[Run, Run]) -> None:
    some, all_ = runs
    places = spread_rows(ALL, FEW).numpy()
    assert some.result["num_examples"] == FEW and all_.result["num_examples"] == ALL
    store = some.store
    own, _ = evaluate(store.model, store.data.test.take(spread_rows(ALL, FEW)), store.config.judging.make())
    np.testing.assert_allclose(store.scores("test"), own.log_px, atol=1e-4)
    assert some.result["log_px"] == pytest.approx(float(own.log_px.mean()), abs=1e-4)
    assert len(store.judged("valid")) == len(store.scores("valid"))
    assert len(all_.store.scores("test")[places]) == FEW
    first = some.result["baselines"][0]
    assert first["difference"] == pytest.approx(some.result["log_px"] - first["log_px"], abs=1e-6)


def test_a_new_phase_judges_as_its_own_plan_says(
    runs: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notes said that few examples are judged, and all were."""
    path, plan = Path(shutil.copytree(runs[1].path, tmp_path / "run")), judging.plan_judging
    few = lambda *a: (replace(plan(*a)[0], num_examples=FEW), *plan(*a)[1:])  # noqa: E731
    monkeypatch.setattr("unveil.planning.plan.plan_judging", few)
    again = Run.load(path).resume(steps=4, show=False)
    assert again.result["num_examples"] == len(again.store.scores("test")) == FEW
    assert again.result["num_samples"] == runs[1].result["num_samples"]


def test_the_least_likely_examples_are_named_by_their_own_rows(runs: tuple[Run, Run]) -> None:
    subject = Subject.of(runs[0].store)
    (place, log_px), *_ = ends(subject, 3)[0]
    one = runs[0].store.judged("test").take(spread_rows(ALL, FEW).new_tensor([place]))
    found = runs[0].score(one.x.numpy().reshape(1, 8, 8))
    assert float(np.asarray(found)[0]) == pytest.approx(log_px, abs=3.0)


def test_runs_are_compared_on_the_examples_that_both_were_judged_on(runs: tuple[Run, Run]) -> None:
    some, all_ = runs
    found = unveil.compare([some, all_])
    places = spread_rows(ALL, FEW).numpy()
    paired = (all_.store.scores("test")[places] - some.store.scores("test")).mean()
    worse = found.rows[1]
    assert abs(worse.difference) == pytest.approx(abs(float(paired)), abs=1e-4)
