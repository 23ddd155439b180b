"""Files that carry the ending of a table of text and are something else, told by how they begin."""

from pathlib import Path

from ..errors import RequestError
from .compressed import opened

BEGINS: tuple[tuple[bytes, str, str], ...] = (  # in small letters: how it begins, what it is, what to do
    (b"pk\x03\x04", "a workbook of Excel, or a zip", "pandas.read_excel({path!r}).to_csv({out!r}, index=False)"),
    (b"\xd0\xcf\x11\xe0", "an old workbook of Excel", "pandas.read_excel({path!r}).to_csv({out!r}, index=False)"),
    (b"par1", "a Parquet file", "pandas.read_parquet({path!r}).to_csv({out!r}, index=False)"),
    (b"%pdf", "a PDF", "Save its table as text first."),
    (b"\x89hdf", "an HDF5 file", "Name it .h5ad if it is AnnData."),
    (b"\x1f\x8b", "compressed with gzip", "Name it {path}.gz"),
    (b"version https://git-lfs", "a pointer of Git LFS, and not the file itself", "Fetch the file: git lfs pull"),
    (b"<!doctype", "a web page", "pandas.read_html({path!r})[0].to_csv({out!r}, index=False)"),
    (b"<html", "a web page", "pandas.read_html({path!r})[0].to_csv({out!r}, index=False)"),
    (b"<?xml", "XML", "pandas.read_xml({path!r}).to_csv({out!r}, index=False)"),
    (b'{"', "JSON", "pandas.read_json({path!r}, lines=True).to_csv({out!r}, index=False)"),
    (b"[{", "JSON", "pandas.read_json({path!r}).to_csv({out!r}, index=False)"),
)  # fmt: skip


def require_text(path: Path) -> None:
    """Refuse a file that is no table of text, with what makes one of it."""
    with opened(path) as stream:
        first = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for begin, what, way in BEGINS:
        if first.startswith(begin):
            way = way.format(path=str(path), out=str(path.with_name(f"new-{path.name.split('.')[0]}.csv")))
            raise RequestError(f"{path} is {what}, whatever its name says.", way)
