"""One stage of training as a compiled module."""

import os
import stat
from pathlib import Path
from typing import Any

import torch

from ..errors import WorkError
from ..model import Model, device_of
from .loop import Problem
from .stage import Stage


def compiled(model: Model, stage: Stage) -> Any:
    """The problem of a stage as one compiled module of fixed shapes; compiled when it first runs.

    On CUDA its kernels are replayed as one graph, whose outputs are overwritten by the next replay: the loop keeps
    copies (`train.loop.Problem`).
    """
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(private_cache())
    mode = "reduce-overhead" if device_of(model).type == "cuda" else None
    return torch.compile(Problem(model, stage), dynamic=False, mode=mode)


def private_cache() -> Path:
    """A folder for compiled code that nobody else can write in: what lies there is loaded and run.

    Raises WorkError where it is another user's, a link, or open to others.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "unveil" / "compiled"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise WorkError(f"{folder}, where compiled code is kept, cannot be used: {error.strerror or error}.") from error
    own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    if not stat.S_ISDIR(found.st_mode) or not own:
        raise WorkError(
            f"{folder}, where compiled code is kept, is a link or open to others.",
            f"Remove it, or close it with: chmod 700 {folder}",
        )
    return folder
