"""Files are not trusted: no pickle, sizes before allocation, and nothing but a RequestError from any bytes."""

import io
import pickle
import zipfile

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unveil.data import load, read_array
from unveil.errors import RequestError

X = np.random.default_rng(0).integers(0, 17, (40, 4, 4), dtype=np.uint8)


def npy_bytes(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def header(shape, descr="'|u1'"):
    """An .npy header that declares what it likes."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("x", [X, np.asfortranarray(X), X.astype(">i4"), X.astype("<f8"), X > 8], ids=str)
def test_npy_round_trip(tmp_path, x, version):
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array(stream, x, version)
    read, y, classes, name = read_array(str(tmp_path / "x.npy"))
    assert np.array_equal(read, x) and read.dtype == x.dtype
    assert (y, classes, name) == (None, None, "x")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    save(tmp_path / "some.data.npz", x=X, other=np.arange(3))
    for source in (tmp_path / "some.data.npz", f"{tmp_path}/some.data.npz:x"):
        read, _, _, name = read_array(source)
        assert np.array_equal(read, X) and name == "some.data"


class Bomb:
    opened = False

    def __reduce__(self):
        return setattr, (Bomb, "opened", True)


@pytest.mark.parametrize("file", ["x.npy", "x.npz", "raw.npy", "raw.npz"])
def test_pickles_are_refused_unread(tmp_path, file):
    objects = np.array([Bomb()] * 20, dtype=object)
    content = {
        "x.npy": npy_bytes(objects, allow_pickle=True),
        "x.npz": npz_bytes(x=objects),
        "raw.npy": pickle.dumps(Bomb()),
        "raw.npz": pickle.dumps(Bomb()),
    }[file]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(RequestError, match=r"zip" if file == "raw.npz" else r"no pickle is read|pickle is never read"):
        read_array(tmp_path / file)
    assert not Bomb.opened


def refusal_without_allocation(path, monkeypatch):
    """The refusal of a file, numpy's allocating reader being out of reach."""
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("an array was allocated"))
    with pytest.raises(RequestError) as refusal:
        read_array(path)
    return str(refusal.value)


@pytest.mark.parametrize("shape", ["(10**12, 784)", "(41, 4, 4)", "(39, 4, 4)", "(-40, -4, 4)", "(2**70,)"])
def test_declared_size_of_npy_against_the_file(tmp_path, monkeypatch, shape):
    (tmp_path / "x.npy").write_bytes(header(shape if "**" not in shape else str(eval(shape))) + X.tobytes())
    said = refusal_without_allocation(tmp_path / "x.npy", monkeypatch)
    assert "cut off or altered" in said or "not negative" in said


def test_declared_size_against_free_memory(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npz").write_bytes(npz_bytes(x=X))
    free = psutil.virtual_memory()._replace(available=X.nbytes - 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    for file in ("x.npy", "x.npz"):
        assert "memory are free" in refusal_without_allocation(tmp_path / file, monkeypatch)


@pytest.mark.parametrize("declared", [2**31 - 1, 2**40])
def test_zip_that_declares_more_than_it_can_hold(tmp_path, monkeypatch, declared):
    content = header(f"({declared - 128},)")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
        archive.filelist[0].file_size = declared  # the central directory is written at close
    assert "more than its compression can hold" in refusal_without_allocation(tmp_path / "x.npz", monkeypatch)


def test_zip_bomb_that_is_honest_about_its_size(tmp_path, monkeypatch):
    size = 32 * 2**20
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header(f"({size},)") + bytes(size))
    free = psutil.virtual_memory()._replace(available=size // 2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert "memory are free" in refusal_without_allocation(tmp_path / "x.npz", monkeypatch)


def test_other_compressions_and_encryption_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", npy_bytes(X))
    with pytest.raises(RequestError, match="never uses"):
        read_array(tmp_path / "x.npz")
    locked = bytearray(npz_bytes(x=X))
    central = locked.rindex(b"PK\x01\x02")
    locked[6] |= 1
    locked[central + 8] |= 1
    (tmp_path / "y.npz").write_bytes(locked)
    with pytest.raises(RequestError, match="encrypted"):
        read_array(tmp_path / "y.npz")


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_every_truncation_is_refused(tmp_path, kind):
    whole = npy_bytes(X) if kind == "npy" else npz_bytes(x=X)
    path = tmp_path / f"x.{kind}"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RequestError, match=r"x\.np"):
            read_array(path)
    path.write_bytes(whole)
    assert np.array_equal(read_array(path)[0], X)


def test_an_altered_member_is_refused(tmp_path):
    whole = bytearray(npz_bytes(x=np.random.default_rng(0).integers(0, 256, (50, 8), dtype=np.uint8)))
    whole[250] ^= 255
    (tmp_path / "x.npz").write_bytes(whole)
    with pytest.raises(RequestError, match="cannot be read"):
        read_array(tmp_path / "x.npz")


SEEDS = {
    "npy": npy_bytes(X),
    "npz": npz_bytes(x=X[:12], y=np.arange(12)),
}


@pytest.mark.parametrize("kind", SEEDS)
@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_files_are_read_or_refused(tmp_path, kind, data):
    content = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.one_of(st.integers(0, 140), st.integers(0, len(content) - 1), st.integers(-120, -1)))
        patch = data.draw(st.binary(min_size=0, max_size=8))
        start = max(0, start + len(content)) if start < 0 else start
        content[start : start + data.draw(st.integers(0, 8))] = patch
    path = tmp_path / f"fuzz.{kind}"
    path.write_bytes(content)
    try:
        read_array(path)
    except RequestError as refusal:
        assert len(str(refusal).splitlines()) <= 3


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="{}()[]'\":,0123456789 <>|iufcVOMmb-+*\\\ndescrfotan_hpTFl", max_size=80))
def test_hostile_headers_are_refused(tmp_path, text):
    raw = text.encode()
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + bytes(64))
    with pytest.raises(RequestError):
        read_array(tmp_path / "x.npy")


def test_half_precision_is_recognised_without_a_warning() -> None:
    x = np.random.default_rng(0).integers(0, 9, (200, 5)).astype(np.float16)
    assert load(x * 300, domain="count").domain.kind == "count"
