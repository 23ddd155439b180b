"""Compressed files of text, by the second ending of their names as pandas takes them: .gz, .bz2, .xz, .zst and .zip."""

import bz2
import gzip
import io
import lzma
import zipfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any, cast

from ..errors import RequestError
from .limits import TEXT_EXPANSION, require_expansion
from .npyfiles import require_memory

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
CHUNK = 1 << 20


def kind_of(path: Path) -> str:
    """The ending that says what a file holds, in small letters: ".csv" of T.CSV and of t.csv.gz."""
    bare = Path(path.stem) if is_compressed(path) else path
    return bare.suffix.lower()


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    """The bytes of a file, decompressed."""
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
            return _OnlyMember(path)
        case _:
            return path.open("rb")


def size_of(path: Path, factor: int) -> int:
    """The number of bytes, decompressed; refused where memory cannot hold `factor` times as many."""
    if not is_compressed(path):
        require_memory(factor * path.stat().st_size, str(path))
        return path.stat().st_size
    size = 0
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            require_expansion(size, path.stat().st_size, str(path), "Unpack it first.", TEXT_EXPANSION)
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


class _OnlyMember(ExitStack):
    """The bytes of the one file in a .zip."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __enter__(self) -> Any:
        archive = self.enter_context(zipfile.ZipFile(self.path))
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise RequestError(f"{self.path} holds {len(names)} files; a compressed table is one.", "Unpack it first.")
        return self.enter_context(archive.open(names[0]))
