"""x as its latents and back: the posterior mean and standard deviation of every latent, or the codes of x."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import walk
from ..diagnostics.activity import posterior_moments
from ..errors import RequestError
from ..model import Model, device_of, has_real_z, prior_draw, require_latents
from ..ops import keyed
from ..runs.given import given_with_outside
from ..runs.store import RunStore
from .finite import finite
from .rows import as_it_came, file_column

CHUNK = 256  # rows per pass through the decoder
DRAWS = 64  # of z, where its posterior has no mean in closed form


@dataclass(frozen=True)
class Encoding:
    """The posterior of each row: mean [N, D] and standard deviation [N, D]; as an array it is the mean.

    Where z are codes, `mean` holds these whole numbers, one z for each x, and `stddev` is None.

    Arguments: names [D] of the latents, z_0 …, of several groups z1_0 … z2_0 …, of codes code_0 …; files, of a folder
    of pictures, the path of each row's.
    """

    mean: np.ndarray
    stddev: np.ndarray | None
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.mean, dtype=dtype, copy=copy)

    def columns(self) -> dict[str, np.ndarray]:
        """z_0 … and z_0_sd …, for a table; of pictures in a folder after the column file."""
        found = {name: self.mean[:, i] for i, name in enumerate(self.names)}
        if self.stddev is not None:
            found |= {f"{name}_sd": self.stddev[:, i] for i, name in enumerate(self.names)}
        return file_column(self.files) | found

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays, the one that stands for all first."""
        return {"codes": self.mean} if self.stddev is None else {"mean": self.mean, "stddev": self.stddev}

    @property
    def words(self) -> str:
        """What each row holds."""
        return f"{self.mean.shape[1]} {'codes' if self.stddev is None else 'latents'}"


def encoded(
    run: RunStore,
    split: Split,
    notes: tuple[str, ...] = (),
    files: tuple[str, ...] | None = None,
    *,
    alone: bool = False,
) -> Encoding:
    """The latents of every example: codes where they are, else means and standard deviations, of draws if need be.

    Arguments: alone, take each row by itself on the same noise, so that its latents hang on no other row.
    """
    require_latents(run.model, "Encoding")
    if is_coded(run.model):
        return Encoding(_codes(run.model, split).numpy(), None, names_of(run.model), notes, files)
    moments = posterior_moments(run.model, split, expected=True, alone=alone)
    moments = moments or _drawn_moments(run.model, split, alone)
    if moments is None:
        raise RequestError(
            f"The latents of a {run.config.model_name} have no posterior mean, so x cannot be encoded.",
            "Use a model with continuous latents, such as vae or linear_gaussian.",
        )
    mean, stddev = (finite(moment, "Encodings").numpy() for moment in moments)
    return Encoding(mean, stddev, names_of(run.model), notes, files)


def names_of(model: Model) -> tuple[str, ...]:
    """The names of the latents, as an `Encoding` has them."""
    require_latents(model, "Encoding")
    sizes = [group[0].numel() for group in prior_draw(model)]
    if is_coded(model):
        return _numbered(("code",), (sum(sizes),))
    return _numbered(("z",) if len(sizes) == 1 else model.groups, sizes)


def is_coded(model: Model) -> bool:
    """Whether z are whole numbers, one z for each x."""
    return "straight_through" in model.gives


def _numbered(groups: Sequence[str], sizes: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{group}_{i}" for group, size in zip(groups, sizes, strict=True) for i in range(size))


def _draws(model: Model, split: Split, num_draws: int, alone: bool = False) -> Iterator[Tensor]:
    """K draws of z of every example, by blocks [K, B, D], keyed by the first row of each; or alike for every row."""
    for block in walk(len(split), alone):
        with torch.no_grad(), keyed("encode", 0 if alone else block.first):
            z, _ = model.posterior(split.expected(block.rows)).draw(num_draws)
        yield torch.cat([group.flatten(2) for group in z], 2)[:, : block.keep]


def _codes(model: Model, split: Split) -> Tensor:
    """The codes [N, n] of every example: q has no spread, so that a draw is all there is."""
    return torch.cat([z[0].cpu() for z in _draws(model, split, 1)])


def _drawn_moments(model: Model, split: Split, alone: bool = False) -> tuple[Tensor, Tensor] | None:
    """Means and standard deviations [N, D] of 64 draws per row; None for a z of names."""
    if not has_real_z(model):
        return None
    found = [torch.stack([z.mean(0), z.std(0)]).cpu() for z in _draws(model, split, DRAWS, alone)]
    means, stddevs = torch.cat(found, 1)
    return means, stddevs


@torch.no_grad()
def decode(run: RunStore, z: Any, y: Any = None) -> np.ndarray:
    """E[x|z] [N, *shape] of latents z [N, D], as `encode` gives them; labels y [N] for a model conditioned on them."""
    require_latents(run.model, "Decoding")
    device = device_of(run.model)
    given_z = torch.as_tensor(np.asarray(z), device=device)
    labels = None if y is None else torch.as_tensor(np.asarray(y), dtype=torch.int64, device=device)
    if given_z.ndim != 2:
        raise RequestError(f"z came with the shape {tuple(given_z.shape)}; it must be (N, D), a row per example.")
    like = prior_draw(run.model)
    width = sum(group[0].numel() for group in like)
    if given_z.shape[1] != width:
        raise RequestError(f"z came with {given_z.shape[1]} columns; this model has {width} latents.")
    _check_codes(run.model, given_z)
    found = [
        run.model.decode(_as_groups(part, like), None if labels is None else labels[i * CHUNK :][: len(part)]).mean
        for i, part in enumerate(given_z.split(CHUNK))
        if len(part)
    ]
    return torch.cat(found).cpu().numpy() if found else np.zeros((0, *run.domain.shape), np.float32)


def _check_codes(model: Model, z: Tensor) -> None:
    """Codes are whole numbers, each one of the book's."""
    size = model.codebook_size
    off = z[~((z >= 0) & (z < size) & (z == z.round()))] if size else z.new_zeros(0)
    if len(off):
        came = f"{off[0].item():g}"
        raise RequestError(f"A code came as {came}; those of this model are the whole numbers from 0 to {size - 1}.")


def _as_groups(z: Tensor, like: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """z [N, D] as groups [N, …] of the shapes and types of `like`; whole numbers are rounded to."""
    parts = z.split([group[0].numel() for group in like], 1)
    return tuple(
        (part if group.is_floating_point() else part.round()).to(group.dtype).reshape(-1, *group.shape[1:])
        for part, group in zip(parts, like, strict=True)
    )


def encode(run: RunStore, x: Any, *, skip_broken: bool = False) -> Any:
    """The posterior mean and standard deviation of x as an `Encoding`: never a random draw under the name of one.

    Where the posterior has no mean in closed form it is that of 64 draws, always the same. Grey images of a binarized
    run enter as pixel probabilities, the mean over binarizations. A data frame gives a frame of the same kind and
    index with the columns z_0 … and z_0_sd …; several groups are z1_0 … z2_0 …, and codes are code_0 …, whole numbers.

    Arguments: skip_broken, leave out pictures of a folder that cannot be read; the others are named by their files.
    """
    given = given_with_outside(run, x, skip_broken)
    notes = (*given.raw.ignored, *given.taken_at_nearest)
    return as_it_came(x, given.raw, encoded(run, given.split, notes, given.raw.files))
