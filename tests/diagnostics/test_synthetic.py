"""Synthetic rows judged: the errors where they are known, what tells rows apart, what they teach, and copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from cli.commands import Done
from quick import fitted, short_diagnosis
from unveil import load_data
from unveil.api import Run
from unveil.cli import main
from unveil.data.columns import Column
from unveil.diagnostics import syntheticrows, usefulness
from unveil.diagnostics.closeness import closeness
from unveil.diagnostics.synthetic import Synthetic
from unveil.diagnostics.syntheticrows import columns_of, learned_column, synthetic
from unveil.diagnostics.trends import column_error, trends
from unveil.diagnostics.usefulness import Rows, rows_of, task_of, told_apart, useful
from unveil.errors import RequestError
from unveil.evaluation.effort import Effort
from unveil.evaluation.findings import suited

AGE, PRICE = Column("age", "whole"), Column("price", "decimal", decimals=2)
SEX = Column("sex", "yes/no", levels=("f", "m"))
TOWN = Column("town", "category", levels=("A", "B", "C"))
RICH = Column("rich", "yes/no", levels=("no", "yes"))
COLUMNS = (AGE, PRICE, TOWN, RICH)


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usefulness, "TREES", 20)


def people(count: int, seed: int, stretch: float = 1.0) -> np.ndarray:
    """Codes of COLUMNS, of which the last depends on the first and the third."""
    rng = np.random.default_rng(seed)
    age, town = rng.integers(20, 70, count), rng.integers(0, 3, count)
    price = np.rint(100 * np.exp(0.05 * age * stretch + 0.3 * rng.normal(size=count)))
    rich = (age + 10 * town + 8 * rng.normal(size=count)) > 55
    return np.stack([age, price, town, rich], 1).astype(np.float32)


# -- errors of columns and pairs -------------------------------------------------------------------------------------


def test_identical_tables_have_no_error_and_chance_makes_some() -> None:
    rows = people(300, 0)
    found = trends(rows, rows[::-1].copy(), COLUMNS)
    assert found.column_error() == 0 and found.pair_error() == pytest.approx(0, abs=1e-9)
    assert 0.01 < (found.column_error(True) or 0) < 0.1 and 0.01 < (found.pair_error(True) or 0) < 0.15


def test_rows_of_one_table_differ_by_what_chance_says() -> None:
    found = trends(people(400, 0), people(2000, 1), COLUMNS, seed=3)
    assert found.column_error() == pytest.approx(found.column_error(True), rel=0.5)
    assert found.pair_error() == pytest.approx(found.pair_error(True), rel=0.5)


def test_numbers_have_the_statistic_of_kolmogorov_and_levels_their_variation() -> None:
    a, b = np.arange(100, dtype=np.float32), np.arange(50, 150, dtype=np.float32)
    assert column_error(a, b, AGE) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 70).astype(np.float32), rng.normal(size=110).astype(np.float32)
    assert column_error(a, b, AGE) == pytest.approx(ks_2samp(a, b).statistic)
    a, b = np.repeat(np.float32([0, 1]), (50, 50)), np.repeat(np.float32([0, 1, 2]), (80, 10, 10))
    assert column_error(a, b, TOWN) == pytest.approx(0.4)


def test_pairs_that_were_permuted_have_the_errors_that_follow() -> None:
    """Columns stay as they are: a sign that is turned is 1 of correlation, independence ½ of a table of two by two."""
    same = np.stack(np.meshgrid([0, 1], np.arange(50)), -1).reshape(-1, 2)[:, [0, 0]].astype(np.float32)
    apart = same.copy()
    apart[:, 1] = apart[np.argsort(np.arange(100) % 4, kind="stable"), 1]
    apart[:, 1] = np.tile([0, 0, 1, 1], 25)
    levels = trends(same, apart, (SEX, RICH))
    assert levels.columns == (0, 0) and levels.pairs[0][1] == pytest.approx(0.5)
    line = np.stack([np.arange(100), np.arange(100)], 1).astype(np.float32)
    turned = np.stack([np.arange(100), np.arange(100)[::-1]], 1).astype(np.float32)
    numbers = trends(line, turned, (AGE, PRICE))
    assert numbers.columns == (0, 0) and numbers.pairs[0][1] == numbers.pairs[1][0] == pytest.approx(1)
    half = np.stack([np.arange(100), np.arange(100) >= 50], 1).astype(np.float32)
    other = np.stack([np.arange(100), np.arange(100) < 50], 1).astype(np.float32)
    assert trends(half, other, (AGE, SEX)).pairs[0][1] == pytest.approx(1)  # no bin of ten has both
    assert numbers.pairs[0][0] is None and numbers.worst_pairs(3)[0][0] == (0, 1)


def test_ten_bins_lie_between_the_ends_of_the_real_values() -> None:
    """What is beyond is no nearer to the last bin than to any other: it is in none of them."""
    real = np.stack([np.arange(100), np.zeros(100)], 1).astype(np.float32)
    beyond = real + np.float32([1000, 0])
    one, other = trends(real, beyond, (AGE, SEX)), trends(real, np.minimum(real, 9), (AGE, SEX))
    assert one.pairs[0][1] == pytest.approx(1) and other.pairs[0][1] == pytest.approx(0.9)


def test_what_is_not_observed_is_left_out_of_errors() -> None:
    rows = people(200, 0)
    gaps = rows.copy()
    gaps[np.random.default_rng(0).random(rows.shape) < 0.3] = np.nan
    found = trends(rows, np.where(np.isnan(gaps), np.nan, rows), COLUMNS)
    assert max(map(float, found.columns)) < 0.1  # type: ignore[arg-type]
    nothing = rows.copy()
    nothing[:, 2] = np.nan
    assert trends(rows, nothing, COLUMNS).columns[2] is None
    assert column_error(np.float32([1, np.nan]), np.float32([1, 1]), AGE) == 0


def test_a_constant_column_is_correlated_with_nothing() -> None:
    rows = people(100, 0)
    still = rows.copy()
    still[:, 0] = 40
    found = trends(rows, still, COLUMNS)
    rho = np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]
    assert found.pairs[0][1] == pytest.approx(rho / 2, rel=1e-5)


# -- what trees make of them -----------------------------------------------------------------------------------------


def test_rows_of_one_table_are_not_told_apart_and_others_are() -> None:
    alike = told_apart(people(500, 0), people(700, 1), COLUMNS)
    assert abs(alike.auc - 0.5) < 4 * alike.auc_stderr and alike.num_rows == 500
    shuffled = people(500, 1)
    shuffled[:, 3] = np.random.default_rng(0).permutation(shuffled[:, 3])  # each column alone is right
    assert told_apart(people(500, 0), shuffled, COLUMNS).auc > 0.65


def learned(d: int, made: Callable[[np.ndarray], np.ndarray] = lambda rows: rows) -> Any:
    return useful(task_of(COLUMNS, d), *(rows_of(x, d) for x in (people(600, 0), made(people(600, 1)), people(400, 2))))


@pytest.mark.parametrize(("d", "measure", "guess"), [(3, "AUC", 0.5), (2, "accuracy", 0.4), (1, "R2", 0.0)])
def test_rows_of_the_same_law_teach_as_much(d: int, measure: str, guess: float) -> None:
    found = learned(d)
    assert found.measure == measure and found.guess <= guess and found.target == COLUMNS[d].name
    assert found.real > found.guess + 0.03 and abs(found.difference) < 4 * found.difference_stderr + 0.02
    assert 0.002 < found.made_stderr < 0.08 and (found.num_train, found.num_test) == (600, 400)


def test_rows_whose_target_is_noise_teach_nothing_and_one_class_is_a_guess() -> None:
    def noise(rows: np.ndarray) -> np.ndarray:
        rows[:, 3] = np.random.default_rng(5).permutation(rows[:, 3])
        return rows

    def one(rows: np.ndarray) -> np.ndarray:
        rows[:, 3] = 1
        return rows

    nothing, still = learned(3, noise), learned(3, one)
    assert abs(nothing.made - 0.5) < 0.15 and nothing.difference < -3 * nothing.difference_stderr
    assert still.made == 0.5 and still.made_stderr == 0


def test_levels_beyond_what_trees_take_are_one() -> None:
    rng = np.random.default_rng(0)
    many = Column("id", "category", levels=tuple(map(str, range(400))))
    rows = np.stack([rng.integers(0, 400, 300), rng.integers(0, 2, 300)], 1).astype(np.float32)
    rows[0, 0] = np.nan
    assert useful(task_of((many, SEX), 1), *[rows_of(rows, 1)] * 3) is not None
    empty: Rows = rows_of(np.full((3, 2), np.nan, np.float32), 1)
    assert useful(task_of((many, SEX), 1), rows_of(rows, 1), rows_of(rows, 1), empty) is None


# -- copies ----------------------------------------------------------------------------------------------------------


def test_copies_are_counted_and_fresh_rows_are_as_near_as_held_out_ones() -> None:
    train, heldout = people(600, 0), people(400, 1)
    fresh, copied = (closeness(train, heldout, made, COLUMNS) for made in (people(500, 2), train[:500]))
    assert abs(fresh.nearer - 0.5) < 4 * fresh.nearer_stderr and fresh.copies < 0.02 and fresh.close < 0.12
    assert fresh.median == pytest.approx(fresh.heldout_median, rel=0.2)
    assert copied.copies == 1 and copied.median == 0 and copied.nearer > 0.75 and copied.heldout_copies < 0.02
    many = closeness(people(3000, 0), heldout, people(500, 2), COLUMNS)  # it is looked for among as many of each
    assert abs(many.nearer - 0.5) < 4 * many.nearer_stderr


def test_distances_are_in_spreads_of_a_column_and_a_level_that_differs_is_one() -> None:
    train = people(600, 0)
    other = train[:200].copy()
    other[:, 3] = 2  # a level that no training row has
    found = closeness(train, people(300, 1), other, COLUMNS)
    assert found.median == pytest.approx(1) and found.copies == 0
    wide = [rows * np.float32([100, 0.01, 1, 1]) for rows in (train, people(300, 1), people(300, 2))]
    as_is = closeness(train, people(300, 1), people(300, 2), COLUMNS)
    assert closeness(*wide, COLUMNS).median == pytest.approx(as_is.median, rel=1e-4)


def test_copies_with_gaps_are_copies_and_the_share_among_held_out_rows_stands_beside() -> None:
    train = people(300, 0)
    train[::3, 1] = np.nan
    found = closeness(train, np.concatenate([train[:50], people(50, 1)]), train[61:151], COLUMNS)
    assert found.copies == 1 and found.heldout_copies == pytest.approx(0.5, abs=0.03)
    assert found.heldout_copies_stderr == pytest.approx(0.05, abs=0.002)


# -- of a run --------------------------------------------------------------------------------------------------------


def written(rows: np.ndarray, path: Path) -> Path:
    names = [(f"{a:.0f}", f"{p / 100:.2f}", TOWN.levels[int(t)], RICH.levels[int(r)]) for a, p, t, r in rows]
    path.write_text("\n".join(",".join(row) for row in [("age", "price", "town", "rich"), *names]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("synthetic")
    source = written(people(900, 0), folder / "people.csv")
    return fitted(str(source), folder / "run", model="autoregressive", train__steps=3, model__width=8)


def drawing(monkeypatch: pytest.MonkeyPatch, rows: np.ndarray, folder: Path, run: Run) -> None:
    """The model draws these rows, as its run codes them."""
    codes = torch.from_numpy(load_as(run, rows, folder))
    monkeypatch.setattr(syntheticrows, "draw_labelled", lambda model, count, seed=0: (codes[:count].clone(), None))


def load_as(run: Run, rows: np.ndarray, folder: Path) -> np.ndarray:
    from unveil.runs.given import new_split

    return new_split(run.store, str(written(rows, folder / "new.csv")))[0].x.numpy()


def judged(run: Run, **options: Any) -> Synthetic:
    return synthetic(run.store.model, run.store.data, **options)


def test_a_perfect_model_has_no_finding(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawing(monkeypatch, people(900, 5), tmp_path, run)
    found = judged(run)
    assert found.findings() == [] and found.names == ("age", "price", "town", "rich") and not found.gaps
    assert found.num_made == len(run.store.data.train) and found.num_real == 900
    assert found.useful is not None and found.useful.target == "rich"
    assert "rows of the whole table" in found.words()[0] and len(found.rows()) == 8
    assert json.loads(json.dumps(found.to_json()))["rows"][3][0] == "rich learned from them, AUC"


def test_a_model_that_repeats_its_training_rows_is_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    train = run.store.data.train.x
    monkeypatch.setattr(syntheticrows, "draw_labelled", lambda model, count, seed=0: (train[:count].clone(), None))
    (finding,) = judged(run).findings()
    assert finding.code == "rows_copied" and "100.0 % equal a training row" in finding.sentence


def test_a_model_that_is_off_is_found_and_what_to_do_can_be_typed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    off = people(900, 5)
    off[:, 0] = np.minimum(off[:, 0] + 12, 69)
    off[:, 3] = np.random.default_rng(0).permutation(off[:, 3])
    drawing(monkeypatch, off, tmp_path, run)
    found = judged(run).findings()
    assert found[0].code == "columns_differ" and "age by 2" in found[0].sentence
    assert "rows_less_useful" in [finding.code for finding in found]
    told = suited(found[0], Effort.of(run.store)).remedy
    assert told.startswith(f"Train longer (unveil resume {run.path} --epochs ")
    with_latents = replace(judged(run), has_latents=True).findings()[0].remedy
    assert "--model autoregressive" in with_latents


def test_drawn_numbers_are_brought_between_the_ends_of_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    data = run.store.data
    x = data.train.x.clone()
    x[:5, 0], x[5:9, 1] = 1e6, -1e6  # as `unveil sample` never gives
    monkeypatch.setattr(syntheticrows, "draw_labelled", lambda model, count, seed=0: (x[:count].clone(), None))
    assert data.table is not None
    columns, rows = data.table.columns, syntheticrows._Rows.of(data.train)
    drawn = syntheticrows._drawn(run.store.model, data, columns, rows, 0).x
    assert (drawn[:, 0].max(), drawn[:, 1].min()) == (columns[0].high, columns[1].low)
    assert (drawn[9:] == rows.x[9:]).all()


def test_the_column_that_is_learned_is_the_one_that_is_named(run: Run) -> None:
    data = run.store.data
    assert learned_column(data, "price") == 1 and learned_column(data, None) == 3
    with pytest.raises(RequestError, match=r"There is no column 'ritch' to be learned. Did you mean 'rich'\?"):
        learned_column(data, "ritch")
    pictures = load_data("digits")
    assert columns_of(pictures) is None
    with pytest.raises(RequestError, match="names a column of a table"):
        learned_column(pictures, "rich")


def test_labels_that_rows_are_drawn_for_are_learned_where_they_are_known() -> None:
    def labelled(count: int, seed: int) -> Any:
        rows = people(count, seed)
        y = rows[:, 3].astype(np.int64)
        y[::10] = -1
        return syntheticrows._Rows(rows[:, :3], y)

    found = syntheticrows._useful(COLUMNS[:3], None, labelled(600, 0), labelled(500, 1), labelled(300, 2), 0)
    assert found is not None and (found.target, found.measure) == ("label", "AUC") and found.made > 0.8
    assert (found.num_train, found.num_test) == (450, 270)


def test_gaps_are_those_of_training_rows_and_said(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = written(people(300, 0), tmp_path / "gaps.csv").read_text().splitlines()
    gaps = [f",{line.partition(',')[2]}" for line in lines[1:150]]
    (tmp_path / "gaps.csv").write_text("\n".join([lines[0], *gaps, *lines[150:]]))
    data = load_data(str(tmp_path / "gaps.csv"))
    whole = data.train.x.clone()
    monkeypatch.setattr(syntheticrows, "draw_labelled", lambda model, count, seed=0: (whole[:count].clone(), None))
    found = synthetic(run.store.model, data)
    assert found.gaps and any("the share of gaps is not judged" in sentence for sentence in found.words())
    assert found.closeness.copies > 0.9  # with the gaps of training rows they are such rows


def test_a_table_of_few_rows_is_left_out_with_a_sentence(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="at least 30 training rows"):
        synthetic(run.store.model, load_data(str(written(people(60, 0), tmp_path / "few.csv"))))


def test_a_table_of_measured_numbers_is_judged_by_its_own_names(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    np.savetxt(tmp_path / "x.csv", x, "%.9f", ",", header="a,b,c", comments="")
    data = load_data(str(tmp_path / "x.csv"), domain="real")
    found = columns_of(data)
    assert found is not None and [(column.name, column.kind) for column in found] == [(n, "real") for n in "abc"]
    assert learned_column(data, None) == 2


def test_the_command_prints_keeps_and_shows_it(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    with short_diagnosis():
        code = main(("diagnose", str(run.path), "--limit", "4", "--target", "town"))
    done = Done(code, *capfd.readouterr())
    assert done.code == 0 and "town learned from them, accuracy" in done.out and "not above real rows" in done.out
    kept = Run.load(run.path).diagnosis
    assert kept is not None and kept["synthetic"]["useful"]["target"] == "town"
    assert main(("diagnose", str(run.path), "--target", "twon")) == 2
    assert "Did you mean 'town'?" in capfd.readouterr().err
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "synthetic_pairs" in page and "synthetic_columns" in page and "Pairs of columns" in page
