"""What is said of a result: which rows carry a mean, and when nothing may be called right, collapsed or unfinished."""

from __future__ import annotations

import math
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unveil
from quick import fitted, no_baselines, short_adaptation, short_gap
from unveil.api import Run
from unveil.cli import main
from unveil.diagnostics.finding import Finding
from unveil.diagnostics.quality import Fidelity, Quality
from unveil.diagnostics.verdicts import clearly
from unveil.evaluation import diagnose
from unveil.evaluation.carried import carried
from unveil.evaluation.compare import compare
from unveil.evaluation.effort import Effort
from unveil.evaluation.findings import conclude, suited
from unveil.report.page import page

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
SMALL: dict[str, Any] = {"latent": 2, "model__width": 16}
HEALTHY = "Nothing looks wrong"
BETTER = [{"difference": 5.0, "difference_stderr": 1.0, "log_px": -9.0, "description": "a table"}]
RIGHT = {"rate": 2.0, "direction": "lower", "baselines": BETTER, "ess": 8.0, "num_samples": 10, "khat_above_0.7": None}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(X, tmp_path_factory.mktemp("findings") / "run", steps=60, **SMALL)


def told(run: Run, **changed: Any) -> dict[str, Any]:
    """What is concluded of a healthy result with something changed."""
    return conclude(run.store, run.result | RIGHT | changed)


def with_curve(monkeypatch: pytest.MonkeyPatch, bounds: list[float]) -> None:
    steps = list(range(len(bounds)))
    monkeypatch.setattr("unveil.evaluation.findings.validation_curve", lambda run: (steps, bounds))


def test_one_far_row_is_said_to_carry_the_mean(run: Run) -> None:
    log_px = torch.randn(400, dtype=torch.float64) - 10.85
    split = run.data.train.head(0)
    assert carried(log_px, split) is None  # a Gaussian has no such row
    log_px[17] = -1500.0
    whole = run.data.train.take(torch.arange(400) % 200)
    found = carried(log_px, whole)
    assert found is not None and found["num_rows"] == 1 and found["rows"][0]["row"] == int(whole.rows[17])
    assert found["cost"] == pytest.approx((1500 - 10.85) / 400, abs=0.01)
    assert found["mean_of_the_others"] == pytest.approx(float(np.delete(log_px.numpy(), 17).mean()))


def test_the_row_is_named_in_result_report_and_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = X.copy()
    run = fitted(x, tmp_path / "run", steps=60, **SMALL)
    broken = int(run.data.test.rows[3])
    x[broken] = 3_000.0
    np.save(tmp_path / "x.npy", x[run.data.test.rows.numpy()])
    result = run.evaluate(data=str(tmp_path / "x.npy"))
    assert result["carried"]["rows"][0]["row"] == 3 and result["median"] > -20 > result["log_px"]
    words = conclude(run.store, run.result | result)["sentences"][-1]
    assert words.startswith(f"1 of {len(run.data.test)} examples carries the mean: row 3 (-")
    assert f"The median is {result['median']:.2f}" in words and HEALTHY not in words
    assert main(["evaluate", str(run.path), "--data", str(tmp_path / "x.npy")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "examples carries the mean: row 3 (-" in printed and "median -" in printed
    assert "median log p(x)" in page(run.store)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ess": 1.1}, "heavy_weights"),
        ({"baselines": [BETTER[0] | {"difference": -0.1}]}, "below_baseline"),
        ({"baselines": [BETTER[0] | {"difference": -9.0}]}, "below_baseline"),
    ],
)
def test_nothing_is_called_right_beside_a_weak_number(run: Run, changed: dict[str, Any], code: str) -> None:
    assert HEALTHY in told(run)["sentences"][-1]
    found = told(run, **changed)
    assert [f["code"] for f in found["findings"]] == [code] and HEALTHY not in found["sentences"][-1]


