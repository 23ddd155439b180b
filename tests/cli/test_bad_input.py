"""Bad input: exit 2, one sentence with what came and what is allowed, nothing written; the next good request works."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quick import WORDS
from unveil.cli import main

GOOD = ("evaluate", "good", "--limit", "4", "--num-samples", "2", "--json")
FIT = ("fit", "good.npy", "--steps", "6", "model.width=16", "model.latent=2", *WORDS, "--out")


def write_lying_npz(path: Path) -> None:
    """A member whose header declares 8 TB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 64)


def fill(folder: Path) -> None:
    """Every bad source, beside a good one."""
    rng = np.random.default_rng(0)
    good = (rng.random((60, 9)) < 0.3).astype(np.uint8)
    real = rng.normal(size=(60, 4))
    arrays: dict[str, Any] = {
        "good": good,
        "empty": good[:0],
        "one": good[:1],
        "constant": np.ones((60, 9)),
        "rank1": good[:, 0],
        "rank5": np.zeros((20, 2, 2, 2, 2)),
        "zero": np.zeros((60, 0)),
        "integers": rng.integers(-5, 900, (60, 4)),
        "complex": real.astype(complex),
        "grey": rng.integers(0, 256, (60, 9), dtype=np.uint8),
        "wide": np.zeros((60, 11), np.uint8),
        "real": real,
    }
    arrays["unknown"], arrays["inf"] = real.copy(), real.copy()
    arrays["unknown"][:, 1], arrays["inf"][2, 0] = np.nan, np.inf
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "pickled.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.savez(folder / "two.npz", images=good, masks=good)
    write_lying_npz(folder / "lying.npz")
    (folder / "cut.npy").write_bytes((folder / "good.npy").read_bytes()[:200])
    (folder / "text.npy").write_text("not an array")
    for suffix in ("csv", "parquet", "h5ad"):
        (folder / f"table.{suffix}").write_text("a,b\n1,2\n")
    (folder / "pictures").mkdir()
    (folder / "notarun").mkdir()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sources, a good run, and runs that somebody has damaged."""
    folder = tmp_path_factory.mktemp("workshop")
    fill(folder)
    here = os.getcwd()
    os.chdir(folder)
    try:
        assert main([*FIT, "good"]) == 0
    finally:
        os.chdir(here)
    damage(folder, "cutweights", "weights.safetensors", lambda b: b[:-8])
    damage(folder, "otherweights", "weights.safetensors", lambda b: b.replace(b"decoder.out", b"decoder.tuo"))
    damage(folder, "newer", "config.json", lambda b: b.replace(b"unveil-run-1", b"unveil-run-9"))
    damage(folder, "notjson", "config.json", lambda b: b[:50])
    damage(folder, "evil", "config.json", lambda b: b.replace(b'"name": "vae"', b'"name": "os.system"'))
    return folder


def damage(folder: Path, name: str, file: str, change: Callable[[bytes], bytes]) -> None:
    shutil.copytree(folder / "good", folder / name)
    before = (folder / name / file).read_bytes()
    after = change(before)
    assert after != before
    (folder / name / file).write_bytes(after)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file and folder, with what changes of a file that is written."""
    found = {p: p.stat() for p in folder.rglob("*") if p.name != ".lock"}
    return {str(p): (stat.st_ino, stat.st_size, stat.st_mtime_ns if p.is_file() else 0) for p, stat in found.items()}


