"""Where errors end: exit statuses, at most three lines, JSON where it was asked for, a traceback only with --debug."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import unveil.api
from cli.commands import Call, finish, start_python
from unveil.errors import Interrupted, RequestError, WorkError

WRONG = {
    "there is no verb": (["evalute", "run"], "'evaluate'"),
    "there is no option": (["fit", "x.npz", "--stpes", "3"], "'--steps'"),
    "nothing was given": (["fit"], "'SOURCE'"),
    "no output": (["sample", "run"], "'--out'"),
    "a number that is none": (["evaluate", "run", "--limit", "many"], "'many'"),
    "a number that is too small": (["sample", "run", "-o", "s.png", "-n", "0"], "from 1 upwards"),
    "a number without end": (["sample", "run", "-o", "s.png", "--temperature", "inf"], "takes a number"),
    "a budget of text": (
        ["fit", "x.npz", "--steps", "ten"],
        "--steps came as 'ten'; it takes a whole number from 1 upwards.",
    ),
    "a budget without end": (["fit", "x.npz", "--minutes", "inf"], "it takes a number from 0.001 to 1,000,000."),
    "a part of a step": (["resume", "run", "--steps", "1.5"], "--steps came as '1.5'"),
    "a seed of text": (["fit", "x.npz", "seed=one"], "seed came as 'one'; it takes whole number"),
    "two budgets": (["fit", "x.npz", "--steps", "3", "--epochs", "2"], "give one of them"),
    "neither key nor option": (["fit", "x.npz", "latent"], "'latent'"),
    "an unknown key": (["fit", "x.npz", "model.latnt=3"], "'model.latent'"),
    "an unknown model": (["fit", "x.npz", "--model", "vea"], "'vae'"),
    "an unknown split": (["evaluate", "run", "--split", "tset"], "'tset'"),
    "an unknown list": (["list", "model"], "'models'"),
    "no such run": (["evaluate", "rnu"], "rnu does not exist"),
    "no such plugin": (["evaluate", "run", "--plugin", "none.py"], "none.py"),
    "an unknown ending": (["encode", "run", "new.npz", "-o", "z.xlsx"], ".csv, .npz, .npy or .parquet"),
    "an output without a folder": (["encode", "run", "new.npz", "-o", "no/z.csv"], "folder no "),
    "an output that is the source": (["encode", "run", "new.npz:x", "-o", "new.npz"], "the source itself"),
    "a run that stands there": (["fit", "x.npz", "--out", "run"], "never overwritten"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_answered_in_a_sentence(call: Call, folder: Path, words: Sequence[str], said: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = call(*words)
    assert done.code == 2 and done.out == ""
    assert said in done.err and "Traceback" not in done.err and len(done.err.splitlines()) <= 3
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, "something was written"


def test_a_picture_of_what_is_no_image_is_refused_before_the_work(call: Call, folder: Path) -> None:
    fitted = call("fit", "columns.npy", "--steps", "2", "model.width=8", "model.latent=2", "--out", "flat")
    assert fitted.code == 0, fitted.err
    done = call("sample", "flat", "-o", "s.png")
    assert done.code == 2 and ".npz, .npy or .csv" in done.err
    assert call("sample", "flat", "-o", "s_flat.csv", "-n", "3").code == 0


def test_with_json_a_failure_is_an_object(call: Call) -> None:
    done = call("evaluate", "run", "--split", "tset", "--json")
    found = json.loads(done.out)
    assert done.code == 2 and list(found) == ["format", "error"] and found["format"] == "unveil-error-1"
    assert found["error"]["exit"] == 2 and "'tset'" in found["error"]["message"] and "hint" in found["error"]
    assert json.loads(call("evaluate", "--json").out)["error"]["exit"] == 2
    found = json.loads(call("evaluate", "run", "--limit", "0", "--json").out)["error"]
    assert found["message"] == "--limit came as '0'; it takes a whole number from 1 upwards." and found["exit"] == 2


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(call: Call, place: int) -> None:
    words = ["evaluate", "rnu"]
    done = call(*words[:place], "--debug", *words[place:])
    assert done.code == 2 and "Traceback" in done.err and done.err.splitlines()[-2].startswith("Error: rnu")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RequestError("It was wrong.", "Do it right."), 2, "Error: It was wrong.\nDo it right.\n"),
        (WorkError("It broke."), 1, "Error: It broke.\n"),
        (Interrupted("Stopped.", "Go on.", 2), 130, "Error: Stopped.\nGo on.\n"),
        (KeyboardInterrupt(), 130, "Error: Stopped by Ctrl-C.\n"),
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), 1, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "z.csv"), 1, "no space left on the disk: z.csv"),
        (PermissionError(errno.EACCES, "Permission denied", "run/config.json"), 2, "run/config.json"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "z.csv"), 1, "The disk quota is used up: z.csv.\nMake room"),
        (OSError(errno.EROFS, "Read-only file system", "z.csv"), 1, "The file system is read-only: z.csv."),
        (OSError(errno.EIO, "Input/output error"), 1, "The disk or the network reported a fault."),
        (OSError(errno.EMFILE, "Too many open files", "z.csv"), 1, "Too many files are open: z.csv.\nAllow more"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), 2, "The file name is too long: xxx"),
        (OSError(errno.ESTALE, "Stale file handle", "z.csv"), 1, "Stale file handle: z.csv."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2, "A text is no Unicode: "),
        (OverflowError("int too big to convert"), 2, "A number is too large: int too big to convert."),
        (RecursionError("maximum recursion depth exceeded"), 2, "Something is nested too deeply: "),
        (RequestError("It is in " + "x" * 5000 + ".", "Do  it."), 2, "…"),
        (ZeroDivisionError("a\nb\nc\nd"), 1, "ZeroDivisionError: a b c d.\nTo see where: the same command"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_every_error_has_its_exit_status(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(unveil.api.Run, "load", fail)
    done = call("evaluate", "run")
    assert done.code == code and said in done.err and "Traceback" not in done.err


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    process = start_python("-m", "unveil", "--help", cwd=folder)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    done = finish(process)
    assert done.code == 141 and done.err == "", "as a shell says of what SIGPIPE ended"


def test_a_stream_without_unicode_gets_ascii(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = finish(start_python("-m", "unveil", "list", "sources", cwd=folder))
    assert done.code == 0 and "8x8" in done.out and done.out.isascii()
