"""The model that config.json describes, built within what its weights take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..allowance import BESIDE, Allowance
from ..domain import Domain
from ..errors import RequestError
from ..model import Model
from ..records import CHANGED
from ..registry import seeded


def built(
    spec: Mapping[str, Any],
    domain: Domain,
    weights: Path,
    where: str,
    *,
    seed: int = 0,
    parts: Mapping[str, Any] | None = None,
) -> Model:
    """The model with the initial weights of a seed; refused where it is none, of other x, or larger than its weights.

    Arguments: spec, as `registry.describe` gives it; domain, of data.json; weights, their file, which may not be there
    yet; where, the description stands; parts, the user's own pieces.
    """
    what = f"The model in {where}"
    with Allowance(_allowed(weights), what):
        model = seeded(spec, seed, parts)
    if not isinstance(model, Model):
        raise RequestError(f"{what} is no model but {type(model).__name__}.", CHANGED)
    if model.domain != domain:
        of = " and ".join(f"{each} of shape {each.shape}" for each in (model.domain, domain))
        raise RequestError(f"{what} and the data of the run tell of other x: {of}.", CHANGED)
    return model


def _allowed(weights: Path) -> int:
    """Bytes that a model may take while it is built: of its weights three times, or half of the free memory."""
    if weights.is_file():
        return 3 * weights.stat().st_size + BESIDE
    from psutil import virtual_memory  # here, so that a packed model opens without it

    return int(virtual_memory().available // 2)
