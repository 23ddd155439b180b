"""Runs conditioned on labels: what their numbers are of is said, and ranks compare numbers of one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.evaluation.findings import conclude
from unveil.report.page import page
from unveil.report.sections.latent_map import placed
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


def test_a_result_says_that_it_is_of_x_given_the_label(run: Run) -> None:
    result = run.result
    assert result["condition"] == "label"
    assert result["sentences"][0].startswith("log p(x|label) is at least")
    assert "the baselines state log p(x), without the label" in result["sentences"][1]
    assert "log p(x|label)" in page(run.store)
    given = run.evaluate(data=X[:50])  # whose labels are not read: they are summed over
    assert given["condition"] == "none" and conclude(run.store, result | given)["sentences"][0].startswith(
        "log p(x) is"
    )


def test_new_x_are_ranked_among_validation_examples_whose_labels_are_summed_over_too(run: Run) -> None:
    valid = run.data.valid
    scores = run.score(X[valid.rows.numpy()])
    np.testing.assert_allclose(scores.log_px, run.store.scores("valid"), atol=1e-4)
    assert abs(scores.percentile.mean() - 50) < 10


def test_what_an_example_is_encoded_as_does_not_depend_on_how_many_came(run: Run) -> None:
    few, more = run.encode(X[:10]), run.encode(X[:200])
    np.testing.assert_allclose(few.mean, more.mean[:10], atol=1e-6)
    np.testing.assert_allclose(few.stddev, more.stddev[:10], atol=1e-6)


def test_what_an_example_is_reconstructed_as_does_not_depend_on_how_many_came(run: Run) -> None:
    few, more = run.reconstruct(X[:3])[1], run.reconstruct(X[:40], num_examples=40)[1]
    np.testing.assert_allclose(few, more[:3], atol=1e-5)


def test_the_report_does_not_give_the_last_class_to_what_has_no_label(run: Run) -> None:
    subject = Subject.of(run.store)
    found = placed(subject)
    assert found is not None and found.codes is not None and (found.codes < 0).any()
    html = page(run.store)
    labels = html[html.index('"labels":') :][: 8 * len(found.codes)]
    assert labels.count('""') == int((found.codes < 0).sum()) and "not labelled" in html


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
