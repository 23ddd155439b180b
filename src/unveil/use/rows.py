"""Results with one row per example, in the form in which x came."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..data.frames import is_frame
from ..data.inmemory import by_obs, is_anndata
from ..data.raw import Raw
from ..errors import decisions, remark


@runtime_checkable
class Rows(Protocol):
    """What was found, a row per example."""

    @property
    def notes(self) -> tuple[str, ...]: ...

    def columns(self) -> dict[str, np.ndarray]: ...


def as_it_came(x: Any, raw: Raw, found: Rows) -> Any:
    """What was found, as a frame where x came as one, or as AnnData, whose observations name its rows.

    Of a frame of pictures and texts it is what was found.
    """
    if not (is_frame(x) or is_anndata(x)) or (is_frame(x) and raw.frame is None):
        return found
    remark(decisions(found.notes), up=4)
    columns = {name: column for name, column in found.columns().items() if name != "row"}
    return raw.frame.give(columns) if is_frame(x) else by_obs(x, columns)


def file_column(files: tuple[str, ...] | None) -> dict[str, np.ndarray]:
    """Of pictures in a folder, the path of each row's."""
    return {} if files is None else {"file": np.array(files, dtype=object)}