@pytest.mark.parametrize(
    ("difference", "error", "count", "said"),
    [
        (-0.01, 0.001, 1000, "as good as the best simple baseline, a table: the difference, −0.01 ± 0.00 nats, is too"),
        (0.3, 0.2, 1000, "not clearly better than the best simple baseline, a table: the difference, +0.30 ± 0.20 "
                         "nats, is not clear beside its error."),
        (-0.3, 0.05, 1000, "0.30 ± 0.05 nats worse than the best simple baseline"),
        (5.0, 1.0, 3, "not clearly better than the best simple baseline, a table: the difference, +5.00 ± 1.00 nats, "
                      "is not clear beside its error on so few examples."),  # a standard error of three is hardly one
        (-7.0, None, 1, "7.00 nats below the best simple baseline, a table, on a single test example: that does not"),
    ],
)  # fmt: skip
def test_no_verdict_comes_from_one_example_or_from_what_is_too_little(
    run: Run, difference: float, error: float | None, count: int, said: str
) -> None:
    beside = [BETTER[0] | {"difference": difference, "difference_stderr": error}]
    found = told(run, baselines=beside, num_examples=count)
    assert found["sentences"][1].startswith(f"That is {said}")
    worse = [f["sentence"] for f in found["findings"] if f["code"] == "below_baseline"]
    assert ("explains these data better" in " ".join(worse)) == ("worse than" in said)
    assert not worse or error is not None


def test_a_difference_is_clear_beyond_chance_and_beyond_what_matters() -> None:
    assert [clearly(gain, 0.1, 1000) for gain in (0.31, 0.29, -0.29, -0.31)] == [1, 0, 0, -1]
    assert (clearly(0.04, 0.0, 1000), clearly(0.06, 0.0, 1000), clearly(0.25, 0.1, 1000, errors=2.0)) == (0, 1, 1)
    assert [clearly(9.0, error, 50) for error in (None, math.nan, math.inf)] == [0, 0, 0] and clearly(9.0, 0.1, 1) == 0


