"""The sources omniglot, cifar10 and shapes: their arrays, their digests, and the factors of what is drawn here."""

import hashlib
import time

import numpy as np
import pytest

from unveil.data import load, read_array
from unveil.data.archives import Archive, Cifar10, Omniglot, shrink, undo_differences, unpack
from unveil.data.raw import digest
from unveil.data.shapes import ANGLES, KINDS, OUTLINES, PLACES, SCALES, Shapes, draw_factors, place
from unveil.errors import RequestError
from unveil.registry import load_all

RNG = np.random.default_rng(0)


def differences(x):
    """The inverse of the decoder: planes G, R−G, B−G of x [N, H, W, 3], differenced along rows and columns."""
    planes = np.stack([x[..., 1], x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]])
    down = np.diff(planes, axis=2, prepend=np.zeros_like(planes[:, :, :1]))
    return np.diff(down, axis=3, prepend=np.zeros_like(down[..., :1]))


def canned(monkeypatch, tmp_path, source, arrays):
    """`source`, its archive replaced by a small one."""
    np.savez(tmp_path / f"{source.archive.name}.npz", **arrays)
    pinned = {name: digest(array) for name, array in arrays.items()}
    monkeypatch.setattr(source, "archive", Archive(source.archive.name, pinned, source.archive.made_of))
    monkeypatch.setenv("UNVEIL_DATA", str(tmp_path))


@pytest.fixture
def drawings(monkeypatch, tmp_path):
    """Omniglot of 30 + 20 random drawings; the drawings."""
    x = RNG.integers(0, 2, (50, 105, 105), dtype=np.uint8)
    bits = np.packbits(x.reshape(50, -1), axis=1)
    alphabet = np.arange(50, dtype=np.uint8) // 10
    arrays = {
        "background_bits": bits[:30], "background_alphabet": alphabet[:30],
        "evaluation_bits": bits[30:], "evaluation_alphabet": alphabet[30:], "alphabet_names": np.array(list("abcde")),
    }  # fmt: skip
    canned(monkeypatch, tmp_path, Omniglot, arrays)
    return x


