"""New x, read in the domain of a run."""

from typing import Any

from ..data import Split, prepare, read_new
from ..data.raw import Raw
from .store import RunStore


def new_split(run: RunStore, x: Any) -> tuple[Split, Raw]:
    """New x in the run's domain, every row in the source's order, and what it was read as; columns go by name."""
    info, options = run.data_info, run.config.data
    table = {name: getattr(options, name) for name in ("label", "drop", "header", "decimal", "missing")}
    told = {**table, "columns": info["columns"], "white": info.get("white"), "paper": info.get("paper")}
    raw = read_new(x, run.domain, **told)
    return prepare(raw, run.domain, info["binarization"], info["split"]["seed"], levels=info["levels"]), raw


def given_as(run: RunStore, x: Any) -> tuple[Split, Raw]:
    """As `new_split`, on the run's device."""
    split, raw = new_split(run, x)
    return split.to(run.device), raw
