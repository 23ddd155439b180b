"""What names, files and objects are read as, and what is refused with the way round."""

import numpy as np
import pytest
import torch

from asnumbers import load
from unveil.data import read_array
from unveil.data.raw import digest
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, (40, 4, 4), dtype=np.uint8)


def refusal(call, *arguments, **options):
    with pytest.raises(RequestError) as caught:
        call(*arguments, **options)
    said = str(caught.value)
    assert len(said.splitlines()) <= 3
    return said


def test_objects_in_memory_hold_the_same_data():
    wanted = load(X).sha256
    for source in (torch.from_numpy(X), np.asfortranarray(X), X[::-1][::-1]):
        data = load(source)
        assert data.sha256 == wanted and data.source == data.name == "array"
    nested = read_array(X.tolist())[0]
    assert np.array_equal(nested, X)
    bf16 = read_array(torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True))[0]
    assert bf16.dtype == np.float32


def test_loading_copies():
    x = X.copy()
    data = load(x)
    before = data.train.x.clone()
    x[:] = 3
    assert torch.equal(data.train.x, before)


def test_digest_sees_dtype_shape_and_values():
    same = digest(X)
    assert same == digest(np.asfortranarray(X)) and digest(X.astype(">i4")) == digest(X.astype("<i4"))
    other = X.copy()
    other[3, 2, 1] += 1
    assert len({same, digest(X.reshape(40, 16)), digest(X.astype(np.int8)), digest(other)}) == 4


@pytest.mark.parametrize("name", ["x", "X", "arr_0", "whatever", "x_train"])
def test_npz_array_is_found_by_name(tmp_path, name):
    np.savez(tmp_path / "a.npz", **{name: X})
    assert np.array_equal(read_array(tmp_path / "a.npz")[0], X)


def test_npz_with_several_arrays_asks_which(tmp_path):
    np.savez(tmp_path / "a.npz", left=X, right=X + 1)
    said = refusal(load, str(tmp_path / "a.npz"))
    assert "left, right" in said and "a.npz:NAME" in said
    assert np.array_equal(read_array(f"{tmp_path}/a.npz:right")[0], X + 1)
    assert "Did you mean 'right'?" in refusal(load, f"{tmp_path}/a.npz:rigth")
    np.savez(tmp_path / "none.npz")
    assert "holds no array" in refusal(load, str(tmp_path / "none.npz"))


