"""texts.safetensors: the texts of a run whose vectors are z."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..data.knowntexts import KnownTexts
from ..errors import RequestError
from ..plainfiles import require_plain, write_atomic
from ..records import parsed
from .seals import KEY


def write_known(path: Path, known: KnownTexts) -> None:
    """Keep texts and their z [M, D]."""
    told = {KEY: json.dumps({"texts": list(known.texts)})}
    write_atomic(path, save({"z": torch.from_numpy(known.z)}, metadata=told))


def read_known_texts(path: Path, sha256: str) -> KnownTexts:
    """What `write_known` kept; a file that is none, or whose texts and vectors are others, is refused."""
    if not path.is_file():
        raise RequestError(
            f"{path}, which holds the vectors of the texts, is gone.", "Take it from a copy of the run, or fit it anew."
        )
    require_plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            z = file.get_tensor("z")
            texts = parsed((file.metadata() or {}).get(KEY, "").encode())["texts"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    right = z.dtype == torch.float32 and z.ndim == 2 and bool(z.isfinite().all())
    if not right or len(texts) != len(z) or not all(isinstance(text, str) for text in texts):
        raise _damaged(path)
    found = KnownTexts(tuple(texts), z.numpy())
    if found.sha256 != sha256:
        raise RequestError(
            f"{path} is not the file that the run was fitted with.", "Take it from a copy of the run, or fit it anew."
        )
    return found


def _damaged(path: Path) -> RequestError:
    return RequestError(f"{path} does not hold texts and their vectors.", "Fit the run anew.")
