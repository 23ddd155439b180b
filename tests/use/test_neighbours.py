"""Nearest training examples: a planted copy at distance 0, what a search by hand finds, names, refusals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import unveil
from quick import fitted
from unveil.api import Run
from unveil.cli import main
from unveil.errors import RequestError
from unveil.use.nearest import nearest

RNG = np.random.default_rng(0)
DIGITS = load_digits().images.astype(np.uint8)
TABLE = (RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 6)) + 0.3 * RNG.normal(size=(300, 6))).astype(np.float32)
SMALL: dict[str, Any] = {"latent": 8, "model__width": 32, "steps": 60}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(DIGITS[:700], tmp_path_factory.mktemp("near") / "run", **SMALL)


def by_hand(run: Run, x: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the source and distances, from `encode` alone."""
    rows = run.data.train.rows.numpy()
    z, among = (np.asarray(run.encode(given), dtype=np.float64) for given in (x, DIGITS[:700][rows]))
    distance = np.linalg.norm(z[:, None] - among, axis=-1)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return rows[order], np.take_along_axis(distance, order, 1)


def test_neighbours_are_those_of_a_search_by_hand(run: Run) -> None:
    found = run.neighbours(DIGITS[700:800], k=4)
    rows, distance = by_hand(run, DIGITS[700:800], 4)
    np.testing.assert_array_equal(found.neighbour, rows)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-4)
    assert (np.diff(found.distance, axis=1) >= 0).all()


def test_without_x_the_test_examples_are_looked_up(run: Run) -> None:
    found, rows = run.neighbours(), run.data.test.rows.numpy()
    np.testing.assert_array_equal(found.rows, rows)
    assert found.neighbour.shape == (len(rows), 5)
    np.testing.assert_array_equal(found.neighbour, run.neighbours(DIGITS[:700][rows]).neighbour)
    assert not set(found.neighbour.flat) & set(rows.tolist())


def test_a_planted_copy_is_found_at_distance_0_and_counted(run: Run, tmp_path: Path) -> None:
    new, copied = DIGITS[700:760].copy(), int(run.data.train.rows[33])
    new[41] = DIGITS[copied]
    found = run.neighbours(new)
    assert found.distance[41, 0] == 0 and found.neighbour[41, 0] == copied
    np.testing.assert_array_equal(found.near_duplicate, found.distance[:, 0] <= 0.1 * found.usual)
    assert found.near_duplicate[41] and found.near_duplicate.mean() < 0.1
    assert any(f"{found.near_duplicate.sum()} of 60 rows are near duplicates" in note for note in found.notes)


def test_the_usual_distance_is_that_of_validation_examples(run: Run) -> None:
    _, distance = by_hand(run, DIGITS[:700][run.data.valid.rows.numpy()], 1)
    assert run.neighbours(DIGITS[:3]).usual == pytest.approx(np.median(distance), rel=1e-5)


def test_a_row_has_the_same_neighbours_wherever_it_stands(run: Run) -> None:
    new, order = DIGITS[700:900], RNG.permutation(200)
    one, other = run.neighbours(new), run.neighbours(new[order])
    np.testing.assert_array_equal(one.neighbour[order], other.neighbour)
    np.testing.assert_allclose(one.distance[order], other.distance, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"posterior": "iaf"}, {"model": "hvae"}, {"model": "vqvae"}], ids=str)
def test_families_without_a_mean_in_closed_form(options: dict[str, Any], tmp_path: Path) -> None:
    small = {"steps": 20, "model__width": 32} if "model" in options else SMALL
    run = fitted(DIGITS[:200], tmp_path / "run", **small | options)
    new, copied = DIGITS[200:230].copy(), int(run.data.train.rows[5])
    new[20] = DIGITS[copied]
    found, alone = run.neighbours(new), run.neighbours(new[20:])
    assert found.distance[20, 0] == 0 and copied in found.neighbour[20] and found.near_duplicate[20]
    np.testing.assert_array_equal(found.neighbour[20:], alone.neighbour)
    np.testing.assert_allclose(found.distance[20:], alone.distance, rtol=1e-4, atol=1e-5)


