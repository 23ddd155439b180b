"""Pictures given to a run: two files between which to go, a broken one among many, a folder that has changed."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unveil
from cli.commands import Call
from quick import QUICK
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
KEYS = [f"{key}={value}" for key, value in QUICK.items()]


def save(path: Path) -> None:
    Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)


@pytest.fixture
def photos(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures and a run of them, in a place of their own."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for i in range(20):
        save(Path(f"photos/{i:02}.png"))
    unveil.fit("photos", steps=2, out="run", show=False, options=QUICK)
    return tmp_path


def test_a_path_goes_from_one_file_to_another(photos: Path, call: Call) -> None:
    done = call("interpolate", "run", "photos/00.png", "photos/01.png", "-o", "path.png")
    assert done.code == 0, done.err
    assert done.out.startswith("1 paths of 10 steps")
    run = unveil.Run.load("run")
    path = run.interpolate("photos/00.png", "photos/01.png")
    both = np.stack([np.asarray(Image.open(f"photos/0{i}.png")) for i in range(2)])
    np.testing.assert_allclose(path, run.interpolate(both), rtol=1e-4, atol=1e-3)


def test_as_many_ends_as_starts(photos: Path) -> None:
    with pytest.raises(RequestError, match="20 examples came as starts of paths and 1 as ends"):
        unveil.Run.load("run").interpolate("photos", "photos/01.png")


@pytest.mark.parametrize("verb", ["score", "encode"])
def test_a_broken_picture_is_left_out_where_that_is_asked_for(photos: Path, call: Call, verb: str) -> None:
    Path("photos/07.png").write_bytes(b"no picture")
    done = call(verb, "run", "photos", "-o", "out.csv")
    assert done.code == 2 and "--skip-broken" in done.err and not Path("out.csv").exists()
    done = call(verb, "run", "photos", "-o", "out.csv", "--skip-broken")
    assert done.code == 0, done.err
    rows = Path("out.csv").read_text().splitlines()
    assert len(rows) == 20 and not any("07.png" in row for row in rows)


def test_a_folder_that_has_grown_is_said_with_a_remedy_that_works(photos: Path, call: Call) -> None:
    save(Path("photos/99.png"))
    done = call("evaluate", "run")
    assert done.code == 2 and "21 examples are there, and 20 were" in done.err
    remedy = done.err.rpartition("unveil ")[2].partition(" (score")[0]
    assert call(*shlex.split(remedy)).code == 0
    assert call("score", "run", "photos", "-o", "s.csv").code == 0
