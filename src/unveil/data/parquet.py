"""Parquet from anybody: its footer says what it costs, and text that one page repeats without end is counted first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .frames import named_columns
from .limits import require_columns
from .npyfiles import require_memory
from .tablecolumns import dropping, named_twice


def dropped(path: Path, drop: str) -> tuple[str, ...]:
    """The columns of `data.drop`."""
    import pyarrow.parquet

    return tuple(named_columns(drop, pyarrow.parquet.read_schema(path).names, True))


def read_parquet(path: Path, without: Sequence[str] = ()) -> Any:
    """The columns of a file but some, as a table of pyarrow."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        info, schema = file.metadata, file.schema_arrow
    require_columns(info.num_columns, path)
    if twice := named_twice(schema.names):
        raise RequestError(f"Two columns of {path} have the same name, {twice}.", "Give each its own.")
    kept = [name for name in schema.names if name not in without]
    _require_cost(path, info, len(kept))
    texts = [field.name for field in schema if _is_text(field.type) and field.name in kept]
    table = pyarrow.parquet.read_table(path, columns=kept, read_dictionary=texts)
    table.validate(full=True)
    for name in texts:
        table = _decoded(table, name, schema.field(name).type, path)
    return table


def _require_cost(path: Path, info: Any, columns: int) -> None:
    """Refuse more bytes than memory holds: runs of one value are packed without end, so their size says nothing."""
    groups = [info.row_group(i) for i in range(info.num_row_groups)]
    declared = max(8 * info.num_rows * max(1, columns), sum(group.total_byte_size for group in groups))
    require_memory(declared, str(path))


def _is_text(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)


def _decoded(table: Any, name: str, kind: Any, path: Path) -> Any:
    """The table with a column of texts as such, once it is known what they hold together."""
    import pyarrow.compute

    place = table.schema.get_field_index(name)
    column = table.column(place)
    if not pyarrow.types.is_dictionary(column.type):
        return table
    size = 0
    for chunk in column.chunks:
        lengths = pyarrow.compute.binary_length(chunk.dictionary).cast("int64")
        size += pyarrow.compute.sum(lengths.take(chunk.indices)).as_py() or 0
    if size > table.nbytes:
        way = f"Leave it out: {dropping([name])}"
        require_memory(2 * size, f"The column {name!r} of {path}", way)
    return table.set_column(place, name, column.cast(kind))
