"""The scores of a run: log p(x) of the examples that a run was judged on, and how those for ranking were computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import RequestError
from ..legible import quoted
from ..plainfiles import require_plain, write_atomic
from .seals import sealed, unsealed

WHOLE = "valid_whole"  # of the file: which validation examples have no gaps


@dataclass(frozen=True)
class Scoring:
    """What a score hangs on, beside x: two that are equal rank among each other.

    Arguments: estimator; num_samples, K, or None; seed, of the draws that all rows share, None where no draw is made;
    weights, their sha256.
    """

    estimator: str
    num_samples: int | None
    seed: int | None
    weights: str

    @property
    def told(self) -> dict[str, str]:
        """As text by name, the form that a file keeps."""
        return {field.name: str(getattr(self, field.name)) for field in fields(self)}


def write_scores(path: Path, scoring: Scoring, scores: Mapping[str, Tensor], seal: Mapping[str, str]) -> None:
    """Keep log p(x) [N] by name; `scoring` is how "valid" was computed, `seal` says of which run and phase they are."""
    held = {name: log_px.clone() for name, log_px in scores.items()}
    write_atomic(path, save(held, metadata=sealed({**scoring.told, **seal})))


def read_whole(path: Path) -> np.ndarray | None:
    """[M] which validation examples have no gaps; None where none has any, and of files of earlier versions."""
    require_plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(WHOLE).numpy().astype(bool) if WHOLE in file.keys() else None  # noqa: SIM118
    except (OSError, SafetensorError):
        return None  # `read_scores` says what is wrong


def read_scores(path: Path, name: str, again: str) -> tuple[np.ndarray, dict[str, str]]:
    """log p(x) [N] of a name, and how the file says that "valid" was computed: nothing in files of earlier versions.

    Arguments: again, a sentence with the command that judges the run anew.
    """
    require_plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            told, found = unsealed(file.metadata()), file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RequestError(f"{path.parent} has no {path.name} that can be read.", again) from error
    if found is None:
        what = name.replace("_", " ")
        raise RequestError(f"{path.parent} was judged by an earlier version, which kept no log p(x) of {what}.", again)
    _require_scores(found, name, path, again)
    return found.numpy(), {key: value for key, value in told.items() if key in Scoring.__dataclass_fields__}


def judged_again(folder: Path, *, pack: bool, finished: bool, in_memory: str) -> str:
    """The command that judges a run anew, in a sentence.

    Arguments: pack, whether the folder is one; finished, whether all phases are trained and judged; in_memory, what
    opens a run in Python that was fitted on an array, else "".
    """
    if pack:
        return "Make a new one of a run that was judged again: unveil pack RUN -o DIR"
    if in_memory:
        step = "steps=1" if finished else ""
        return f"Judge it in Python with its data: {in_memory}.resume({step})"
    typed = f"unveil resume {quoted(folder)}"
    return f"Judge it again after one more step: {typed} --steps 1" if finished else f"Finish it with: {typed}"


def _require_scores(found: Tensor, name: str, path: Path, again: str) -> None:
    """Refuse what is no log p(x) of examples: nothing can be ranked among them. −inf is one."""
    numbers = found.is_floating_point() and found.ndim == 1 and len(found) > 0
    if not numbers or bool(found.isnan().any()) or bool((found == torch.inf).any()):
        raise RequestError(
            f"{path} holds no log p(x) of {name} examples that new ones can be ranked among: {_described(found)}.",
            again,
        )


def _described(found: Tensor) -> str:
    """What stands there instead of numbers."""
    if not found.is_floating_point() or found.ndim != 1 or not len(found):
        return f"{found.dtype} of shape {tuple(found.shape)}"
    return f"{int((~found.isfinite()).sum())} of {len(found)} are not finite"
