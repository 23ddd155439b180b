"""Where the data of a run is: what to say where it cannot be read again, and what is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data.npyfiles import split_member
from ..errors import RequestError
from ..legible import quoted


def refuse_in_memory(path: Path, what: str, columns: Sequence[str] | None, opened: str, texts: bool) -> None:
    """Refuse what needs data that was an array or a frame in memory.

    Arguments: columns, of a table; opened, what opens the run in Python; texts, whether x holds any.
    """
    run, python = quoted(path), f"open it in Python with {opened}"
    if texts:
        raise RequestError(
            f"{what}, and {path} was fitted on pictures and texts in memory, which a run does not keep.",
            f"{python[0].upper()}{python[1:]}.",
        )
    saved, given = "x.npz", "numpy.savez('x.npz', x=x), with y=y and z=z where it was given them"
    if columns:
        saved, given = "t.parquet", "frame.to_parquet('t.parquet')"
    raise RequestError(
        f"{what}, and {path} was fitted on an array in memory, which a run does not keep.",
        f"Save that with {given}, and tell the run: unveil relink {run} {saved}; or {python}",
    )


def require_source(path: Path, where: str) -> None:
    """Refuse a file or a folder that the run at a path was fitted on and that is not where it was."""
    file, member = split_member(where)
    if not Path(file).is_absolute() or Path(file).exists():
        return
    run, new = quoted(path), f"PATH:{member}" if member else "PATH"
    raise RequestError(
        f"The data of {path} is not where it was when the run was fitted: there is no {file!r} now.",
        f"Put it there again, or tell the run where it is: unveil relink {run} {new} (in Python: Run.load(path, "
        f"data=PATH)). To judge the run on any data: unveil evaluate {run} --data {new}",
    )


def refuse_changed(path: Path, where: str, then: int, now: int, in_memory: bool) -> None:
    """Refuse data that are not those that the run at a path was fitted on."""
    counted = f"{now:,} examples are there, and {then:,} were" if now != then else "its values are others"
    run, judged = quoted(path), quoted(where)
    way = (
        f" If it lies elsewhere: unveil relink {run} PATH. To judge the run on all that is there now, what it was "
        f"trained on included: unveil evaluate {run} --data {judged} (score, encode and impute take new x, too)."
    )
    raise RequestError(
        f"The data of {path} has changed since the fit: {counted}.", f"Put it back as it was.{'' if in_memory else way}"
    )
