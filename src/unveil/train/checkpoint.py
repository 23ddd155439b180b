"""Checkpoints: a directory per step, whole or not there, with checksums read back before the previous one goes."""

import contextlib
import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ..errors import RequestError, Unwritten, WorkError
from ..files import sha256_of, write_json
from ..model import Model
from ..plainfiles import (
    TEMPORARY,
    require_folder,
    require_plain,
    sync_directory,
    write_atomic,
    writing,
)
from ..records import CHANGED, Count, Sha256, Text, check_record, read_record

FORMAT = "unveil-state-1"
STATE, TENSORS = "state.json", "tensors.safetensors"
NAME = re.compile(r"\d{8,20}|\.\d{8,20}\.tmp")  # of a state, and of one that is being written


class StateFile(Struct):
    """state.json."""

    format: Text
    step: Count
    values: dict[str, Any]
    sha256: Sha256
    sha256_values: Sha256 | None = None  # earlier versions had none


@dataclass(frozen=True)
class Checkpoint:
    """A saved state: the number of updates made, tensors by name, and plain values."""

    step: int
    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]


def save_checkpoint(root: Path, checkpoint: Checkpoint) -> None:
    """Write `root/<step>/`: under a temporary name, flushed, renamed, read back; then the others go but the one before.

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
    with writing(root):
        if not _whole(final):
            _remove(final)  # the one before it is taken up again
            raise WorkError(
                f"The checkpoint {final} reads back differently from what was written; the disk may be faulty."
            )
        before = max((path for path in root.iterdir() if path.name.isdigit() and path.name < final.name), default=None)
        for other in root.iterdir():  # of a later step is one of the phase before, or of a training that fell back
            if other not in (final, before):
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
            "sha256_values": _sum_of(checkpoint.step, checkpoint.values),
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
    return _found(folder) is not None


def _found(folder: Path, kind: Any = dict) -> dict[str, Any] | None:
    """state.json of a whole state, else None."""
    try:
        return _manifest(folder, kind)
    except (OSError, RequestError):
        return None


def _manifest(folder: Path, kind: Any) -> dict[str, Any] | None:
    """state.json of a state that is what was written, else None; refused where it is none."""
    require_folder(folder)
    found = read_record(folder / STATE, FORMAT, StateFile)
    check_record(found["values"], kind, folder / STATE)
    known = found.get("sha256_values")
    same = known is None or known == _sum_of(found["step"], found["values"])
    return found if same and found["sha256"] == sha256_of(folder / TENSORS) else None


def _sum_of(step: int, values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([step, values], sort_keys=True).encode()).hexdigest()


def _newest_first(root: Path) -> list[Path]:
    """The states under `root`, and those that were being written; a whole name stands before its temporary one."""
    found = [path for path in root.iterdir() if NAME.fullmatch(path.name)] if root.is_dir() else []
    return sorted(found, key=lambda path: (_step_of(path), path.name.isdigit()), reverse=True)


def _step_of(folder: Path) -> int:
    return int(folder.name.strip(".").removesuffix(".tmp"))


def load_checkpoint(root: Path, kind: Any = dict) -> Checkpoint | None:
    """The newest whole checkpoint under `root`, or None; a damaged newest one is passed over for the one before it.

    That is said, as a warning. A whole one under its temporary name is one whose writer was killed before it could
    rename it; one that is not whole was never finished, and nothing is said of it.

    Arguments: kind, the schema of its plain values.
    """
    require_folder(root)
    damaged: list[Path] = []
    for folder in _newest_first(root):
        if (found := _found(folder, kind)) is not None:
            _say_damaged(damaged, folder)
            return Checkpoint(found["step"], load_file(folder / TENSORS), found["values"])
        if folder.name.isdigit():
            damaged.append(folder)
    if damaged:
        raise RequestError(
            f"No state under {root} is whole: {', '.join(map(str, damaged[:2]))} cannot be read, or the checksum "
            "differs.",
            "Fit it anew, or put back a copy of that folder.",
        )
    return None


def _say_damaged(damaged: list[Path], taken: Path) -> None:
    if damaged and _step_of(damaged[0]) > _step_of(taken):  # of the same step it is one that was being replaced
        told = f"The state {damaged[0]} is damaged. Training goes on from the one before it, step {_step_of(taken):,}."
        warnings.warn(told, stacklevel=2)


def save_weights(path: Path, model: Model, told: Mapping[str, str] | None = None) -> None:
    """Write the weights of a model, and what is told of them: of several keys the order is of chance."""
    held = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    write_atomic(path, save(held, metadata=dict(told or {})))


def load_weights(path: Path, model: Model) -> None:
    """Put weights into a model; missing, unexpected and misshapen ones, and those of another type, are named."""
    require_plain(path)
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RequestError(f"{path} is not a whole safetensors file ({error}); the run must be fitted anew.") from error
    check_names(path, found, model.state_dict())
    if wild := [name for name, held in found.items() if held.is_floating_point() and not bool(held.isfinite().all())]:
        raise RequestError(f"The weights in {path} are not all finite: {', '.join(wild[:3])}.", CHANGED)
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
