"""Results as files: tables (.csv, .parquet), arrays (.npz, .npy) and pictures (.png), whole or not there."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from csv import writer
from functools import reduce
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.cells import Cells
from ..data.columnforms import Form, Held, as_objects, beside_gaps, brought, held
from ..data.columns import Column
from ..data.frames import DRAW
from ..data.pairs import by_modality
from ..data.tablefill import written_columns
from ..data.writtennumbers import Style
from ..domain import Domain
from ..errors import RequestError
from ..files import check_output
from ..legible import readable
from ..pictures import PAPER, to_bytes, write_grid
from ..plainfiles import write_output
from .formulas import Formulas

if TYPE_CHECKING:
    from ..use.impute import Completed

TABLES = (".csv", ".npz", ".npy", ".parquet")
ARRAYS = (".png", ".npz", ".npy", ".csv")
PER_ROW = 8  # pairs beside each other
Columns = Mapping[str, np.ndarray]  # name → [N]
Names = Sequence[str] | None
Forms = Sequence[Form | Column] | None
Arrays = Mapping[str, np.ndarray]  # name → [N, …]


def check_target(path: Path | str, allowed: tuple[str, ...], source: str | None = None) -> Path:
    """Refuse, before any work, an output that cannot be written, or would overwrite the source.

    Arguments: path, the output; allowed, suffixes; source, what the work reads.
    """
    path = Path(path)
    if path.suffix.lower() not in allowed:
        endings = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
        raise RequestError(f"The output came as {path.name!r}; it must end in {endings}.")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise RequestError("Writing .parquet needs pyarrow.", "pip install 'unveil[table]' brings it.")
    if source is not None and path.exists() and _is_same(path, source):
        raise RequestError(f"{path} is the source itself; choose another output.")
    return check_output(path)


def _is_same(path: Path, source: str) -> bool:
    found = next((p for p in (Path(source), Path(source.rpartition(":")[0] or source)) if p.is_file()), None)
    return found is not None and found.samefile(path)


def write_table(
    path: Path, columns: Columns, arrays: Arrays, cells: Formulas | None = None, separator: str = ","
) -> None:
    """Write a result with one row per example.

    Arguments: columns, for .csv and .parquet; arrays, all of them for .npz, the first for .npy; cells and separator, as
    of `csv`.
    """
    match path.suffix.lower():
        case ".csv":
            content = csv(columns, cells, separator)
        case ".parquet":
            import pyarrow

            content = parquet(pyarrow.table({readable(name): _legible(column) for name, column in columns.items()}))
        case ".npz":
            content = _written(np.savez, allow_pickle=False, **arrays)
        case _:
            content = _written(np.save, next(iter(arrays.values())), allow_pickle=False)
    write_output(path, content)


def csv(columns: Columns, cells: Formulas | None = None, separator: str = ",") -> bytes:
    """Separated text: as many digits as it takes to read the same number back; nothing for None and NaN.

    Arguments: cells, what becomes of texts that begin like formulas, and counts them; separator, "," or ";".
    """
    text, cells = io.StringIO(), cells or Formulas()
    rows = writer(text, lineterminator="\n", delimiter=separator)
    rows.writerow(cells.row(columns))
    values = ([None if value != value else value for value in column.tolist()] for column in columns.values())
    has_text = any(column.dtype.kind in "OU" for column in columns.values())
    rows.writerows(map(cells.row, zip(*values, strict=True)) if has_text else zip(*values, strict=True))
    return readable(text.getvalue()).encode()


def _legible(column: np.ndarray) -> np.ndarray:
    """A column [N] whose texts any file can hold."""
    if column.dtype.kind not in "OU":
        return column
    return as_objects([readable(value) if isinstance(value, str) else value for value in column.tolist()])


def write_frame(path: Path, table: Any, cells: Formulas | None = None) -> None:
    """Write a table of pyarrow as .csv (what is null stays empty) or .parquet; cells, as of `csv`."""
    if path.suffix.lower() == ".parquet":
        write_output(path, parquet(table))
    else:
        columns = zip(table.column_names, table.columns, strict=True)
        write_output(path, csv({name: _as_objects(column.to_pylist()) for name, column in columns}, cells))


def _as_objects(values: Sequence[Any]) -> np.ndarray:
    """[N] objects, None for NaN."""
    return as_objects([None if value != value else value for value in values])


def write_records(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of named values as .csv; what is None stays empty."""
    write_output(path, csv({name: _as_objects([record[name] for record in records]) for name in records[0]}))


def parquet(table: Any) -> bytes:
    """A table of pyarrow as a Parquet file."""
    import pyarrow.parquet

    return _written(lambda file: pyarrow.parquet.write_table(table, file))


