"""Named sources: found, fetched, and held to the digests of what they decode to."""

import gzip
import hashlib
import http.server
import struct
import threading
from functools import partial

import numpy as np
import pytest
import torch

from unveil.data import load, read_array
from unveil.data.published import ARRAYS, Published, read_idx
from unveil.data.raw import digest
from unveil.data.sources import FashionMnist, Mnist
from unveil.errors import RequestError
from unveil.registry import load_all

RNG = np.random.default_rng(0)
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
SMALL = {
    "x_train": RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8),
    "y_train": RNG.integers(0, 10, 60, dtype=np.uint8),
    "x_test": RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8),
    "y_test": RNG.integers(0, 10, 12, dtype=np.uint8),
}


def idx_bytes(x):
    """x in the format that LeCun's page describes."""
    code = CODES[x.dtype.str[1:]]
    sizes = struct.pack(f">{x.ndim}I", *x.shape)
    values = x.astype(x.dtype.newbyteorder(">")).tobytes()
    return gzip.compress(bytes([0, 0, code, x.ndim]) + sizes + values, compresslevel=1)


@pytest.fixture
def small(monkeypatch):
    """Mnist, its arrays replaced by small ones with digests of their own."""
    published = Published(
        "mnist", Mnist.published.files, Mnist.published.mirrors, {k: digest(v) for k, v in SMALL.items()}
    )
    monkeypatch.setattr(Mnist, "published", published)
    for name in ("UNVEIL_DATA", "UNVEIL_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    return published


def place_originals(folder, published, arrays=SMALL):
    folder.mkdir(parents=True)
    for name, (file, _) in published.files.items():
        (folder / file).write_bytes(idx_bytes(arrays[name]))


@pytest.fixture
def server(tmp_path):
    """A web server on this machine that serves tmp_path/web; yields its address and what it was asked for."""
    (tmp_path / "web").mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}", asked
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4)])
def test_idx_round_trip(tmp_path, dtype, shape):
    x = RNG.integers(0, 100, shape).astype(dtype)
    (tmp_path / "x.gz").write_bytes(idx_bytes(x))
    read = read_idx(tmp_path / "x.gz")
    assert np.array_equal(read, x) and read.dtype == x.dtype


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not gzip", gzip.compress(b""), gzip.compress(b"\0\0\x08"), gzip.compress(b"\0\0\x07\x01\0\0\0\0"),
        gzip.compress(b"\0\0\x08\x02\0\0\0\x05"), gzip.compress(b"\0\0\x08\x01\0\0\0\x05abcd"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x05abcdef"), gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12),
        idx_bytes(SMALL["x_train"])[:-20], idx_bytes(SMALL["x_train"])[:200],
    ],
    ids=lambda content: f"{len(content)} bytes",
)  # fmt: skip
def test_broken_idx_is_refused(tmp_path, content):
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(RequestError, match=r"x\.gz"):
        read_idx(tmp_path / "x.gz")


def test_fetched_over_http(small, server, tmp_path, monkeypatch):
    address, asked = server
    place_originals(tmp_path / "web" / "mnist", small)
    monkeypatch.setenv("UNVEIL_MIRROR", address + "/")
    monkeypatch.setenv("UNVEIL_CACHE", str(tmp_path / "cache"))
    x, y, classes, name = read_array("mnist")
    assert np.array_equal(x, np.concatenate([SMALL["x_train"], SMALL["x_test"]])) and name == "mnist"
    assert np.array_equal(y, np.concatenate([SMALL["y_train"], SMALL["y_test"]])) and classes[3] == "3"
    fetched = len(asked)
    assert fetched == 4 and np.array_equal(read_array("mnist")[0], x) and len(asked) == fetched  # from the cache


