"""Each file of a run is checked whole before anything of it is used: what is wrong is one sentence."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from quick import fitted, forget_sums
from unveil.allowance import Allowance
from unveil.api import Run, pack
from unveil.cli import main
from unveil.errors import RequestError
from unveil.output.lists import print_runs
from unveil.records import MOST_BYTES, Damaged, read_record
from unveil.runs.metrics import append_metrics, cut_metrics, read_metrics
from unveil.runs.store import RunStore
from unveil.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

DELETED = object()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted("digits", tmp_path_factory.mktemp("whole") / "run", steps=4, latent=2, model__width=8).store.path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def change(path: Path, place: tuple[Any, ...], value: Any) -> None:
    """Put a value at a place of a JSON file."""
    found = held = json.loads(path.read_text())
    for step in place[:-1]:
        held = held[step]
    if value is DELETED:
        del held[place[-1]]
    else:
        held[place[-1]] = value
    path.write_text(json.dumps(found))


def use(path: Path) -> None:
    """What every verb begins with."""
    run = RunStore.load(path)
    assert run.metrics and run.data_info and run.model
    run.result, run.diagnosis, run.continuations, run.stages(), run.judged_again


CASES: tuple[tuple[str, tuple[Any, ...], Any, str], ...] = (
    ("config.json", ("seed",), "x", "seed must be a whole number, and a text came"),
    ("config.json", ("source",), None, "source must be an object, and null came"),
    ("config.json", ("data",), [], "data must be an object, and a list came"),
    ("config.json", ("data", "size"), [1], "data.size must be a whole number or a text, and a list came"),
    ("config.json", ("data", "gamma"), 1, "data has the key 'gamma', which this version does not know"),
    ("config.json", ("phases",), [], "phases must be a list of length >= 1"),
    ("config.json", ("phases", 0, "batch_size"), 0, r"phases\[0\].batch_size must be a whole number >= 1"),
    ("config.json", ("phases", 0, "threads"), 10**6, r"phases\[0\].threads must be a whole number <= 1024"),
    ("config.json", ("phases", 0, "device"), "/dev/sda", r"phases\[0\].device must be a text matching"),
    ("config.json", ("phases", 0, "stages"), [{"steps": -1}], r"stages\[0\].steps must be a whole number >= 0"),
    ("config.json", ("evaluation", "num_samples"), 10**9, "evaluation.num_samples must be a whole number <= 10000000"),
    ("config.json", ("evaluation", "estimator"), DELETED, "evaluation lacks the key 'estimator'"),
    ("config.json", ("model",), "vae", "model must be an object, and a text came"),
    ("config.json", ("model", "kind"), [], r"A saved part has the kind \[\]"),
    ("config.json", ("model", "name"), "vea", "There is no model named 'vea'. Did you mean 'vae'"),
    ("config.json", ("model", "name"), DELETED, "A saved part has the kind 'model' and the name None"),
    ("config.json", ("model", "depth"), 3, "has the argument 'depth', which this version does not know"),
    ("config.json", ("model", "prior"), {"kind": "encoder", "name": "mlp", "shape": [8, 8]}, "has prior = MLPEncoder"),
    ("config.json", ("model", "encoder", "width"), "8", "'mlp' has width = 8; it takes int"),
    ("config.json", ("model", "encoder", "width"), True, "'mlp' has width = True; it takes int"),
    ("config.json", ("model", "encoder", "width"), -8, "The saved encoder 'mlp' cannot be rebuilt"),
    ("config.json", ("model", "encoder", "width"), 10**8, "takes more than .* MB, which is more than its weights have"),
    ("config.json", ("model", "encoder", "depth"), 10**7, "has more parts than a model can have"),
    ("config.json", ("model", "decoder", "width"), 9, "is not of the run that config.json and data.json describe"),
    ("config.json", ("model", "prior", "num_latents"), 3, "The decoder does not take an input of shape"),
    ("config.json", ("model", "likelihood", "domain", "domain", "shape"), [8, 0], "domain is not what unveil writes"),
    ("config.json", ("model", "likelihood", "domain", "domain", "kind"), 3, "kind must be a text"),
    ("config.json", ("model",), {"kind": "prior", "name": "standard_normal", "num_latents": 2}, "is no model but"),
    ("config.json", ("objective", "name"), "vae", "There is no objective named 'vae'"),
    ("config.json", ("source", "kind"), "\udcff", "a name in it is no Unicode"),
    ("data.json", ("domain", "shape"), [4, 16], r"the file has the shape \[8, 8\] and a domain of the shape \[4, 16\]"),
    ("data.json", ("domain", "num_levels"), 18, "and the data of the run tell of other x: .*levels.17.*levels.18"),
    ("data.json", ("shape",), [2**31, 2**31], "shape"),
    ("data.json", ("split", "sizes", "train"), -1, "split.sizes.train must be a whole number >= 0"),
    ("data.json", ("sha256",), "x", "sha256 must be a text matching regex"),
    ("data.json", ("columns",), ["a"], "the file has 1 columns and examples of 64 values"),
    ("data.json", ("classes",), {"0": 1}, "classes must be a list or null, and an object came"),
    ("data.json", ("format",), "unveil-data-2", "has the format 'unveil-data-2' and this version reads"),
    ("result.json", ("log_px",), None, "log_px must be a number, and null came"),
    ("result.json", ("direction",), "sideways", "direction cannot be 'sideways'"),
    ("result.json", ("phase",), "0", "phase must be a whole number, and a text came"),
    ("result.json", ("findings",), [1], r"findings\[0\] must be an object, and a whole number came"),
    ("result.json", ("sentences",), [], "sentences must be a list of length >= 1"),
)


@pytest.mark.parametrize(("name", "place", "value", "words"), CASES, ids=[case[3][:50] for case in CASES])
def test_what_is_wrong_is_one_sentence(name: str, place: tuple[Any, ...], value: Any, words: str, run: Path) -> None:
    change(run / name, place, value)
    with pytest.raises(RequestError, match=words) as told:
        use(run)
    assert len(told.value.message) < 600


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "could not be read as JSON: expecting value in line 1"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"[" * 100_000, "more than 24 deep"),
        (b"[" * 30 + b"]" * 30, "more than 24 deep"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "a whole number has 5,000 digits"),
        (b'{"seed": 1e999}', "a number is too large"),
        (b'{"seed": NaN}', "NaN is no number of JSON"),
        (b"null", "has the format None"),
        (b"[]", "has the format None"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("name", ["config.json", "data.json", "result.json"])
def test_what_is_no_json_within_the_limits(name: str, content: bytes, words: str, run: Path) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(Damaged, match=words):
        use(run)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(Damaged, match="it has more than 64 MB"):
        read_record(path, "unveil-data-1", dict)


def test_one_bad_run_never_stops_the_list(run: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, (name, place, value, _) in enumerate(CASES):
        folder = run.parent / f"bad-{number}"
        folder.mkdir()
        for file in ("config.json", "data.json", "result.json"):
            shutil.copy(whole / file, folder / file)
        change(folder / name, place, value)
    (run.parent / "deep").mkdir()
    (run.parent / "deep" / "config.json").write_bytes(b"[" * 100_000)
    print_runs(run.parent)
    shown = capsys.readouterr().out
    assert shown.count("cannot be read: ") > 10 and "vae" in shown and f"{run}" in shown


def test_weights_of_another_kind_and_cut_ones_are_refused(run: Path) -> None:
    weights = load_file(run / "weights.safetensors")
    save_file({k: v.long() for k, v in weights.items()}, run / "weights.safetensors")
    with pytest.raises(RequestError, match="of another type"):
        use(run)
    save_file(weights, run / "weights.safetensors")
    whole = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RequestError, match="is not a whole safetensors file"):
        use(run)


@pytest.mark.parametrize("name", ["weights.safetensors", "scores.safetensors"])
def test_nothing_damaged_is_packed(name: str, run: Path, tmp_path: Path) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:40])
    with pytest.raises(RequestError, match=r"safetensors"):
        pack(Run.load(run), tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_weights_of_another_form_are_not_packed(run: Path, tmp_path: Path) -> None:
    """Of an earlier version, which kept no sums."""
    weights = load_file(run / "weights.safetensors")
    save_file({f"{name}.old": value for name, value in weights.items()}, run / "weights.safetensors")
    forget_sums(run)
    with pytest.raises(RequestError, match="do not fit the model of this run"):
        pack(Run.load(run), tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_a_model_takes_no_more_than_it_may() -> None:
    with pytest.raises(RequestError, match=r"The model takes more than 1 MB"), Allowance(10**6, "The model"):
        torch.zeros(10**12)
    with Allowance(10**6, "The model"):
        assert torch.zeros(1000).sum() == 0


def test_a_run_of_a_device_that_is_not_here_works_on_the_processor(run: Path) -> None:
    change(run / "config.json", ("phases", 0, "device"), "cuda:7")
    found = Run.load(run)
    with pytest.warns(UserWarning, match=r"was fitted on cuda:7, which this machine does not have; it works on cpu"):
        assert np.isfinite(found.score(np.zeros((2, 8, 8), np.uint8)).log_px).all()


ROW = '{"phase": 0, "stage": "main", "step": 1, "bound": -3.5, "time": {"at": 1.0}}\n'
BROKEN: tuple[str, ...] = (
    "", "\x00", "{", "null", "[]", "1", '{"phase": 0}', ROW.replace("-3.5", '"x"'), ROW.replace("1,", "[],"), ROW[:20],
    ROW.replace("0", "-1", 1), "[" * 5000, ROW.replace("-3.5", "NaN"), ROW.replace("-3.5", "1e999"),
)  # fmt: skip


@pytest.mark.parametrize("line", BROKEN, ids=range(len(BROKEN)))
def test_a_line_that_is_no_row_is_left_out_and_cut(line: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    content = (ROW + line.strip("\n") + "\n" + ROW).encode()
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="1 of 3 lines of .* are no rows of curves"):
        assert [row["bound"] for row in read_metrics(path)] == [-3.5, -3.5]
    with pytest.warns(UserWarning, match="has lost .* bytes: its curves have a gap"):
        cut_metrics(path, len(content))
    assert path.read_text() == 2 * ROW


def test_numbers_that_are_not_finite_are_null_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, {"phase": 0, "stage": "main", "step": 1, "bound": float("-inf"), "rate": 1.0})
    assert "null" in path.read_text() and read_metrics(path) == [{"phase": 0, "stage": "main", "step": 1, "rate": 1.0}]


STATES: dict[str, Callable[[Path], object]] = {
    "list": lambda f: (f / "state.json").write_text("[]"),
    "null": lambda f: (f / "state.json").write_text("null"),
    "text": lambda f: (f / "state.json").write_text('"x"'),
    "empty": lambda f: (f / "state.json").write_text(""),
    "missing": lambda f: (f / "state.json").unlink(),
    "deep": lambda f: (f / "state.json").write_text("[" * 100_000),
    "value": lambda f: change(f / "state.json", ("values", "a"), 3),
    "step": lambda f: change(f / "state.json", ("step",), 3),
    "cut": lambda f: (f / "tensors.safetensors").write_bytes(b"x"),
    "gone": lambda f: (f / "tensors.safetensors").unlink(),
}


@pytest.mark.parametrize("name", STATES)
def test_a_damaged_newest_state_falls_back_and_says_so(name: str, tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, Checkpoint(step, {"w": torch.full((3,), step)}, {"a": step}))
    STATES[name](tmp_path / "00000002")
    with pytest.warns(UserWarning, match="00000002 is damaged. Training goes on from the one before it, step 1"):
        found = load_checkpoint(tmp_path)
    assert found is not None and found.step == 1 and found.values == {"a": 1}
    save_checkpoint(tmp_path, Checkpoint(2, {"w": torch.full((3,), 2)}, {"a": 2}))
    again = load_checkpoint(tmp_path)
    assert again is not None and again.step == 2


def test_a_state_that_is_a_file_is_refused_by_name(run: Path) -> None:
    shutil.rmtree(run / "state")
    (run / "state").write_text("x")
    with pytest.raises(RequestError, match="state is a file; in a run it must be a plain folder"):
        RunStore.load(run)


def test_what_was_decided_is_said_on_the_terminal_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run / "config.json", ("phases", 0, "device"), "cuda:7")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["evaluate", str(run), "--limit", "2", "--num-samples", "2"]) == 0
    said = capsys.readouterr().err
    assert said.count(f"Note: {run} was fitted on cuda:7, which this machine does not have; it works on cpu.") == 1
    assert "UserWarning" not in said