def test_omniglot_counts_the_ink_of_4_by_4_blocks(drawings):
    x, y, classes, name = read_array("omniglot")
    padded = np.zeros((50, 112, 112))
    padded[:, 3:108, 3:108] = drawings
    wanted = np.stack(
        [[padded[:, i : i + 4, j : j + 4].mean((1, 2)) for j in range(0, 112, 4)] for i in range(0, 112, 4)]
    )
    assert np.array_equal(x / 16, wanted.transpose(2, 0, 1)) and x.dtype == np.uint8
    assert y.tolist() == [i // 10 for i in range(50)] and classes == tuple("abcde") and name == "omniglot"


def test_omniglot_is_binarized_and_its_evaluation_set_is_the_test(drawings):
    data = load("omniglot")
    assert (data.binarization, data.levels, len(data.test)) == ("dynamic", 17, 20)
    assert data.test.rows.tolist() == list(range(30, 50)) and str(data.domain) == "binary"
    assert "not the IWAE papers'" in data.notes[0] and "not the IWAE papers'" in Omniglot.summary
    assert str(load("omniglot", binarization="none").domain) == "levels(17)"


def test_packing_round_trip():
    x = RNG.integers(0, 2, (3, 105, 105), dtype=np.uint8)
    assert np.array_equal(unpack(np.packbits(x.reshape(3, -1), axis=1)), x)
    assert shrink(np.ones((1, 105, 105), np.uint8)).sum() == 105**2 and shrink(x).shape == (3, 28, 28)


def test_cifar10_undoes_its_differences(monkeypatch, tmp_path):
    x = RNG.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    assert np.array_equal(undo_differences(differences(x)), x)
    arrays = {
        "delta_train": differences(x[:50]), "y_train": np.arange(50, dtype=np.uint8) % 2,
        "delta_test": differences(x[50:]), "y_test": np.zeros(10, np.uint8), "class_names": np.array(["cat", "dog"]),
    }  # fmt: skip
    canned(monkeypatch, tmp_path, Cifar10, arrays)
    data = load("cifar10")
    assert str(data.domain) == "levels(256)" and data.binarization is None and data.classes == ("cat", "dog")
    assert np.array_equal(data.test.x.numpy(), x[50:]) and len(data.train) + len(data.valid) == 50
    assert "subset" in data.notes[0] and "subset" in Cifar10.summary


@pytest.mark.parametrize("name", ["omniglot", "cifar10"])
def test_a_missing_archive_says_what_to_do(monkeypatch, tmp_path, name):
    archive = load_all("source")[name].archive
    for home in (None, str(tmp_path)):
        monkeypatch.delenv("UNVEIL_DATA", raising=False)
        if home:
            monkeypatch.setenv("UNVEIL_DATA", home)
        with pytest.raises(RequestError) as refusal:
            load(name)
        said = str(refusal.value)
        assert f"{archive.name}.npz is not in $UNVEIL_DATA ({home or 'not set'})" in said and "no mirror" in said
        assert all(array in said for array in archive.digests) and "\n" not in said


def test_an_altered_archive_is_refused(drawings, tmp_path):
    held = dict(np.load(tmp_path / "omniglot.npz"))
    held["evaluation_bits"][3, 5] ^= 1
    np.savez(tmp_path / "omniglot.npz", **held)
    with pytest.raises(RequestError, match=r"evaluation_bits of .*omniglot\.npz is not the published array"):
        load("omniglot")


@pytest.mark.needs_data
def test_the_real_omniglot():
    data = load("omniglot")
    assert (len(data.train) + len(data.valid), len(data.test), len(data.classes)) == (19_280, 13_180, 50)
    assert data.domain.shape == (28, 28) and data.test.grey.max() == 16
    assert set(data.train.y.tolist()).isdisjoint(data.test.y.tolist())


@pytest.mark.needs_data
def test_the_real_cifar10():
    """Channel means of CIFAR-10 are 125.3, 123.0 and 113.9, and its labels start like this."""
    x, y, classes, _ = read_array("cifar10")
    assert x.shape == (21_000, 32, 32, 3) and classes[3] == "cat"
    assert np.allclose(x.mean((0, 1, 2)), [125.3, 123.0, 113.9], atol=0.5)
    assert y[:5].tolist() == [6, 9, 9, 4, 1] and y[20_000:20_005].tolist() == [3, 8, 8, 0, 6]
    assert len(load("cifar10").test) == 1000


# -- shapes -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes():
    return Shapes().read()


def test_shapes_are_the_same_everywhere(shapes):
    assert shapes.x.shape == (10_000, 32, 32) and hashlib.sha256(shapes.x.tobytes()).hexdigest().startswith(
        "79febb816d8f0451"
    )
    nearest = [
        np.abs(outline(*place(*(values[kind == code] for values in others)))).min()
        for code, outline in enumerate(OUTLINES)
        for kind, *others in [draw_factors()]
    ]
    assert min(nearest) > 1e-12  # no centre of a pixel lies on an outline, where rounding would decide


def test_shapes_take_less_than_a_second():
    started = time.process_time()
    Shapes().read()
    assert time.process_time() - started < 1


def test_factors_are_known_uniform_and_kept_in_the_source_s_order(shapes):
    data = load("shapes")
    grid = {"kind": range(3), "scale": SCALES, "angle": ANGLES, "x": PLACES, "y": PLACES}
    assert list(data.factors) == list(grid) and data.classes == KINDS and str(data.domain) == "binary"
    for name, values in grid.items():
        held = data.factors[name]
        assert np.array_equal(held, shapes.factors[name]) and held.shape == (10_000,)
        found, counts = np.unique(held, return_counts=True)
        mean = 10_000 / len(values)
        assert np.allclose(found, list(values)) and np.abs(counts - mean).max() < 5 * np.sqrt(mean)
    assert np.array_equal(data.test.y, data.factors["kind"][data.test.rows])
    assert len(np.unique(np.stack(list(data.factors.values())), axis=1).T) == 10_000
    correlation = np.corrcoef(np.stack(list(data.factors.values())))
    assert np.abs(correlation - np.eye(5)).max() < 0.05


def test_pictures_show_their_factors(shapes):
    """Centre and area of squares and ellipses are those of their factors."""
    across = np.arange(32) + 0.5
    for kind, area in (("square", 4.0), ("ellipse", np.pi / 2)):
        rows = shapes.y == KINDS.index(kind)
        x = shapes.x[rows].astype(float)
        ink = x.sum((1, 2))
        scale = shapes.factors["scale"][rows]
        assert np.abs(x.sum(1) @ across / ink - shapes.factors["x"][rows]).max() < 0.5
        assert np.abs(x.sum(2) @ across / ink - shapes.factors["y"][rows]).max() < 0.5
        assert np.abs(np.mean(ink / (area * scale**2)) - 1) < 0.01


def test_no_shape_is_cut_off(shapes, monkeypatch):
    """On a larger ground, more to the right and below (the places are symmetric), there is no more to be seen."""
    monkeypatch.setattr("unveil.data.shapes.SIZE", 40)
    larger = Shapes().read().x
    assert np.array_equal(larger[:, :32, :32], shapes.x) and larger.sum() == shapes.x.sum()
    assert abs(PLACES[0] + PLACES[-1] - 32) < 0.02


def test_an_angle_is_to_be_seen(shapes):
    """Nearly every picture is unlike every other, and the direction of an ellipse is its angle."""
    assert len(np.unique(shapes.x.reshape(10_000, -1), axis=0)) > 9_900
    rows = (shapes.y == KINDS.index("ellipse")) & (shapes.factors["scale"] > 6)
    x = shapes.x[rows].astype(float)
    across = np.arange(32) + 0.5
    u = across[None, None, :] - shapes.factors["x"][rows, None, None]
    v = across[None, :, None] - shapes.factors["y"][rows, None, None]
    found = 0.5 * np.arctan2(2 * (x * u * v).sum((1, 2)), (x * (u * u - v * v)).sum((1, 2)))
    assert np.abs(np.rad2deg(found) - shapes.factors["angle"][rows]).max() < 6
