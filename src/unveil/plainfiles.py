"""Plain files: opened without following a link, written under a random name beside their own, then renamed.

A run may come from a stranger. None of its files is a link, a FIFO or a device, and what `unveil` writes or removes
stays inside its folder.
"""

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import RequestError, Unwritten

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
FOLDER = getattr(os, "O_DIRECTORY", 0)
BY_HANDLE = os.open in os.supports_dir_fd  # whether the system opens names relative to an open folder
TEMPORARY = re.compile(r"\.unveil-[0-9a-f]{16}\.tmp|\.[\w.-]+\.\d+\.tmp")  # the latter of earlier versions
Kind = Callable[[int], bool]
KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


def require_plain(path: Path) -> None:
    """Refuse a name that is there and is no plain file."""
    _look(path, stat.S_ISREG, "file")


def require_folder(path: Path) -> None:
    """Refuse a name that is there and is no folder: a link to one, above all."""
    _look(path, stat.S_ISDIR, "folder")


def _look(path: Path, wanted: Kind, what: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        _require(path, path.lstat().st_mode, wanted, what)


def _require(path: Path, mode: int, wanted: Kind, what: str) -> None:
    if wanted(mode):
        return
    kind = next((name for test, name in KINDS if test(mode)), "a file" if stat.S_ISREG(mode) else "a device")
    raise RequestError(f"{path} is {kind}; in a run it must be a plain {what}.", f"Put the {what} itself there.")


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of a plain file, whose name may be no link; refused where it is not plain.

    Raises OSError as `os.open` does.
    """
    require_plain(path)
    handle = os.open(path, flags | NO_LINK, 0o666)
    try:
        _require(path, os.fstat(handle).st_mode, stat.S_ISREG, "file")
        yield handle
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Work that writes to a path: what the system says against it becomes a sentence."""
    try:
        yield
    except OSError as error:
        raise Unwritten.of(path, error) from error


def write_all(handle: int, content: bytes) -> None:
    """Write every byte to a descriptor; the system may take fewer at once."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in; one that is there stays as it is."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into, which gets its name when all are there; nothing stays of one that fails."""
    path = path.resolve()
    make_folder(path.parent)
    own = path.with_name(f".unveil-{secrets.token_hex(8)}.tmp")
    with writing(path):
        own.mkdir()
        try:
            yield own
            sync_directory(own)
            os.replace(own, path)  # an empty folder gives way
        except BaseException:
            with suppress(OSError):
                for file in own.iterdir():
                    file.unlink()
                own.rmdir()
            raise
        sync_directory(path.parent)


def read_plain(path: Path, most: int | None = None) -> bytes:
    """The content of a plain file; a ValueError, unread, where it has more than `most` bytes."""
    with opened(path, os.O_RDONLY) as handle, os.fdopen(handle, "rb", closefd=False) as file:
        if most is not None and os.fstat(handle).st_size > most:
            raise ValueError(f"it has more than {most >> 20} MB")
        return file.read()


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` so that a reader finds the old file or the new one, whatever happens in between.

    What stands there keeps its mode; it is refused where it is no plain file.
    """
    require_plain(path)
    name = f".unveil-{secrets.token_hex(8)}.tmp"
    with writing(path), _folder(path.parent) as folder:
        try:
            _write_new(path.parent, name, folder, content, _mode(path))
            os.replace(_at(path.parent, name, folder), _at(path.parent, path.name, folder), **_both(folder))
        except BaseException:
            with suppress(OSError):
                os.unlink(_at(path.parent, name, folder), **_one(folder))
            raise
        if folder is not None:
            os.fsync(folder)


def at_home(path: Path | str) -> Path:
    """A path in which `~` is the folder of a person, as a shell has it."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RequestError(f"{path} names the home of somebody who is not known here.") from error


def write_output(path: Path, content: bytes) -> None:
    """Write what a person asked for: into a FIFO or a device, through a link, or as a plain file."""
    path = at_home(path)
    if path.exists() and not path.is_file():
        with writing(path):
            path.write_bytes(content)
        return
    write_atomic(path.resolve() if path.is_symlink() else path, content)


def remove_temporary(folder: Path) -> None:
    """Remove plain files that a killed process left under a temporary name."""
    with writing(folder):
        for path in folder.iterdir():
            if TEMPORARY.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
                path.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Flush a directory's entries to the disk (nothing to do where the system has no such call)."""
    with _folder(path) as folder:
        if folder is not None:
            os.fsync(folder)


@contextmanager
def _folder(path: Path) -> Iterator[int | None]:
    """An open folder, or None where the system opens none."""
    if not BY_HANDLE:
        yield None
        return
    handle = os.open(path, os.O_RDONLY | FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


def _mode(path: Path) -> int | None:
    """The permissions of what stands there, or None."""
    return stat.S_IMODE(path.lstat().st_mode) if path.is_file() else None


def _write_new(parent: Path, name: str, folder: int | None, content: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | getattr(os, "O_BINARY", 0)
    handle = os.open(_at(parent, name, folder), flags, 0o666, **_one(folder))
    try:
        write_all(handle, content)
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _at(parent: Path, name: str, folder: int | None) -> str:
    return str(parent / name) if folder is None else name


def _one(folder: int | None) -> dict[str, int]:
    return {} if folder is None else {"dir_fd": folder}


def _both(folder: int | None) -> dict[str, int]:
    return {} if folder is None else {"src_dir_fd": folder, "dst_dir_fd": folder}