def test_source_is_an_absolute_path_that_loads_again(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", left=X, right=X[:, :2])
    monkeypatch.chdir(tmp_path)
    data = load("a.npz:left")
    assert data.source == f"{tmp_path}/a.npz:left" and data.name == "a"
    monkeypatch.chdir("/")
    assert load(data.source).sha256 == data.sha256


def test_labels_become_codes_and_classes(tmp_path):
    names = np.array(["cat", "ant", "bee", "cat"] * 10)
    np.savez(tmp_path / "a.npz", x=X, y=names)
    data = load(tmp_path / "a.npz")
    assert data.classes == ("ant", "bee", "cat")
    for split in (data.train, data.valid, data.test):
        said = [data.classes[code] for code in split.y]
        assert said == names[split.rows].tolist()
        assert torch.equal(split.batch(torch.tensor([0])).y, split.y[:1])
    for y in (names.tolist(), names.astype(object), torch.arange(40) % 3, np.arange(40.0), np.arange(40) % 2 == 0):
        assert load(X, y=y).classes is not None
    assert load(X, y=np.arange(40) + 7).classes[0] == "7"


def test_labels_that_are_none(tmp_path):
    assert "40 examples" in refusal(load, X, y=np.arange(39))
    assert "integers or strings" in refusal(load, X, y=np.linspace(0, 1, 40))
    assert "integers or strings" in refusal(load, X, y=X)
    np.savez(tmp_path / "a.npz", x=X, y=np.arange(39))
    assert "39 labels" in refusal(load, tmp_path / "a.npz")
    alone = load(f"{tmp_path}/a.npz:x")
    assert alone.classes is None and any("39 rows" in note for note in alone.notes)
    np.savez(tmp_path / "b.npz", x=X, y=np.linspace(0, 1, 40))
    data = load(tmp_path / "b.npz")
    assert data.train.y is None and any("not taken as labels" in note for note in data.notes)


def test_own_test_split_of_an_npz(tmp_path):
    test = RNG.integers(0, 17, (8, 4, 4), dtype=np.uint8)
    path = tmp_path / "a.npz"
    np.savez(path, x_train=X, x_test=test, y_train=np.arange(40) % 2, y_test=np.arange(8) % 2)
    data = load(path)
    assert np.array_equal(data.test.x, test) and data.test.rows.tolist() == list(range(40, 48))
    assert (len(data.train), len(data.valid)) == (36, 4) and data.classes == ("0", "1")
    assert np.array_equal(read_array(path)[0], np.concatenate([X, test]))
    assert np.array_equal(read_array(f"{path}:x_test")[0], test) and len(read_array(f"{path}:x_test")[1]) == 8
    np.savez(path, x_train=X, x_test=test[:, :2])
    assert "differ" in refusal(load, path)
    np.savez(path, x_train=X, x_test=test[:0])
    assert "empty" in refusal(load, path)


@pytest.mark.parametrize(
    ("file", "way"),
    [
        ("a.csv", "only numbers"), ("a.tsv", "data.header=none"), ("a.parquet", "as .parquet"), ("a.h5ad", "as .h5ad"),
        ("a.png", "not a picture"), ("a.JPG", "not a picture"), ("a.pkl", "np.save"), ("a.pt", "np.save"),
        ("a.zip", "as .zip"), ("a.txt", ".npz"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_the_way_round(tmp_path, file, way):
    (tmp_path / file).write_text("1,2\n")
    assert way in refusal(load, str(tmp_path / file))


def test_directories_and_missing_names(tmp_path):
    assert "directory that holds no images" in refusal(load, str(tmp_path))
    assert "Did you mean 'mnist'?" in refusal(load, "mnits")
    assert "no file" in refusal(load, "nowhere.npy") and "digits" in refusal(load, "some/where")
    assert "no folder 'some'" in refusal(load, "some/where.csv") and "digits" not in refusal(load, "some/where.csv")
    np.save(tmp_path / "points.npy", np.zeros((20, 2)))
    assert f"Did you mean {str(tmp_path / 'points.npy')!r}?" in refusal(load, str(tmp_path / "point.npy"))
    assert refusal(load, str(tmp_path / "other.csv")) == f"There is no file {str(tmp_path / 'other.csv')!r}."
    assert "no source and no file 'zzzzzzzz'" in refusal(load, "zzzzzzzz")
    (tmp_path / "x.npy").mkdir()
    assert "directory" in refusal(load, str(tmp_path / "x.npy"))


def test_no_permission_is_a_sentence(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", X)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert "no permission" in refusal(load, tmp_path / "x.npy")


def test_foreign_objects_are_refused_with_the_way_round():
    assert "to_dense" in refusal(load, torch.from_numpy(X[:, 0]).to_sparse())


@pytest.mark.parametrize(
    "source", [None, 3, 2.5, {"x": 1}, object(), (row for row in X)], ids=lambda source: type(source).__name__
)
def test_things_that_are_no_data(source):
    assert "give the name of a source" in refusal(load, source)


def test_arrays_of_the_wrong_kind():
    assert "Python objects" in refusal(load, np.array([[1, None]] * 20, dtype=object))
    assert "different lengths" in refusal(load, [[1, 2], [3]] * 10)
    assert "different lengths" in refusal(load, (X, np.arange(40)))
    assert "complex" in refusal(load, X.astype(complex))
    assert "real numbers" in refusal(load, [["a", "b"]] * 20)
    assert "real numbers" in refusal(load, np.zeros((20, 2), "datetime64[s]"))
    assert "real numbers" in refusal(load, np.zeros(20, [("a", int), ("b", float)]))
