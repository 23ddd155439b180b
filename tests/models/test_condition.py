"""Runs conditioned on labels: what their numbers are of is said, and ranks compare numbers of one meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from quick import fitted
from unveil.api import Run, compare
from unveil.cli import main
from unveil.errors import RequestError
from unveil.estimators.base import evaluate
from unveil.evaluation.findings import conclude
from unveil.report.explorer.scene import scene_of
from unveil.report.page import page
from unveil.report.subject import Subject

RNG = np.random.default_rng(0)
N = 300
Y = RNG.integers(0, 3, N)
X = (RNG.random((N, 6)) < np.array([0.1, 0.5, 0.9])[Y][:, None]).astype(np.uint8)
SOME = np.where(RNG.random(N) < 0.4, -1, Y)
SMALL: dict[str, Any] = {"latent": 2, "model__width": 16, "steps": 40}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("condition") / "run"
    return fitted(X, out, baselines=True, y=SOME, model__condition="label", **SMALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, every label known."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return fitted(X, out, baselines=True, y=Y, model__condition="label", **SMALL)


def log_px(run: Run, y: torch.Tensor | None) -> torch.Tensor:
    """Of every test example with these labels, by the estimator of the result."""
    return evaluate(run.model, replace(run.data.test, y=y), run.store.config.judging.make(), seed=0)[0].log_px


def test_labels_known_in_part_are_summed_out_of_the_number_and_told_apart(run: Run) -> None:
    result, y = run.result, run.data.test.y
    assert y is not None
    summed, given = log_px(run, None), log_px(run, y)
    assert result["condition"] == "none" and result["log_px"] == pytest.approx(float(summed.mean()), abs=1e-4)
    known, blind, rest = result["parts"]
    assert [part["quantity"] for part in (known, blind, rest)] == ["log p(x|label)", "log p(x)", "log p(x)"]
    assert known["num_examples"] == int((y >= 0).sum()) and rest["num_examples"] == int((y < 0).sum())
    assert known["log_px"] == pytest.approx(float(given[y >= 0].mean()), abs=0.1)  # other draws: the rows are others
    assert blind["log_px"] == pytest.approx(float(summed[y >= 0].mean()), abs=1e-4)
    assert rest["log_px"] == pytest.approx(float(summed[y < 0].mean()), abs=1e-4)
    first = result["sentences"][0]
    assert first.startswith("log p(x) is at least")
    assert f"log p(x|label) of the {known['num_examples']} examples with a label is at least" in first
    assert run.evaluate()["parts"] == result["parts"]
    assert "an example with a label counts with log p(x|label)" in page(run.store)


def test_simple_models_are_compared_with_log_p_of_x(run: Run, whole: Run) -> None:
    for one in (run, whole):
        blind = log_px(one, None)
        np.testing.assert_allclose(one.store.scores("test_without_labels"), blind, atol=1e-4)
        for baseline in one.result["baselines"]:
            assert baseline["difference"] == pytest.approx(float(blind.mean()) - baseline["log_px"], abs=1e-4)
    assert whole.result["log_px"] == pytest.approx(float(log_px(whole, whole.data.test.y).mean()), abs=1e-4)
    blind_mean = float(log_px(whole, None).mean())
    assert whole.result["sentences"][1].startswith(f"Without the labels, log p(x) is {blind_mean:.2f}, which is")
    assert "this model, labels summed out" in page(whole.store)
    assert "an example with a label counts with" not in page(whole.store)


def test_a_run_that_knows_the_labels_is_compared_by_log_p_of_x(whole: Run, tmp_path: Path) -> None:
    plain = fitted(X, tmp_path / "plain", y=Y, **SMALL)
    found = compare([plain, whole])
    by_name = {row.name: row for row in found.rows}
    own = by_name[whole.path.name]
    assert own.result["log_px"] == pytest.approx(float(log_px(whole, None).mean()), abs=1e-4)
    gap = own.result["log_px"] - by_name["plain"].result["log_px"]
    assert abs(own.difference - by_name["plain"].difference) == pytest.approx(abs(gap), abs=1e-4)
    assert any("compared by log p(x), with the labels summed out" in remark for remark in found.remarks)


def test_a_result_says_that_it_is_of_x_given_the_label(whole: Run) -> None:
    result = whole.result
    assert result["condition"] == "label"
    assert result["sentences"][0].startswith("log p(x|label) is at least")
    assert "log p(x|label)" in page(whole.store)
    given = whole.evaluate(data=X[:50])  # whose labels are not read: they are summed over
    assert given["condition"] == "none" and conclude(whole.store, result | given)["sentences"][0].startswith(
        "log p(x) is"
    )


def test_new_x_are_ranked_among_validation_examples_whose_labels_are_summed_over_too(run: Run) -> None:
    valid = run.data.valid
    scores = run.score(X[valid.rows.numpy()])
    np.testing.assert_allclose(scores.log_px, run.store.scores("valid"), atol=1e-4)


def test_what_an_example_is_encoded_as_does_not_depend_on_how_many_came(run: Run) -> None:
    few, more = run.encode(X[:10]), run.encode(X[:200])
    np.testing.assert_allclose(few.mean, more.mean[:10], atol=1e-6)
    np.testing.assert_allclose(few.stddev, more.stddev[:10], atol=1e-6)


def test_what_an_example_is_reconstructed_as_does_not_depend_on_how_many_came(run: Run) -> None:
    few, more = run.reconstruct(X[:3])[1], run.reconstruct(X[:40], num_examples=40)[1]
    np.testing.assert_allclose(few, more[:3], atol=1e-5)


def test_the_report_does_not_give_the_last_class_to_what_has_no_label(run: Run) -> None:
    subject = Subject.of(run.store)
    found = scene_of(subject)
    assert found is not None and found.data["label"]
    codes = [*subject.test.y.tolist(), *subject.valid.y.tolist()]  # type: ignore[union-attr]
    assert found.data["points"]["y"] == codes and -1 in codes and -1 not in found.data["points"]["condition"]


def test_a_label_is_drawn_by_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    draw = run.model.sample
    monkeypatch.setattr(run.model, "sample", lambda n, y, t: (asked.append(y.tolist()), draw(n, y, t))[1])
    assert run.sample(5, label="2").shape == (5, 6) and asked == [[2] * 5]
    with pytest.raises(RequestError, match="no label '3'"):
        run.sample(3, label="3")


def test_what_a_family_does_not_take_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="2 temperatures came, and this VAE takes one"):
        run.sample(3, temperature=(1.0, 0.5))
    with pytest.raises(RequestError, match=r"no key 'sample.steps' for samples of this VAE. It has none"):
        run.sample(3, steps=50)
    plain = fitted(X, tmp_path / "plain", **SMALL | {"steps": 2})
    with pytest.raises(RequestError, match=r"is not conditioned on labels. Fit it with model.condition=label"):
        plain.sample(3, label="0")


def test_a_run_without_a_condition_states_log_p_of_x(tmp_path: Path) -> None:
    plain = fitted(X, tmp_path / "run", y=SOME, **SMALL | {"steps": 5}).result
    assert plain["condition"] == "none" and plain["sentences"][0].startswith("log p(x) is")


@pytest.mark.parametrize(("domain", "suggested"), [("levels", True), ("count", False)])
def test_only_a_model_that_takes_the_data_is_recommended(domain: str, suggested: bool, tmp_path: Path) -> None:
    x = RNG.integers(0, 4, (100, 1)) * np.ones((1, 4), int)
    run = fitted(x, tmp_path / "run", data__domain=domain, **SMALL | {"steps": 2})
    worse = [{"difference": -5.0, "difference_stderr": 1.0, "log_px": 0.0, "description": "a table"}]
    found = {f["code"]: f["sentence"] for f in conclude(run.store, run.result | {"baselines": worse})["findings"]}
    assert ("--model mixture" in found["below_baseline"]) == suggested


def test_what_is_drawn_of_a_table_has_the_names_of_its_columns(tmp_path: Path) -> None:
    names = ["a", "b, c", "path"]
    pd.DataFrame(RNG.normal(size=(100, 3)), columns=names).to_csv(tmp_path / "t.csv", index=False)
    run = str(fitted(tmp_path / "t.csv", tmp_path / "run", **SMALL | {"steps": 2}).path)

    def columns(*words: str) -> list[str]:
        assert main([words[0], run, "-o", str(tmp_path / "o.csv"), *words[1:]]) == 0
        return list(pd.read_csv(tmp_path / "o.csv").columns)

    assert columns("sample", "-n", "4") == names
    assert columns("reconstruct") == names + [f"reconstruction of {name}" for name in names]
    assert columns("interpolate") == ["path", "step", "x_0", "x_1", "x_2"]  # a name that the paths take themselves
