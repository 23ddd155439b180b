"""Objects of libraries of frames that are no frame with rows, and what makes one of each."""

from __future__ import annotations

from typing import Any

from ..errors import RequestError

LAZY = {  # libraries whose frames hold no rows yet
    "duckdb": "x.df()", "_duckdb": "x.df()", "dask": "x.compute()", "dask_expr": "x.compute()",
    "pyspark": "x.toPandas()", "sqlframe": "x.toPandas()", "ibis": "x.to_pandas()", "daft": "x.to_pandas()",
}  # fmt: skip
PARTS = {  # by the type of an object
    "RecordBatch": "pyarrow.Table.from_batches([x])", "RecordBatchReader": "x.read_all()", "Series": "x.to_frame()",
    "ChunkedArray": "pyarrow.table({'x': x})", "InMemoryDataset": "x.to_table()", "FileSystemDataset": "x.to_table()",
}  # fmt: skip


def require_rows(native: Any) -> None:
    """Refuse an object of a library whose frames are queries."""
    home = library_of(native)
    if home in LAZY:
        raise RequestError(f"x came as {home}'s {type(native).__name__}, which holds no rows yet; give {LAZY[home]}.")


def no_frame(native: Any) -> RequestError:
    """What to say of an object that is no frame."""
    kind = type(native).__name__
    way = PARTS.get(kind, "a data frame, a column of one as frame[[name]]")
    return RequestError(f"x came as {library_of(native)}'s {kind}; give {way}.")


def library_of(x: Any) -> str:
    return type(x).__module__.split(".")[0]
