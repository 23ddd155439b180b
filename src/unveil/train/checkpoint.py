"""Checkpoints: a directory per step, whole or not there, with checksums read back before the previous one goes."""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ..errors import RequestError, Unwritten, WorkError
from ..files import read_json, sha256_of, write_json
from ..model import Model
from ..plainfiles import (
    TEMPORARY,
    read_plain,
    require_folder,
    require_plain,
    sync_directory,
    write_atomic,
    writing,
)

FORMAT = "unveil-state-1"
STATE, TENSORS = "state.json", "tensors.safetensors"
NAME = re.compile(r"\d{8,20}|\.\d{8,20}\.tmp")  # of a state, and of one that is being written


@dataclass(frozen=True)
class Checkpoint:
    """A saved state: the number of updates made, tensors by name, and plain values."""

    step: int
    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]


def save_checkpoint(root: Path, checkpoint: Checkpoint) -> None:
    """Write `root/<step>/`: under a temporary name, flushed, renamed, read back; then the others go.

    A state of the same step goes only when the new one is whole on the disk: `load_checkpoint` takes that one, too.
    """
    require_folder(root)
    final, temporary = root / f"{checkpoint.step:08d}", root / f".{checkpoint.step:08d}.tmp"
    try:
        _write(root, final, temporary, checkpoint)
    except Unwritten:
        if not _whole(temporary):
            with contextlib.suppress(OSError):
                _remove(temporary)
        raise
    if not _whole(final):
        raise WorkError(f"The checkpoint {final} reads back differently from what was written; the disk may be faulty.")
    with writing(root):
        for other in root.iterdir():
            if other != final:
                _remove(other)


def _write(root: Path, final: Path, temporary: Path, checkpoint: Checkpoint) -> None:
    with writing(final):
        root.mkdir(exist_ok=True)
        if _whole(temporary) and not _whole(final):  # its writer was killed before it could rename it
            _remove(final)
            os.replace(temporary, final)
        _remove(temporary)
        temporary.mkdir(exist_ok=True)
        tensors = temporary / TENSORS
        write_atomic(tensors, save({k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}))
        manifest = {
            "format": FORMAT,
            "step": checkpoint.step,
            "values": checkpoint.values,
            "sha256": sha256_of(tensors),
        }
        write_json(temporary / STATE, manifest)
        sync_directory(root)
        _remove(final)
        os.replace(temporary, final)
        sync_directory(root)


def _remove(folder: Path) -> None:
    """Remove a state that was written here: a folder of such a name, its own files, and nothing else."""
    if not NAME.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        own = path.name in (STATE, TENSORS) or TEMPORARY.fullmatch(path.name)
        if own and not path.is_dir():
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # what else lies in it is not ours
        folder.rmdir()


def _whole(folder: Path) -> bool:
    if folder.is_symlink():
        return False
    try:
        manifest = json.loads(read_plain(folder / STATE).decode())
        return bool(manifest["format"] == FORMAT and manifest["sha256"] == sha256_of(folder / TENSORS))
    except (OSError, ValueError, KeyError, TypeError, RequestError):
        return False


def load_checkpoint(root: Path) -> Checkpoint | None:
    """The newest whole checkpoint under `root`, or None; a damaged newest one is passed over for an older.

    A whole one under its temporary name is one whose writer was killed before it could rename it.
    """
    require_folder(root)
    found = [path for path in root.iterdir() if NAME.fullmatch(path.name)] if root.is_dir() else []
    folders = sorted(
        found, key=lambda path: (int(path.name.strip(".").removesuffix(".tmp")), path.name.isdigit()), reverse=True
    )
    for folder in folders:
        if _whole(folder):
            manifest = read_json(folder / STATE, FORMAT)
            return Checkpoint(manifest["step"], load_file(folder / TENSORS), manifest["values"])
    if any(folder.name.isdigit() for folder in folders):
        raise RequestError(f"Every checkpoint under {root} is damaged (checksums differ); the run must be fitted anew.")
    return None


def save_weights(path: Path, model: Model, phase: int = 0) -> None:
    """Write the weights of a model, and the number of the phase at whose end they stand."""
    held = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    write_atomic(path, save(held, metadata={"phase": str(phase)}))


def load_weights(path: Path, model: Model) -> None:
    """Put weights into a model; missing, unexpected and misshapen ones, and those of another type, are named."""
    require_plain(path)
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RequestError(f"{path} is not a whole safetensors file ({error}); the run must be fitted anew.") from error
    check_names(path, found, model.state_dict())
    model.load_state_dict(found)


def check_names(path: Path, found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are not this model's."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    wrong = [k for k in sorted(wanted.keys() & found.keys()) if wanted[k].shape != found[k].shape]
    other = [f"{k} ({found[k].dtype})" for k in sorted(wanted.keys() & found.keys()) if _is_other(found[k], wanted[k])]
    told = [
        f"{what} {', '.join(names[:3])}"
        for what, names in (
            ("missing", missing),
            ("unexpected", extra),
            ("of another shape", wrong),
            ("of another type", other),
        )
        if names
    ]
    if told:
        raise RequestError(f"The weights in {path} do not fit the model of this run: {'; '.join(told)}.")


def _is_other(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether a tensor would lose something, or gain a meaning, as the one that is wanted: only floats become wider."""
    if found.dtype == wanted.dtype:
        return False
    floats = found.is_floating_point() and wanted.is_floating_point()
    return not floats or torch.promote_types(found.dtype, wanted.dtype) != wanted.dtype