def test_the_same_data_from_npz_originals_and_mirror(small, server, tmp_path, monkeypatch):
    place_originals(tmp_path / "web" / "mnist", small)
    monkeypatch.setenv("UNVEIL_MIRROR", server[0])
    monkeypatch.setenv("UNVEIL_CACHE", str(tmp_path / "cache"))
    fetched = load("mnist")
    monkeypatch.setenv("UNVEIL_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("UNVEIL_DATA", str(tmp_path / "web"))
    placed = load("mnist")
    np.savez_compressed(tmp_path / "web" / "mnist.npz", **SMALL)
    archived = load("mnist")
    assert fetched.sha256 == placed.sha256 == archived.sha256
    assert fetched.binarization == "dynamic" and torch.equal(fetched.test.x, archived.test.x)
    assert len(archived.test) == 12 and archived.source == "mnist"


@pytest.mark.parametrize("name", ARRAYS)
def test_one_altered_value_is_refused(small, tmp_path, monkeypatch, name):
    altered = {key: value.copy() for key, value in SMALL.items()}
    altered[name].flat[-1] ^= 1
    monkeypatch.setenv("UNVEIL_DATA", str(tmp_path))
    np.savez(tmp_path / "mnist.npz", **altered)
    with pytest.raises(RequestError, match=f"{name} of .*mnist.npz is not the published array"):
        load("mnist")
    (tmp_path / "mnist.npz").unlink()
    place_originals(tmp_path / "mnist", small, altered)
    with pytest.raises(RequestError, match=f"{name} of .*mnist is not the published array"):
        load("mnist")


def test_a_failed_fetch_says_what_to_do(small, server, tmp_path, monkeypatch):
    monkeypatch.setenv("UNVEIL_CACHE", str(tmp_path / "cache"))
    for address in (server[0], "http://127.0.0.1:9"):  # not found; refused
        monkeypatch.setenv("UNVEIL_MIRROR", address)
        with pytest.raises(RequestError) as refusal:
            load("mnist")
        said = str(refusal.value)
        assert "mnist.npz" in said and "UNVEIL_DATA" in said and "x_train, y_train" in said and "\n" not in said
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_the_second_mirror_serves_and_originals_are_pinned(server, tmp_path, monkeypatch):
    """Without $UNVEIL_MIRROR the md5 of the original file is required, and the mirrors are tried in order."""
    place_originals(tmp_path / "web" / "good", Mnist.published)
    good = tmp_path / "web" / "good"
    files = {k: (f, hashlib.md5((good / f).read_bytes()).hexdigest()) for k, (f, _) in Mnist.published.files.items()}
    bases = ("http://127.0.0.1:9/", f"{server[0]}/good/")
    for name in ("UNVEIL_DATA", "UNVEIL_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNVEIL_CACHE", str(tmp_path / "cache"))
    held = Published("small", files, bases, {k: digest(v) for k, v in SMALL.items()}).read()
    assert all(np.array_equal(held[name], SMALL[name]) for name in ARRAYS)
    with pytest.raises(RequestError, match="could not be fetched"):
        Published("other", Mnist.published.files, bases, {}).read()


def test_sources_are_listed_with_a_summary():
    found = load_all("source")
    assert {"digits", "mnist", "fashion_mnist"} <= set(found)
    assert all(isinstance(source.summary, str) and "\n" not in source.summary for source in found.values())


def test_digits():
    data = load("digits")
    assert str(data.domain) == "levels(17)" and data.domain.shape == (8, 8) and data.binarization is None
    assert (len(data.train), len(data.valid), len(data.test)) == (1439, 179, 179)
    assert data.classes == tuple("0123456789") and data.source == data.name == "digits"
    assert load("digits", binarization="dynamic").levels == 17


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_real_data_set(name, monkeypatch):
    monkeypatch.setenv("UNVEIL_MIRROR", "http://127.0.0.1:9")  # a missing file fails here and is not fetched
    data = load(name)
    assert (len(data.train), len(data.valid), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.binarization == "dynamic" and data.levels == 256 and len(data.classes) == 10
    every = torch.cat([split.rows for split in (data.train, data.valid, data.test)])
    assert torch.equal(every.sort().values, torch.arange(70_000)) and data.test.rows.min() == 60_000
    grey = data.test.grey.double() / 255
    sigma = (grey * (1 - grey)).sum().sqrt()
    assert (data.test.x.double().sum() - grey.sum()).abs() < 5 * sigma
    with_levels = load(name, domain="levels")
    assert with_levels.binarization is None and with_levels.sha256 == data.sha256
    assert np.isclose(with_levels.test.x.double().mean(), {"mnist": 33.79, "fashion_mnist": 73.15}[name], atol=0.01)


def test_a_real_original_file_is_read_like_the_archive(tmp_path, data_home):
    """The test images of MNIST, written back as the original idx file, have its published md5 once unpacked."""
    with np.load(data_home / "mnist.npz") as held:
        x = held["x_test"]
    content = idx_bytes(x)
    assert hashlib.md5(gzip.decompress(content)).hexdigest() == "2646ac647ad5339dbf082846283269ea"
    (tmp_path / "x.gz").write_bytes(content)
    assert digest(read_idx(tmp_path / "x.gz")) == Mnist.published.digests["x_test"]
    assert set(FashionMnist.published.digests) == set(ARRAYS)
