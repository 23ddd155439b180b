"""Results with one row per example, in the form in which x came."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..data.frames import is_frame
from ..data.raw import Raw
from ..errors import decisions, remark


@runtime_checkable
class Rows(Protocol):
    """What was found, a row per example."""

    @property
    def notes(self) -> tuple[str, ...]: ...

    def columns(self) -> dict[str, np.ndarray]: ...


def as_it_came(x: Any, raw: Raw, found: Rows) -> Any:
    """What was found, as a frame where x came as one."""
    if not is_frame(x):
        return found
    remark(decisions(found.notes), up=4)
    return raw.frame.give({name: column for name, column in found.columns().items() if name != "row"})


def file_column(files: tuple[str, ...] | None) -> dict[str, np.ndarray]:
    """Of pictures in a folder, the path of each row's."""
    return {} if files is None else {"file": np.array(files, dtype=object)}