def _written(write: Callable[..., None], /, *given: Any, **named: Any) -> bytes:
    """What a library writes into an open file."""
    buffer = io.BytesIO()
    write(buffer, *given, **named)
    return buffer.getvalue()


def check_picture(path: Path, domain: Domain) -> None:
    """Refuse, before any work, a picture of x that are not images."""
    if path.suffix.lower() == ".png" and not domain.picture.is_image:
        shape = f"x of shape {domain.shape} is not an image"
        raise RequestError(f"{path.name} is a picture, but {shape}; choose an output that ends in .npz, .npy or .csv.")


def write_x(
    path: Path,
    x: np.ndarray,
    domain: Domain,
    names: Names = None,
    forms: Forms = None,
    drawn: bool = True,
    cells: Formulas | None = None,
    separator: str = ",",
) -> None:
    """Write x [N, *shape] as a square grid, or as arrays with a column per value: the table's own `names`, or x_i.

    Arguments: forms, of a table, how the numbers of its columns are held; drawn, x are draws and no means; cells and
    separator, as of `csv`.
    """
    if path.suffix.lower() == ".png":
        x, domain = domain.pictures(x), domain.picture
        write_grid(path, to_bytes(x, domain), columns=math.ceil(math.sqrt(len(x))))
    elif domain.parts is not None:
        arrays = {name: np.array(own) for name, own in by_modality(x, domain).items()}
        texts = {name: own for name, own in arrays.items() if own.dtype.kind == "U"}
        others = [flat(name, own) for name, own in arrays.items() if name not in texts]
        write_table(path, reduce(or_, others, texts), arrays, cells, separator)
    else:
        columns = _flat(path, "x", x, names, forms, drawn)
        write_table(path, columns, {"x": brought(x, forms, drawn)}, cells, separator)


def write_completed(path: Path, found: Completed, cells: Formulas | None = None) -> None:
    """Write x with its gaps filled in: a table as it came, arrays with a column x_i per value; M draws numbered.

    Arguments: cells, as of `csv`.
    """
    if found.raw.frame is not None and path.suffix.lower() in (".csv", ".parquet"):
        if found.raw.frame.text is not None and path.suffix.lower() == ".csv":
            write_output(path, completed_text(found, cells))
        else:
            write_frame(path, found.native(), cells)
        return
    x = found.arrays()
    if found.domain is not None:
        write_x(path, x.reshape(-1, x.shape[-1]), found.domain, cells=cells)
        return
    draws, rows = len(found.values), len(found.raw.x)
    which = {} if draws == 1 else {DRAW: np.repeat(np.arange(draws), rows)}
    write_table(path, which | flat("x", x.reshape(draws * rows, *found.raw.x.shape[1:])), {"x": x})


def completed_text(found: Completed, cells: Formulas | None = None) -> bytes:
    """A file of text with its gaps filled in and every other cell as it stands there; M draws below each other.

    What stands above the table, or in it and is no row, stays as well.

    Arguments: cells, as of `csv`.
    """
    formulas = cells or Formulas()
    came, num_rows, several = found.raw.frame.text, len(found.raw.x), len(found.values) > 1
    text = io.StringIO()
    separator = ";" if came.separator == ";" else ","
    text.writelines(
        f"{formulas.cell(line)}\n" for line in came.above if came.separator == separator or not line.startswith("sep=")
    )
    rows = writer(text, lineterminator="\n", delimiter=separator)
    if came.has_header:
        rows.writerow(formulas.row([DRAW, *came.titles] if several else came.header))
    filled = _filled_cells(found)
    for draw in range(len(found.values)):
        row = 0
        for is_row, line in came.lines():
            for place, (missing, values) in filled.items() if is_row else ():
                if missing[row]:
                    line[place] = values[draw * num_rows + row]
            row += is_row
            rows.writerow(formulas.row([draw if is_row else "", *line] if several else line))
    return readable(text.getvalue()).encode()


def _filled_cells(found: Completed) -> dict[int, tuple[np.ndarray, list[str]]]:
    """By the place of each column with gaps: where it has them [N], and the text of its values [M·N]."""
    frame, observed = found.raw.frame, found.raw.held
    gaps = [i for i in range(observed.shape[1]) if not observed[:, i].all()]
    places = {i: frame.text.names.index(frame.columns[i]) for i in gaps}
    if found.raw.table is not None:
        return {places[i]: (~observed[:, i], written) for i, written in _written_gaps(found, gaps).items()}
    known: dict[int, set[str]] = {i: set() for i in gaps if frame.columns[i] not in frame.read}
    for row, cells in enumerate(frame.text.cells() if known else ()):
        for i, texts in known.items():
            if observed[row, i]:
                texts.add(cells[places[i]])
    write = {i: Cells.of(texts, Style(frame.text.decimal)).write for i, texts in known.items()}
    table = found.native()
    values = {i: table.column(frame.columns[i]).to_pylist() for i in gaps}
    return {places[i]: (~observed[:, i], list(map(write.get(i, str), values[i]))) for i in gaps}


