"""Draws of rows with conditions: as many of each as enumeration says, and what cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from quick import fitted
from unveil.api import Run
from unveil.batch import Batch
from unveil.cli import main
from unveil.errors import Fact, RequestError, WorkError
from unveil.use import where
from unveil.use.sample import sample

RNG = np.random.default_rng(0)
ROWS = 400


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sex = RNG.integers(2, size=ROWS)
    size = np.where(RNG.random(ROWS) < 0.8, sex, 2 * RNG.integers(2, size=ROWS))
    age = RNG.integers(20, 40, ROWS) + 20 * sex
    lines = [
        f"{('male', 'female')[s]},{'LSM'[z]},{a},2021-01-{1 + a % 28:02d}"
        for s, z, a in zip(sex, size, age, strict=True)
    ]
    path = tmp_path_factory.mktemp("where") / "t.csv"
    path.write_text("\n".join(["sex,size,age,day", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ordered(source: Path) -> Run:
    small: dict[str, Any] = {"model": "any_order", "model__width": 16, "model__depth": 1, "train__lr": 0.02}
    return fitted(str(source), source.parent / "ordered", steps=40, **small)


@pytest.fixture(scope="module")
def latent(source: Path) -> Run:
    return fitted(str(source), source.parent / "vae", steps=30, latent=2, model="vae", model__width=16)


def codes(run: Run, text: str, count: int = 3000) -> np.ndarray:
    found: np.ndarray = sample(run.store, count, where=text)
    return found


@torch.no_grad()
def test_given_a_level_the_others_come_as_often_as_the_model_says(ordered: Run) -> None:
    drawn = codes(ordered, "sex=female")
    female = where.conditions(ordered.store, "sex=female")[0].code
    assert (drawn[:, 0] == female).all()
    x = torch.zeros(3, 4)
    x[:, 0], x[:, 1] = female, torch.arange(3.0)
    seen = torch.tensor([True, True, False, False]).expand(3, -1)
    truth = ordered.model.log_conditional(Batch(x, observed=seen), 1).exp()
    assert float(truth.sum()) == pytest.approx(1, abs=1e-5)
    # `size` is drawn after `age` or `day` in two orders of three, and the model is not one joint density: a loose bound
    np.testing.assert_allclose(np.bincount(drawn[:, 1].astype(int), minlength=3) / 3000, truth, atol=0.06)


def test_rejection_leaves_what_a_free_draw_would_have_had(latent: Run) -> None:
    free, given = sample(latent.store, 6000, seed=1), codes(latent, "sex=female,age>=50")
    female = where.conditions(latent.store, "sex=female")[0].code
    kept = free[(free[:, 0] == female) & (free[:, 2] >= 50)]
    assert ((given[:, 0] == female) & (given[:, 2] >= 50)).all() and len(given) == 3000 and len(kept) > 500
    share = [np.bincount(x[:, 1].astype(int), minlength=3) / len(x) for x in (given, kept)]
    np.testing.assert_allclose(*share, atol=0.07)


def test_equality_and_an_inequality_go_together_and_the_share_is_told(ordered: Run) -> None:
    told: list[str] = []
    x = sample(ordered.store, 50, where={"sex": "male", "age": "<30", "day": ">=2021-01-02"}, tell=told.extend)
    assert len(x) == 50 and (x[:, 2] < 30).all()
    (note,) = told
    assert isinstance(note, Fact) and "drawn rows met the conditions; the others were thrown away." in note
    told.clear()
    sample(ordered.store, 5, where="size=S", tell=told.extend)
    assert not told  # nothing was thrown away


def test_a_sample_by_the_command_line_and_in_python(
    ordered: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.csv"
    assert main(["sample", str(ordered.path), "-n", "7", "-o", str(out), "--where", "sex=female, age > 45"]) == 0
    rows = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()[1:]]
    assert len(rows) == 7 and all(row[0] == "female" and int(row[2]) > 45 for row in rows)
    assert "% of" in capfd.readouterr().err
    frame = ordered.sample(3, where={"size": "M", "age": 30})
    assert set(frame["size"]) == {"M"} and set(frame["age"]) == {30}
    assert main(["sample", str(ordered.path), "-o", str(out), "--where", "sxe=female"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == "Did you mean 'sex'?"


WRONG = {
    "sex=femal": "'sex' has no level 'femal'. Did you mean 'female'?",
    "height>3": "where names the column 'height', and the table of the run has none of that name.",
    "sex>male": "where compares 'sex' by >, and its levels are in no order; take = or !=.",
    "age=old": "'age' holds numbers and where gives 'old'; give a number.",
    "day>=3": "'day' holds dates and where gives '3'; write it as %Y-%m-%d.",
    "sex": "where came with 'sex'; it takes COLUMN=VALUE, or >, <, >=, <=, !=.",
    " , ": "where came with ' , '".replace("with", "as"),
    "sex=male,sex=female": "where gives two values of 'sex', which no row can have; give one.",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(text: str, ordered: Run) -> None:
    with pytest.raises(RequestError) as error:
        sample(ordered.store, 5, where=text)
    assert str(error.value).startswith(WRONG[text])


def test_what_hardly_ever_comes_is_given_up(latent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, "MOST_DRAWS", 300)
    with pytest.raises(WorkError, match=r"Only \d+ of .* drawn rows meet the conditions, and 5,000 were asked for"):
        sample(latent.store, 5000, where="day>=2021-01-20,day<=2021-01-22")
    with pytest.raises(RequestError, match="Means came with where"):
        sample(latent.store, 5, where="age>30", mean=True)


def test_what_never_comes_is_given_up_soon_with_what_training_had(ordered: Run) -> None:
    with pytest.raises(WorkError, match=r"None of 2\d,\d{3} drawn rows .* Training had 'age' from 20 to 59\."):
        sample(ordered.store, 3, where="age>500")


def test_between_two_recorded_values_lies_neither(ordered: Run) -> None:
    with pytest.raises(
        RequestError, match=r"'age' holds no value between 30 and its neighbours, and where gives 30\.4"
    ):
        where.conditions(ordered.store, "age=30.4")
    for text, code in (("age>30.4", 30.5), ("age>=30.6", 30.5), ("age<30.6", 30.5), ("age>30", 30.0)):
        low = ordered.store.data.table.columns[2].origin
        assert where.conditions(ordered.store, text)[0].code + low == code


def test_x_that_is_no_mixed_table_has_no_conditions(tmp_path: Path) -> None:
    run = fitted((RNG.random((60, 3)) < 0.5).astype(np.uint8), tmp_path / "run", model="mixture", steps=2)
    with pytest.raises(RequestError, match="Conditions on samples are for a run on a table of mixed columns"):
        run.sample(3, where="x_0=1")


def test_a_name_may_hold_a_sign_or_have_spaces_around_it(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    rows = "".join(f"{i % 30},{'uv'[draws.integers(2)]},{draws.normal():.2f}\n" for i in draws.integers(0, 30, 80))
    path.write_text(f"a,a>b, c \n{rows}")
    run = fitted(path, tmp_path / "run", model="vae", steps=1)
    assert [(c.column, c.sign) for c in where.conditions(run.store, "a>b=u,a>=3, c <1")] == [
        (1, "="),
        (0, ">="),
        (2, "<"),
    ]
