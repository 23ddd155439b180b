"""Which run and phase a file is of: said in the file itself, so that files of two runs never speak as one.

The metadata of tensors stand under one key as JSON: safetensors writes several keys in an order of chance, and the same
weights are to be the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..errors import RequestError
from ..plainfiles import require_plain
from ..records import parsed

KEY = "unveil"


def identity(model: Mapping[str, Any], seed: int, data: Mapping[str, Any]) -> str:
    """The sha256 of what makes a run this one: its model, its seed, and its data as they were split.

    Arguments: model, as config.json describes it; data, data.json.
    """
    made_of = [model, seed, data["sha256"], data["split"]["seed"], data["split"]["sizes"], data["domain"]]
    return sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def sealed(told: Mapping[str, Any]) -> dict[str, str]:
    """Metadata of a file of tensors."""
    return {KEY: json.dumps(dict(told), sort_keys=True)}


def seal_of(path: Path) -> dict[str, str] | None:
    """What a file of tensors says of itself; None where it is not there, or is not whole."""
    require_plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            return unsealed(file.metadata())
    except (OSError, SafetensorError, RequestError):
        return None


def unsealed(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """What metadata tell, as text by name; nothing in files of earlier versions."""
    try:
        found = parsed((metadata or {}).get(KEY, "{}").encode())
    except (ValueError, RecursionError):
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