def test_of_its_own_data_a_run_is_judged_on_what_was_not_trained_on(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", X)  # what a run that was fitted on an array is told to give
    plain, again = run.evaluate(), run.evaluate(data=str(tmp_path / "x.npy"))
    assert (again["split"], again["num_examples"]) == ("test", 30)
    assert again["log_px"] == pytest.approx(plain["log_px"]) and plain["findings"] == []
    (said,) = again["findings"]
    assert said["code"] == "own_data" and "Only its 30 test examples are judged" in said["sentence"]
    assert run.evaluate(data=X, split="train")["num_examples"] == 240
    for other in (X[:299], X[::-1]):
        found = run.evaluate(data=np.ascontiguousarray(other))
        assert (found["split"], found["num_examples"], found["findings"]) == ("given", len(other), [])
    with short_adaptation(), short_gap():
        assert main(["evaluate", str(run.path), "--data", str(tmp_path / "x.npy"), "--gap", "--limit", "2"]) == 0
    assert "Only its 30 test examples are judged" in " ".join(capsys.readouterr().out.split())


def test_a_source_that_has_changed_is_judged_with_a_word(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    run = fitted(str(tmp_path / "x.npy"), tmp_path / "run", steps=2, **SMALL)
    np.save(tmp_path / "x.npy", X[:299])
    found = Run.load(run.path).evaluate(data=str(tmp_path / "x.npy"))
    assert found["num_examples"] == 299
    assert "holds examples that training saw" in found["findings"][-1]["sentence"]


def test_runs_that_hardly_differ_are_called_so(run: Run, tmp_path: Path) -> None:
    again = shutil.copytree(run.path, tmp_path / "again")
    found = compare([run.store, unveil.Run.load(again, data=X).store])
    assert any("run is not clearly better than again" in remark for remark in found.remarks)


def test_a_bound_far_below_its_best_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with_curve(monkeypatch, [-30_000.0, -20_000.0, -20_100.0, -20_333.0])
    (found,) = told(run)["findings"]
    assert found["code"] == "overfit" and "333.0 nats below its best" in found["sentence"]
    with_curve(monkeypatch, [-300_000.0, -200_000.0, -200_333.0])
    assert [f["code"] for f in told(run)["findings"]] == ["overfit"]
    with_curve(monkeypatch, [-300.0, -200.0, -200.3])
    assert told(run)["findings"] == []
    with_curve(monkeypatch, [-0.5, -0.3, -0.10, -0.09, -0.08])  # nats; 5 ‰ of nearly nothing are nothing
    assert told(run)["findings"] == []


def test_an_overfitted_model_is_not_told_to_train_longer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with_curve(monkeypatch, [-30.0, -20.0, -29.0])
    below = told(run, baselines=[BETTER[0] | {"difference": -9.0}])["findings"][0]["sentence"]
    assert "Train longer" not in below and "smaller network" in below


def test_what_has_hardly_begun_has_not_collapsed(run: Run, tmp_path: Path) -> None:
    late = told(run, rate=0.01)["findings"][0]
    assert late["code"] == "collapse" and "has collapsed" in late["sentence"]
    young = fitted(X, tmp_path / "young", steps=2, **SMALL)
    (early,) = told(young, rate=0.01)["findings"]
    assert early["code"] == "hardly_begun" and "training has hardly begun: 2 steps" in early["sentence"]
    assert "collapse" not in early["sentence"].replace(str(young.path), "")
    one_epoch = Effort(3_125, 1.0, False, "")
    assert one_epoch.hardly_begun and not replace(one_epoch, passes=5.0).hardly_begun
    assert not Effort(60_000, 1.0, False, "").hardly_begun and not Effort(1, 1.0, True, "").hardly_begun
    found = suited(Finding("collapse", "z is dead", 0.0, "Lower beta."), Effort.of(young.store))
    assert found.code == "hardly_begun" and "Train longer" in found.remedy


@pytest.mark.parametrize("labelled", [True, False])
def test_the_remedy_that_trains_longer_works_as_it_is_printed(tmp_path: Path, labelled: bool) -> None:
    y = RNG.integers(0, 3, len(X))
    run = fitted(X, tmp_path / "run", steps=2, **({"y": y} if labelled else {}), **SMALL)
    with no_baselines():
        again = eval(Effort.of(run.store).longer, {"unveil": unveil, "x": X, "y": y})
    assert again.is_finished and len(again.store.config.phases) == 2
    if labelled:  # what the command line prints knows of no labels
        return
    np.save(tmp_path / "x.npy", X)
    saved = fitted(tmp_path / "x.npy", tmp_path / "a saved run", steps=2, **SMALL)
    words = shlex.split(Effort.of(saved.store).longer)
    with no_baselines():
        assert words[0] == "unveil" and main(words[1:]) == 0


def test_a_closed_form_is_not_advised_to_train_longer(tmp_path: Path) -> None:
    closed = fitted(X, tmp_path / "closed", model="linear_gaussian", latent=2)
    below = told(closed, baselines=[BETTER[0] | {"difference": -9.0}])["findings"][0]["sentence"]
    assert "rain longer" not in below and "does not change a closed form" in below
    found = suited(Finding("low_precision", "few", 0.1, "train longer"), Effort.of(closed.store))
    assert "longer" not in found.remedy


def test_a_diagnosis_without_findings_does_not_praise_what_falls_short(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after(findings: list[dict[str, str]], remarks: list[str]) -> list[str]:
        monkeypatch.setattr(type(run.store), "result", run.result | {"findings": findings})
        return diagnose._nothing_found(run.store, remarks)

    assert after([], []) == [diagnose.HEALTHY]
    short, worse = "The precision is 0.60.", {"sentence": "A simple model is better."}
    assert diagnose.HEALTHY not in after([], [short]) and short in after([], [short])
    assert diagnose.HEALTHY not in after([worse], []) and worse["sentence"] in after([worse], [])


def test_a_precision_of_three_fifths_is_remarked_and_no_fault() -> None:
    reference = Fidelity(0.95, 0.93, 1.0, 0.97)
    short = Quality(Fidelity(0.60, 0.93, 1.0, 0.96), reference, "x", 1.0, 1000, 1000, 0.01, 0.5, 0.0, ())
    assert short.findings() == []
    assert short.remarks() == [
        "The precision is 0.60 (the share of samples that lie among held-out x), where training x reaches 0.95."
    ]
    assert replace(short, samples=reference).remarks() == []
    close = replace(short, reference=replace(reference, precision=0.65))
    assert close.remarks() and replace(short, samples=replace(reference, precision=0.93)).remarks() == []