CASES: dict[str, tuple[list[str], list[str]]] = {
    "source": (["fit", "digts"], ["digts", "digits"]),
    "missing file": (["fit", "nothere.npy"], ["nothere.npy"]),
    "key": (["fit", "good.npy", "model.latnt=3"], ["model.latnt", "model.latent"]),
    "value": (["fit", "good.npy", "model.latent=many"], ["many", "whole number"]),
    "no equals": (["fit", "good.npy", "latent"], ["latent"]),
    "model": (["fit", "good.npy", "--model", "vea"], ["vea", "vae"]),
    "objective": (["fit", "good.npy", "--objective", "iwea"], ["iwea", "iwae"]),
    "likelihood": (["fit", "grey.npy", "likelihood=bernoulli"], ["bernoulli", "levels(256)", "discretized_logistic"]),
    "part not taken": (["fit", "good.npy", "--model", "mixture", "prior=gaussian"], ["mixture", "prior"]),
    "flag and key": (["fit", "good.npy", "--latent", "3", "model.latent=4"], ["latent"]),
    "two budgets": (["fit", "good.npy", "--steps", "3", "--epochs", "4"], ["epochs", "steps"]),
    "negative steps": (["fit", "good.npy", "--steps", "-3"], ["--steps", "-3", "from 1 upwards"]),
    "zero latents": (["fit", "good.npy", "--steps", "3", "model.latent=0"], ["0", "from 1"]),
    "negative width": (["fit", "good.npy", "--steps", "3", "model.width=-4"], ["-4"]),
    "lr": (["fit", "good.npy", "--steps", "3", "train.lr=-1"], ["-1", "positive"]),
    "not a number": (["fit", "good.npy", "--steps", "3", "train.lr=nan"], ["nan", "number"]),
    "device": (["fit", "good.npy", "--steps", "3", "train.device=gpu9"], ["gpu9", "cpu"]),
    "negative seed": (["fit", "good.npy", "--steps", "3", "--seed", "-1"], ["--seed", "-1", "from 0 upwards"]),
    "option": (["fit", "good.npy", "--lattent", "3"], ["--lattent", "--latent"]),
    "command": (["fitt", "good.npy"], ["fitt", "fit"]),
    "run exists": (["fit", "good.npy", "--out", "good"], ["good", "never overwritten"]),
    "empty": (["fit", "empty.npy"], ["0"]),
    "one example": (["fit", "one.npy"], ["1", "10"]),
    "constant": (["fit", "constant.npy"], ["identical"]),
    "nan": (["fit", "unknown.npy"], ["Column '1'", "no value"]),
    "inf": (["fit", "inf.npy"], ["inf", "row 2", "position 0"]),
    "pickled": (["fit", "pickled.npy"], ["object"]),
    "rank 1": (["fit", "rank1.npy"], ["x[:, None]"]),
    "rank 5": (["fit", "rank5.npy"], ["(20, 2, 2, 2, 2)"]),
    "zero size": (["fit", "zero.npy"], ["(60, 0)"]),
    "integers": (["fit", "integers.npy"], ["data.domain=real"]),
    "complex": (["fit", "complex.npy"], ["complex"]),
    "csv": (["fit", "table.csv"], ["1 examples", "10"]),
    "parquet": (["fit", "table.parquet"], ["cannot be read as .parquet"]),
    "h5ad": (["fit", "table.h5ad"], ["cannot be read as .h5ad"]),
    "no such column": (["fit", "table.csv", "data.label=z"], ["'z'", "a, b"]),
    "columns of no table": (["fit", "good.npy", "data.drop=a"], ["no table"]),
    "folder": (["fit", "pictures"], ["pictures"]),
    "lying npz": (["fit", "lying.npz"], ["lying.npz"]),
    "cut": (["fit", "cut.npy"], ["cut.npy"]),
    "text": (["fit", "text.npy"], ["text.npy"]),
    "which array": (["fit", "two.npz"], ["images", "masks"]),
    "no such array": (["fit", "two.npz:image"], ["image", "images"]),
    "not a run": (["evaluate", "notarun"], ["notarun", "config.json"]),
    "no such run": (["evaluate", "godo"], ["godo"]),
    "cut weights": (["evaluate", "cutweights"], ["weights.safetensors"]),
    "other weights": (
        ["evaluate", "otherweights"],
        ["not the file that the result was made of"],
    ),
    "newer format": (["evaluate", "newer"], ["unveil-run-9", "unveil-run-1"]),
    "not json": (["evaluate", "notjson"], ["config.json"]),
    "evil name": (["evaluate", "evil"], ["os.system"]),
    "split": (["evaluate", "good", "--split", "tset"], ["tset", "test"]),
    "estimator": (["evaluate", "good", "--estimator", "ais2"], ["ais2"]),
    "estimator needs": (["evaluate", "good", "--estimator", "exact"], ["exact", "iwae"]),
    "zero samples": (["evaluate", "good", "--num-samples", "0"], ["0"]),
    "negative limit": (["evaluate", "good", "--limit", "-2"], ["-2"]),
    "wrong shape": (["score", "good", "wide.npy", "-o", "s.csv"], ["(60, 11)", "9"]),
    "wrong domain": (["encode", "good", "grey.npy", "-o", "z.csv"], ["binary"]),
    "suffix": (["encode", "good", "good.npy", "-o", "z.xlsx"], ["z.xlsx", ".csv"]),
    "no folder": (["encode", "good", "good.npy", "-o", "nowhere/z.csv"], ["nowhere"]),
    "picture of vectors": (["sample", "good", "-o", "grid.png"], [".csv"]),
    "temperature": (["sample", "good", "-o", "s.csv", "--temperature", "-1"], ["-1", "positive"]),
    "finished": (["resume", "good"], ["good", "--epochs"]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_a_sentence(
    name: str, workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop)
    arguments, told = CASES[name]
    before, start = snapshot(workshop), time.perf_counter()
    status = main(arguments)
    seconds = time.perf_counter() - start
    out, err = capsys.readouterr()
    assert status == 2, (out, err)
    lines = [line for line in err.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 3 and "Traceback" not in err and out == ""
    for word in told:
        assert word in err, err
    assert seconds < 5
    assert snapshot(workshop) == before, "something was written"
    assert main(list(GOOD)) == 0
    assert json.loads(capsys.readouterr().out)["num_examples"] == 4


def test_errors_as_json(workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(workshop)
    assert main(["fit", "digts", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "format" and found["error"]["exit"] == 2
    assert "digts" in found["error"]["message"]


def test_no_permission(workshop: Path, tmp_path: Path) -> None:
    """Root may write anywhere, so a child process takes another user; everything it needs is imported already."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:3], workshop, *workshop.parents[:2]):
        if os.stat(folder).st_uid == os.getuid() and folder != Path("/"):
            os.chmod(folder, os.stat(folder).st_mode | 0o055)
    status, err = as_nobody(["fit", str(workshop / "good.npy"), "--steps", "3", "--out", str(locked / "run")], tmp_path)
    assert status == 2, err
    assert "ermission" in err and str(locked) in err and "Traceback" not in err and len(err.splitlines()) <= 3
    assert list(locked.iterdir()) == []


def as_nobody(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit status and standard error of a command line, run by a user without rights where this one is root."""
    told = folder / "told.txt"
    with open(told, "w") as file:
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.dup2(file.fileno(), 2)
                sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False))
                if os.getuid() == 0:
                    os.setuid(65534)
                status = main(arguments)
                sys.stderr.flush()
            finally:
                os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), told.read_text()


def test_no_space_before_the_start(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop)
    before = snapshot(workshop)
    usage = shutil.disk_usage(workshop)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert main([*FIT, "full"]) == 2
    assert "free" in capsys.readouterr().err
    assert snapshot(workshop) == before


def test_no_space_in_mid_run_keeps_what_was_saved(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from unveil.train import checkpoint

    monkeypatch.chdir(workshop)
    whole, calls = checkpoint.write_atomic, 0

    def full(path: Path, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write_atomic", full)
        assert main([*FIT, "filled"]) == 1
    err = capsys.readouterr().err
    assert "No space left" in err and "Traceback" not in err and len(err.strip().splitlines()) <= 12
    assert main(["resume", "filled"]) == 0, capsys.readouterr().err
    weights = [(workshop / run / "weights.safetensors").read_bytes() for run in ("good", "filled")]
    assert weights[0] == weights[1]
    shutil.rmtree(workshop / "filled")