def _written_gaps(found: Completed, gaps: Sequence[int]) -> dict[int, list[str]]:
    """By column with gaps of a mixed table, the text of its values [M·N]."""
    codes = np.concatenate([found.codes(values) for values in found.values])
    columns = [found.raw.table.columns[i] for i in gaps]
    written = written_columns(columns, codes[:, gaps], found.drawn)
    return dict(zip(gaps, written.values(), strict=True))


def write_pairs(
    path: Path,
    x: np.ndarray,
    again: np.ndarray,
    domain: Domain,
    names: Names = None,
    forms: Forms = None,
    separator: str = ",",
) -> None:
    """Write x [N, *shape] and its reconstruction: each x above its own, or as arrays (.npy: the reconstruction).

    Arguments: forms and separator, as of `write_x`. Of pictures with texts the pictures are shown.
    """
    x, again, domain = domain.pictures(x), domain.pictures(again), domain.picture
    if path.suffix.lower() == ".png":
        columns = min(PER_ROW, len(x))
        both = to_bytes(np.concatenate([x, again]), domain)  # together, so that both have one grey scale
        write_grid(path, interleaved(both[: len(x)], both[len(x) :], columns), columns)
    else:
        again_names = None if names is None else [f"reconstruction of {name}" for name in names]
        means = _flat(path, "reconstruction", again, again_names, forms, drawn=False)
        found = _flat(path, "x", x, names, forms) | means
        write_table(path, found, {"reconstruction": again, "x": x}, separator=separator)


def write_paths(
    path: Path, x: np.ndarray, domain: Domain, names: Names = None, forms: Forms = None, separator: str = ","
) -> None:
    """Write interpolations [P, S, *shape]: a path per row, or as arrays (.csv: with the columns path and step).

    Arguments: forms and separator, as of `write_x`. Of pictures with texts the pictures are shown.
    """
    x, domain = domain.pictures(x), domain.picture
    paths, steps = x.shape[:2]
    flattened = x.reshape(paths * steps, *domain.shape)
    if path.suffix.lower() == ".png":
        write_grid(path, to_bytes(flattened, domain), columns=steps)
    else:
        where = {"path": np.repeat(np.arange(paths), steps), "step": np.tile(np.arange(steps), paths)}
        own = None if names is not None and where.keys() & set(names) else names
        columns = where | _flat(path, "x", flattened, own, forms, drawn=False)
        write_table(path, columns, {"x": x}, separator=separator)


def _flat(
    path: Path, name: str, x: np.ndarray, names: Names = None, forms: Forms = None, drawn: bool = True
) -> dict[str, np.ndarray]:
    """As `flat`; for a file of text each column of a table as it was written."""
    found = flat(name, x, names, forms, drawn)
    if forms is None or path.suffix.lower() != ".csv":
        return found
    each = zip(found.items(), forms, x.reshape(len(x), -1).T, strict=True)
    return {own: _as_texts(held, form, values, drawn) for (own, held), form, values in each}


def _as_texts(held: np.ndarray, form: Held, values: np.ndarray, drawn: bool) -> np.ndarray:
    """A column [N] as it is written in a file of text, empty in its gaps; as it is held where Python writes it so."""
    if form.as_text(values[:0], drawn) is None:
        return held
    return beside_gaps(values, lambda known: form.as_text(known, drawn))


def flat(
    name: str, x: np.ndarray, names: Names = None, forms: Forms = None, drawn: bool = True
) -> dict[str, np.ndarray]:
    """x [N, …] as columns name_0 … name_(D−1), each [N], or with `names` of their own, in their forms."""
    columns = held(x.reshape(len(x), -1), forms, drawn)
    own = [f"{name}_{i}" for i in range(len(columns))] if names is None else names
    return dict(zip(own, columns, strict=True))


def interleaved(above: np.ndarray, below: np.ndarray, columns: int) -> np.ndarray:
    """Two times images [N, H, W, C] as alternating rows of a grid: some of `above`, then the same of `below`."""
    missing = -len(above) % columns
    room = [(0, missing)] + [(0, 0)] * (above.ndim - 1)
    rows = [np.pad(i, room, constant_values=PAPER).reshape(-1, columns, *i.shape[1:]) for i in (above, below)]
    return np.stack(rows, axis=1).reshape(-1, *above.shape[1:])
