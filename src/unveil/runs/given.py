"""New x, read in the domain of a run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Split, prepare, read_new
from ..data.columnforms import Form, forms_of_json
from ..data.columns import Column, Table
from ..data.newpairs import read_new_pairs
from ..data.raw import Raw
from ..data.scales import said_of_scale
from ..domain import Domain
from .store import RunStore

MOST = 0.5  # share of rows outside the domain, above which x is likely to be of another kind
MANY = 10  # rows from which that says something


def new_split(run: RunStore, x: Any) -> tuple[Split, Raw]:
    """New x in the run's domain, every row in the source's order, and what it was read as; columns go by name."""
    raw = _read(run, x)
    return _prepared(run, raw), raw


def _read(run: RunStore, x: Any, skip_broken: bool = False) -> Raw:
    info, options = run.data_info, run.config.data
    table = {name: getattr(options, name) for name in ("label", "drop", "header", "decimal", "na_values")}
    told = {**table, "columns": info["columns"], "white": info.get("white"), "paper": info.get("paper")}
    told["table"] = fitted_table(run)
    if run.domain.parts is not None:
        homes = [] if run.config.in_memory else [Path(run.config.where)]
        return read_new_pairs(x, run.domain, lambda own, part: _pictures(run, read_new(own, part, **told), part), homes)
    raw = read_new(x, run.domain, skip_broken=skip_broken, **told)
    return replace(raw, remarks=(*raw.remarks, *_said_scale(run, raw)))


def _pictures(run: RunStore, raw: Raw, domain: Domain) -> Raw:
    """New pictures of a run on pictures and texts, binarized as those that it was fitted on."""
    info = run.data_info
    split = prepare(raw, domain, info["binarization"], info["split"]["seed"], levels=info["levels"])
    observed = None if split.observed is None else split.observed.numpy()
    return replace(raw, x=split.x.numpy(), observed=observed)


def _said_scale(run: RunStore, raw: Raw) -> list[str]:
    """Sentences where columns of a table of numbers alone are on another scale than in training."""
    forms = forms_of_json(run.data_info.get("forms"))
    if forms is None or raw.table is not None or raw.x.ndim != 2 or raw.x.shape[1] != len(forms):
        return []
    found: list[str] = []
    for d, form in enumerate(forms):
        name = raw.columns[d] if raw.columns else str(d)
        values = raw.x[:, d] if raw.observed is None else raw.x[raw.observed[:, d], d]
        read = raw.frame.read.get(name) if raw.frame is not None else None
        percent = form.cells is not None and form.cells.style.percent, read is not None and read.style.percent
        found += said_of_scale(name, values, form.span, *percent) if form.span else ()
    return found


def _prepared(run: RunStore, raw: Raw) -> Split:
    info = run.data_info
    return prepare(raw, run.domain, info["binarization"], info["split"]["seed"], levels=info["levels"])


def given_as(run: RunStore, x: Any) -> tuple[Split, Raw]:
    """As `new_split`, on the run's device."""
    split, raw = new_split(run, x)
    return split.to(run.device), raw


def fitted_forms(run: RunStore) -> tuple[Form | Column, ...] | None:
    """How the values of each column were held that the run was fitted on; None where x is no table."""
    table = fitted_table(run)
    return forms_of_json(run.data_info.get("forms")) if table is None else table.columns


def fitted_separator(run: RunStore) -> str:
    """What separates the cells of a file of text: ";" where it did in the file that the run was fitted on, else ","."""
    return run.data_info.get("separator") or ","


def fitted_table(run: RunStore) -> Table | None:
    """The columns of the mixed table that the run was fitted on; None of other x."""
    return Table.from_json(run.data_info.get("table"))


@dataclass(frozen=True)
class Given:
    """New x, of which some rows may hold what cannot be: a value outside the run's domain.

    Arguments:
        split: x in the domain, such values being replaced by the nearest that can be; on the run's device.
        raw: x as it came.
        outside: [N] bool, the rows with such a value.
        said: a sentence that names them, or "".
    """

    split: Split
    raw: Raw
    outside: NDArray[np.bool_]
    said: str

    @property
    def taken_at_nearest(self) -> tuple[str, ...]:
        """What to say where such values are replaced."""
        return (f"{self.said} It is taken as the nearest value inside.",) if self.said else ()


def given_with_outside(run: RunStore, x: Any, skip_broken: bool = False) -> Given:
    """New x as `given_as`, an odd row being no reason to refuse the others; where most are odd, x is refused.

    Arguments: skip_broken, leave out image files that cannot be read, instead of refusing.
    """
    raw, domain = _read(run, x, skip_broken), run.domain
    is_inside = run.data_info["binarization"] or domain.parts is not None
    strange = np.zeros(raw.x.shape, bool) if is_inside else _outside(raw, domain)
    rows = np.asarray(strange.any(tuple(range(1, strange.ndim))))
    if not rows.any() or _of_another_kind(raw, rows, domain):
        return Given(_prepared(run, raw).to(run.device), raw, np.zeros(len(raw.x), bool), "")
    inside = replace(raw, x=domain.of_kind.nearest(raw.x, domain.num_levels).astype(raw.x.dtype))
    row, *place = (int(i) for i in np.argwhere(strange)[0])
    where = repr(raw.columns[place[0]]) if raw.columns else str(place[0] if len(place) == 1 else tuple(place))
    said = (
        f"{int(rows.sum()):,} of {len(rows):,} rows hold a value outside this run's domain {domain}, the first "
        f"{raw.x[(row, *place)]:g} in row {row}, column {where}."
    )
    return Given(_prepared(run, inside).to(run.device), raw, rows, said)


def _of_another_kind(raw: Raw, rows: NDArray[np.bool_], domain: Domain) -> bool:
    """Whether x is not odd but something else: most of many rows are outside, or whole numbers are mainly fractions."""
    if len(rows) >= MANY and rows.mean() > MOST:
        return True
    x = raw.x if raw.observed is None else raw.x[raw.observed]
    return bool(domain.is_discrete and x.dtype.kind == "f" and (np.isfinite(x) & (x != np.rint(x))).mean() > MOST)


def _outside(raw: Raw, domain: Domain) -> NDArray[np.bool_]:
    """Which observed values of x [N, *shape] are none of the domain."""
    if raw.x.shape[1:] != domain.shape or raw.x.dtype.kind not in "biuf":
        return np.zeros(raw.x.shape, bool)  # `prepare` says what is wrong
    found: NDArray[np.bool_] = raw.x != domain.of_kind.nearest(raw.x, domain.num_levels)
    return found if raw.observed is None else found & raw.observed
