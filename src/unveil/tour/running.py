"""Code that stands on the page: the lines of a function, and what they print when they are run."""

from __future__ import annotations

import inspect
import io
import textwrap
from collections.abc import Callable
from contextlib import redirect_stdout

from ..errors import WorkError
from ..ops import keyed


def lines_of(run: Callable[[], None]) -> str:
    """The body of a function, as it can be pasted into Python."""
    source = textwrap.dedent(inspect.getsource(run))
    _, _, body = source.partition(") -> None:\n")
    return textwrap.dedent(body).strip()


def printed_by(run: Callable[[], None]) -> str:
    """What a function prints; the caller's random numbers are left as they were."""
    out = io.StringIO()
    with redirect_stdout(out), keyed("tour"):
        run()
    told = out.getvalue().rstrip()
    if not told:
        raise WorkError(f"The lines of {run.__name__} printed nothing.")
    return told
