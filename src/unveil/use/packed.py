"""A fitted model made small enough to ship: `pack` writes a folder, `load` opens it with torch, numpy and safetensors.

Nothing else of the library's dependencies is imported (zuko only for a model with flows), and no stored code is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.columnforms import brought
from ..errors import RequestError
from ..files import check_space
from ..plainfiles import whole_folder
from ..runs.given import fitted_forms
from ..runs.paths import check_writable, missing_file
from ..runs.store import RunStore
from .both import describe
from .description import Description
from .encode import Encoding, decode, encode
from .impute import impute
from .neighbours import Neighbours, neighbours
from .sample import sample
from .score import Scores, score

PACK = "unveil-pack-1"


def pack(run: RunStore, out: Path | str) -> Path:
    """Write a folder with what encode, score, sample and decode need: two JSON files and two of tensors.

    Where the data lies, the curves, the report and the state of the training stay behind.
    """
    out = Path(out)
    run.require_finished()
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise RequestError(f"{out} is not empty, and nothing is overwritten.", "Choose another -o.")
    check_writable(out)
    check_space(out, run.pack_bytes)
    run.require_one_phase()
    run.require_whole()
    with whole_folder(out) as folder:
        run.write_pack(folder, {"format": PACK, "log_px": run.result["log_px"], "domain": run.domain.to_json()})
    return out


def load(path: Path | str, *, parts: Mapping[str, Any] | None = None) -> Packed:
    """Open what `unveil pack` wrote (or a run).

    Arguments: parts, the user's own pieces by slot or class name, for a model that has any.
    """
    path = Path(path)
    if (name := missing_file(path)) is not None:
        raise RequestError(f"{path} is not a packed model: it has no {name}.", "Make one: unveil pack RUN -o DIR")
    return Packed(RunStore.load(path, parts=parts))


class Packed:
    """A fitted model, ready for use: encode, score, impute, sample, describe, decode."""

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self.domain, self.model = run.domain, run.model

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the labels, for a model that was fitted on labelled data."""
        found = self._run.data_info["classes"]
        return None if found is None else tuple(found)

    def encode(self, x: Any) -> Encoding:
        """Posterior mean and standard deviation of x, [N, D] each."""
        return encode(self._run, x)

    def score(self, x: Any, *, seed: int = 0, oddity: bool = False, explain: bool = False) -> Scores:
        """log p(x) in nats, its error, and its percentile; oddity and explain need the run's data."""
        return score(self._run, x, seed=seed, oddity=oddity, explain=explain)

    def neighbours(self, x: Any = None, k: int = 5) -> Neighbours:
        """The nearest training examples, of a run; a pack keeps none, and refuses."""
        return neighbours(self._run, x, k)

    def impute(self, x: Any, **options: Any) -> Any:
        """x with what is missing of it drawn from p(x_missing|x_observed); options as in `Run.impute`."""
        return impute(self._run, x, **options)

    def sample(self, num_samples: int = 64, **options: Any) -> np.ndarray:
        """New x [N, *shape], of a table with the decimals of its columns; options as in `Run.sample`."""
        drawn = sample(self._run, num_samples, **options)
        return brought(drawn, fitted_forms(self._run), not options.get("mean"))

    def describe(self, x: Any, **options: Any) -> list[Description]:
        """Texts of pictures, likeliest first; options as in `Run.describe`."""
        return describe(self._run, x, **options)

    def decode(self, z: np.ndarray | torch.Tensor, y: Any = None) -> np.ndarray:
        """E[x|z] of z [N, D] (and labels y [N], for a model conditioned on them), [N, *shape]."""
        return decode(self._run, z, y)

    def __repr__(self) -> str:
        return f"Packed({str(self._run.path)!r}, {self._run.config.model_name})"