def test_codes_are_compared_by_the_share_that_differ() -> None:
    codes, among = RNG.integers(0, 3, (20, 16)).astype(float), RNG.integers(0, 3, (50, 16)).astype(float)
    index, distance = nearest(codes, among, 3, codes=True)
    expected = (codes[:, None] != among).mean(-1)
    np.testing.assert_array_equal(index, np.argsort(expected, axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(distance, np.sort(expected, axis=1)[:, :3])


def test_the_search_is_exact_for_rows_that_are_far_or_nearly_the_same() -> None:
    among = RNG.normal(size=(500, 4)) + 1e4
    z = np.concatenate([among[:20] + 1e-9 * RNG.normal(size=(20, 4)), RNG.normal(size=(5, 4)) * 1e12, among[-5:]])
    index, distance = nearest(z, among, 2)
    expected = np.linalg.norm(z[:, None] - among, axis=-1)
    np.testing.assert_array_equal(index[:20, 0], np.arange(20))
    np.testing.assert_array_equal(distance, np.sort(expected, axis=1)[:, :2])


def test_a_frame_gives_a_frame_and_gaps_are_no_hindrance(tmp_path: Path) -> None:
    x = TABLE.copy()
    x[::4, 2] = np.nan
    run = fitted(x, tmp_path / "run", **SMALL)
    row = int(run.data.train.rows[7])
    frame = pd.DataFrame(np.stack([x[row], TABLE[1] + 3]), index=["copy", "other"])
    frame.columns = [f"c{i}" for i in range(6)]
    with pytest.warns(UserWarning, match="1 of 2 rows are near duplicates"):
        found = run.neighbours(frame, k=2)
    assert list(found.index) == ["copy", "other"]
    assert list(found.columns) == ["near_duplicate", "neighbour_1", "distance_1", "neighbour_2", "distance_2"]
    assert found.loc["copy", "neighbour_1"] == row and found["near_duplicate"].tolist() == [True, False]


def test_pictures_of_a_folder_are_named_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, images in (("photos", DIGITS[:40]), ("new", DIGITS[40:44])):
        Path(folder).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image * 15).save(f"{folder}/{i:02}.png")
    run = fitted("photos", tmp_path / "run", steps=2)
    copied = run.data.files[int(run.data.train.rows[3])]
    Path("new/03.png").write_bytes(Path("photos", copied).read_bytes())
    for name in ("near.csv", "near.npz", "near.npy", "near.parquet"):
        assert main(["neighbours", "run", "new", "-o", name, "-k", "2"]) == 0
    with open("near.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["00.png", "01.png", "02.png", "03.png"]
    assert rows[3]["file_1"] == copied and float(rows[3]["distance_1"]) == 0 and rows[3]["near_duplicate"] == "True"
    assert np.load("near.npz")["neighbour"].shape == (4, 2)
    Path("new/01.png").write_bytes(b"no picture")
    assert main(["neighbours", "run", "new", "-o", "rest.csv"]) == 2
    assert main(["neighbours", "run", "new", "-o", "rest.csv", "--skip-broken"]) == 0
    assert len(Path("rest.csv").read_text().splitlines()) == 4
    assert main(["neighbours", "run", "-o", "test.csv"]) == 0
    with open("test.csv", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert names == [run.data.files[row] for row in run.data.test.rows.tolist()]


def test_what_has_no_training_data_at_hand_is_refused_with_a_way_that_works(run: Run, tmp_path: Path) -> None:
    unveil.pack(run, tmp_path / "pack")
    with pytest.raises(RequestError, match=r"is a pack, which keeps none\. Give the directory of the run"):
        Run.load(tmp_path / "pack").neighbours(DIGITS[:2])
    with pytest.raises(RequestError, match="which keeps none"):
        unveil.load(tmp_path / "pack").neighbours(DIGITS[:2])
    with pytest.raises(RequestError, match=r"was fitted on an array in memory.*Run\.load"):
        Run.load(run.path).neighbours(DIGITS[:2])
    assert Run.load(run.path, data=DIGITS[:700]).neighbours(DIGITS[:2]).neighbour.shape == (2, 5)


def test_bad_requests(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="k is 0"):
        run.neighbours(DIGITS[:2], k=0)
    with pytest.raises(RequestError, match="k is 5,000; there are 560 training examples"):
        run.neighbours(DIGITS[:2], k=5000)
    plain = fitted(DIGITS[:100], tmp_path / "run", model="autoregressive", steps=2, model__width=16)
    with pytest.raises(RequestError, match="A search for neighbours needs latents"):
        plain.neighbours(DIGITS[:2])
