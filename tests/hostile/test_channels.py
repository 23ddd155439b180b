"""Standard streams that are closed, full, without a reader or without Unicode: no traceback, and the work goes on."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.commands import SOURCE
from forked import forked
from quick import WORDS
from unveil.cli.channels import Channel, written

FULL = Path("/dev/full")
full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
TOLD = b"Error: Standard output could not be written: No space left on device.\n"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line for bash, in which `unveil` is this one."""
    unveil = f'unveil() {{ "{sys.executable}" -m unveil "$@"; }}; set -o pipefail; '
    return subprocess.run(
        ["bash", "-c", unveil + line], capture_output=True, env=os.environ | {"PYTHONPATH": SOURCE} | environment
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("unveil --help >&-", 0, b""),
        ("unveil --help 2>&-", 0, b""),
        ("unveil --help <&- >&- 2>&-", 0, b""),
        ("unveil nothing 2>&-", 2, b""),
        ("unveil nothing <&- >&- 2>&-", 2, b""),
        ("unveil --help | true", 141, b""),
        pytest.param("unveil --help > /dev/full", 1, TOLD, marks=full),
        pytest.param("unveil --version > /dev/full", 1, TOLD, marks=full),
        pytest.param("unveil nothing 2> /dev/full", 2, b"", marks=full),
        pytest.param("unveil nothing > /dev/full 2> /dev/full", 2, b"", marks=full),
    ],
)
def test_a_stream_that_takes_nothing_leaves_no_traceback(line: str, code: int, said: bytes) -> None:
    """Nor one of the interpreter at its end."""
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, said)


def nothing(number: int) -> None:
    """Closed, as with >&-, and so without a stream."""
    os.close(number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def device(number: int) -> None:
    _opened(number, os.open(FULL, os.O_WRONLY))


def pipe(number: int) -> None:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    _opened(number, writer)


def _opened(number: int, to: int) -> None:
    os.dup2(to, number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def called(words: tuple[str, ...], *broken: tuple[Callable[[int], None], int]) -> int:
    from unveil.cli import main

    for breaking, number in broken:
        breaking(number)
    return main(words)


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ([(nothing, 0), (nothing, 1), (nothing, 2)], 0),
        ([(pipe, 1), (pipe, 2)], 141),
    ],
    ids=["all closed", "no reader"],
)
def test_a_fit_goes_on_and_its_result_is_on_the_disk(
    broken: list[tuple[Callable[[int], None], int]], code: int, tmp_path: Path
) -> None:
    x, out = tmp_path / "x.npy", tmp_path / "run"
    np.save(x, np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32))
    words = ("fit", str(x), "--steps", "2", "model.width=4", "model.latent=1", *WORDS, "--out", str(out))
    assert forked(called, words, *broken) == code
    assert all((out / name).stat().st_size for name in ("weights.safetensors", "result.json", "report.html"))


def test_a_command_goes_on_where_only_the_progress_is_lost(tmp_path: Path) -> None:
    assert forked(called, ("list", "models"), (pipe, 2)) == 0


def test_with_json_a_failure_that_nobody_reads_keeps_its_status(tmp_path: Path) -> None:
    assert forked(called, ("evaluate", str(tmp_path), "--json"), (pipe, 1)) == 2


def test_a_channel_fails_once() -> None:
    """After that it takes everything: what is still in a buffer at the end of a process, too."""
    reader, writer = os.pipe()
    os.close(reader)
    failed: list[OSError] = []
    stream = written(Channel(io.FileIO(writer, "w", closefd=False), failed.append), "utf-8", by_lines=True)
    for _ in range(3):
        print("x", file=stream)
    assert [type(error) for error in failed] == [BrokenPipeError]
    os.close(writer)


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1:strict", "cp1252:strict"])
def test_help_is_readable_in_every_encoding(encoding: str) -> None:
    done = shell("unveil fit --help", PYTHONIOENCODING=encoding, LC_ALL="C.UTF-8")
    name = encoding.partition(":")[0]
    assert done.returncode == 0 and ("SxS" if name == "ascii" else "S×S") in done.stdout.decode(name)
    assert b"Traceback" not in done.stderr


def test_a_locale_without_unicode_reads_and_names_every_path(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff \xc3\xa9")
    done = shell(
        f"cd {tmp_path} && unveil fit $'\\xff \\xc3\\xa9' --plugin $'\\xff.py'",
        PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii:strict", LC_ALL="C",
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.isascii() and b"Traceback" not in done.stderr
    assert b"udcff.py" in done.stderr
