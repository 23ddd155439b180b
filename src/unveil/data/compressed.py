"""Compressed files of text, by the second ending of their names as pandas takes them: .gz, .bz2, .xz, .zst and .zip.

A table in a .zip has a path that leads into it, t.zip/name.csv.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any, cast

from ..errors import RequestError, nearest
from ..legible import quoted
from .limits import TEXT_EXPANSION, require_expansion
from .npyfiles import require_memory

TABLES = (".csv", ".tsv")
MAC = ("__MACOSX", ".DS_Store")  # what a Mac adds
SHOWN = 10  # names of files that a sentence lists
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
CHUNK = 1 << 20


def kind_of(path: Path) -> str:
    """The ending that says what a file holds, in small letters: ".csv" of T.CSV and of t.csv.gz."""
    bare = Path(path.stem) if path.suffix.lower() in SUFFIXES else path
    return bare.suffix.lower()


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or _archive(path) is not None


def table_in(path: Path, member: str | None = None) -> tuple[Path, tuple[str, ...]]:
    """(the path of the table of text in a .zip, what to say of it).

    Arguments: member, its name there; None takes the only one.
    """
    members = _members(path)
    if member is not None and member not in members:
        raise RequestError(f"{path} holds no file {member!r}.", nearest(member, list(members)))
    tables = [name for name in members if Path(name).suffix.lower() in TABLES]
    if member is None and len(members) == 1 and (tables or kind_of(path) in TABLES):
        return path, ()
    if member is not None or len(tables) == 1:
        name = member or tables[0]
        others = "" if member else f"{path.name} holds {len(members)} files, of which {name!r} is read."
        return Path(f"{path}/{name}"), (others,) if others else ()
    listed = ", ".join(list(tables or members)[:SHOWN]) + (", …" if len(tables or members) > SHOWN else "")
    if not tables:
        raise RequestError(
            f"{path} holds no table of text (.csv, .tsv), but {listed or 'nothing'}.",
            "Unpack it, and give a file of it.",
        )
    raise RequestError(
        f"{path} holds {len(tables)} tables: {listed}.",
        f"Name one as {path.name}:NAME, such as {quoted(f'{path}:{tables[0]}')}",
    )


def opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    """The bytes of a file, decompressed."""
    if (archive := _archive(path)) is not None:
        return _Member(archive, str(path.relative_to(archive)))
    match path.suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.open(path))
        case ".bz2":
            return cast(IO[bytes], bz2.open(path))
        case ".xz":
            return cast(IO[bytes], lzma.open(path))
        case ".zst":
            return _Zstandard(path)
        case ".zip":
            return _Member(path, None)
        case _:
            return path.open("rb")


def size_of(path: Path, factor: int) -> int:
    """The number of bytes, decompressed; refused where memory cannot hold `factor` times as many."""
    if not is_compressed(path):
        require_memory(factor * path.stat().st_size, str(path))
        return path.stat().st_size
    size, stored = 0, (_archive(path) or path).stat().st_size
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            require_expansion(size, stored, str(path), "Unpack it first.", TEXT_EXPANSION)
            if size % (64 * CHUNK) < CHUNK:
                require_memory(factor * size, str(path))
    require_memory(factor * size, str(path))
    return size


class _Zstandard(ExitStack):
    """The bytes of a .zst, by the decoder of pyarrow."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __enter__(self) -> Any:
        import pyarrow

        source = self.enter_context(pyarrow.OSFile(str(self.path), "rb"))
        return io.BufferedReader(self.enter_context(pyarrow.CompressedInputStream(source, "zstd")))


def _archive(path: Path) -> Path | None:
    """The .zip that a path leads into."""
    return next((parent for parent in path.parents if parent.suffix.lower() == ".zip" and parent.is_file()), None)


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files in a .zip by their names, without what a Mac adds."""
    with zipfile.ZipFile(path) as archive:
        found = [info for info in archive.infolist() if not info.is_dir()]
    own = [
        info for info in found if not info.filename.startswith("__MACOSX") and Path(info.filename).name != ".DS_Store"
    ]
    named = {str(Path(f"t/{info.filename}").relative_to("t")): info for info in own}
    if len(named) < len(own):
        raise RequestError(f"{path} holds two files of one name.", "Unpack it, and give one of them.")
    return named


class _Member(ExitStack):
    """The bytes of a file in a .zip, or of the only one."""

    def __init__(self, path: Path, name: str | None) -> None:
        super().__init__()
        self.path, self.name = path, name

    def __enter__(self) -> Any:
        members = _members(self.path)
        if self.name is None and len(members) != 1:
            raise RequestError(
                f"{self.path} holds {len(members)} files; a compressed table is one.", "Unpack it first."
            )
        archive = self.enter_context(zipfile.ZipFile(self.path))
        return self.enter_context(archive.open(members[self.name] if self.name else next(iter(members.values()))))
