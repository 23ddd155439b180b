"""What a fitted model is for: embed, score, sample, reconstruct, interpolate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from .config import sample_arguments, takes_several
from .data import Split
from .data.frames import is_frame
from .data.raw import Raw
from .encoding import CHUNK, Encoding, encoded, file_column, is_coded
from .errors import RequestError, nearest, remark
from .estimators.base import evaluate
from .files import write_atomic
from .judging import make_estimator, new_split
from .model import Model, device_of, require_latents
from .ops import keyed
from .run import Run

SCORES = "scores.safetensors"  # log p(x) of the judged examples: validation to rank new ones among, test to show


@dataclass(frozen=True)
class Scores:
    """One number per row, in the source's order.

    Arguments: log_px [N] nats; stderr [N], the estimator's own error; percentile [N], the share of validation examples
    (in %) that are less likely; direction and estimator say what log_px is; files, of a folder of pictures, the path of
    each row's.
    """

    log_px: np.ndarray
    stderr: np.ndarray
    percentile: np.ndarray
    direction: str
    estimator: str
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.log_px, dtype=dtype, copy=copy)

    def columns(self) -> dict[str, np.ndarray]:
        """For a table."""
        rows = np.arange(len(self.log_px))
        numbers = {"row": rows, "log_px": self.log_px, "stderr": self.stderr, "percentile": self.percentile}
        return file_column(self.files) | numbers


def given(run: Run, x: Any) -> Split:
    """New x in the run's domain, on the run's device; every row, in the source's order."""
    return given_as(run, x)[0]


def given_as(run: Run, x: Any) -> tuple[Split, Raw]:
    """As `given`, and what x was read as."""
    split, raw = new_split(run, x)
    return split.to(run.train["device"]), raw


def encode(run: Run, x: Any) -> Any:
    """The posterior mean and standard deviation of x as an `Encoding`: never a random draw under the name of one.

    Where the posterior has no mean in closed form it is that of 64 draws, always the same. Grey images of a binarized
    run enter as pixel probabilities, the mean over binarizations. A data frame gives a frame of the same kind and
    index with the columns z_0 … and z_0_sd …; several groups are z1_0 … z2_0 …, and codes are code_0 …, whole numbers.
    """
    split, raw = given_as(run, x)
    return _as_it_came(x, raw, encoded(run, split, raw.ignored, raw.files))


def _as_it_came(x: Any, raw: Raw, found: Encoding | Scores) -> Any:
    """What was found, as a frame where x came as one."""
    if not is_frame(x):
        return found
    remark(found.notes, up=4)
    return raw.frame.give({name: column for name, column in found.columns().items() if name != "row"})


def scoring(run: Run) -> tuple[str, int | None]:
    """The estimator and K that scores and the result of a run use, so that the two can be compared."""
    chosen = run.config["evaluation"]
    return chosen["estimator"], chosen["num_samples"]


def score(run: Run, x: Any, *, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Any:
    """log p(x) of every row with its error and its percentile among the validation examples, as `Scores`.

    The noise is keyed by seed and row, so two calls give equal numbers. A high log p(x) does not prove that x belongs:
    simple images can be likelier than any training image. Of a row with gaps it is log p of the observed part, which
    is not to be ranked among rows of which more is observed. Labels are not read: a model conditioned on them sums over
    them. A data frame gives a frame of the same kind and index.
    """
    name, num_samples = scoring(run)
    split, raw = given_as(run, x)
    estimate, _ = evaluate(run.model, split, make_estimator(name, num_samples), seed=seed, progress=progress)
    log_px, reference = estimate.log_px.numpy(), kept_scores(run, "valid")
    percentile = 100.0 * np.searchsorted(np.sort(reference), log_px) / len(reference)
    found = Scores(log_px, estimate.stderr_mc.numpy(), percentile, estimate.direction, name, raw.ignored, raw.files)
    return _as_it_came(x, raw, found)


def kept_scores(run: Run, split: str) -> np.ndarray:
    """log p(x) [N] as judged at the end of the fit: all "test" examples, or up to 1,000 of "valid"."""
    try:
        return load_file(run.path / SCORES)[split].numpy()
    except (OSError, KeyError, SafetensorError) as error:
        raise RequestError(f"{run.path} has no whole {SCORES}.", f"Finish it with: unveil resume {run.path}") from error


def keep_scores(run: Run, valid: Tensor, test: Tensor) -> None:
    """Store log p(x) of the validation and test examples."""
    write_atomic(run.path / SCORES, save({"valid": valid.contiguous(), "test": test.contiguous()}))


@torch.no_grad()
def sample(
    run: Run,
    num_samples: int = 64,
    *,
    temperature: float | Sequence[float] = 1.0,
    label: str | None = None,
    seed: int = 0,
    mean: bool = False,
    **keys: Any,
) -> np.ndarray:
    """New x [N, *shape], in the units of the data.

    Arguments:
        num_samples: N.
        temperature: scales the spread of p(z); for a model that takes it, one number for each latent group.
        label: of all of them, by name, from a model that is conditioned on labels.
        seed: of the draws.
        mean: give the mean of p(x|z) instead of a draw from it (smooth pictures, not samples of x).
        keys: what the model's own `sample` takes beyond that, such as steps=50 of a diffusion.
    """
    if num_samples < 1:
        raise RequestError(f"The number of samples is {num_samples}; it takes a whole number from 1 upwards.")
    keys, spread = sample_arguments(run.model, keys), _spread(run.model, temperature)
    code = None if label is None else _code_of(run, label)
    with keyed("sample", seed):
        found = [_sample_chunk(run, count, spread, code, mean, keys) for count in _chunks(num_samples)]
    return torch.cat(found).cpu().numpy()


def _sample_chunk(run: Run, count: int, temperature: Any, code: int | None, mean: bool, keys: dict[str, Any]) -> Tensor:
    y = run.model.draw_labels(count)
    y = y if y is None or code is None else torch.full_like(y, code)
    draw: Any = run.model.sample
    x, z = draw(count, y, temperature, **keys)
    shown: Tensor = run.model.shown(x, z, y) if mean else x
    return shown


def _spread(model: Model, temperature: float | Sequence[float]) -> float | tuple[float, ...]:
    """One temperature, or one for each group where the model takes them."""
    each = (temperature,) if isinstance(temperature, int | float) else tuple(temperature)
    if not each or not all(t > 0 for t in each):
        raise RequestError(f"The temperature is {temperature}; it takes a positive number.")
    if len(each) == 1:
        return each[0]
    if not takes_several(type(model).sample, "temperature"):
        raise RequestError(f"{len(each)} temperatures came, and this {type(model).__name__} takes one for all of z.")
    if len(each) != len(model.groups):
        raise RequestError(
            f"{len(each)} temperatures came, and this {type(model).__name__} has {len(model.groups)} groups: "
            f"{', '.join(model.groups)}; give one number, or one for each in this order."
        )
    return each


def _code_of(run: Run, label: str) -> int:
    """The number of a class by its name, of a model that is conditioned on labels."""
    classes: list[str] = run.data_info["classes"] or []
    if run.model.draw_labels(1) is None:
        raise RequestError(
            f"The label {label!r} came, and this {type(run.model).__name__} is not conditioned on labels.",
            "Fit it with model.condition=label.",
        )
    if str(label) not in classes:
        raise RequestError(f"There is no label {label!r}.", nearest(str(label), classes))
    return classes.index(str(label))


def _chunks(count: int) -> Iterator[int]:
    for first in range(0, count, CHUNK):
        yield min(CHUNK, count - first)


@torch.no_grad()
def reconstruct(run: Run, x: Any = None, *, num_examples: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """(x, E[x|z] at the posterior mean), [N, *shape] each; x defaults to the first test examples."""
    require_latents(run.model, "Reconstruction")
    split = run.data.test.head(num_examples).to(run.train["device"]) if x is None else given(run, x).head(num_examples)
    z, y = posterior_z(run, split), likely_labels(run, split)
    return batch_x(split), run.model.decode(z, y).mean.cpu().numpy()


@torch.no_grad()
def interpolate(
    run: Run, x: Any = None, *, num_paths: int = 8, num_steps: int = 10, spherical: bool = False
) -> np.ndarray:
    """Decoded paths [P, S, *shape] between the posterior means of consecutive examples.

    Arguments: x, at least two rows (default: test examples); num_paths P; num_steps S ≥ 2; spherical, along the great
    circle instead of the straight line.
    """
    if num_steps < 2 or num_paths < 1:
        raise RequestError(
            f"A path of {num_steps} steps came for {num_paths} pairs; it takes at least 2 steps, 1 pair."
        )
    require_latents(run.model, "Interpolation")
    if is_coded(run.model):
        raise RequestError(
            f"The latents of a {run.config['model']['name']} are codes, and between two codes there is nothing.",
            "Use a model with continuous latents, such as vae or hvae.",
        )
    source = run.data.test if x is None else given(run, x)
    if len(source) < 2:
        raise RequestError("An interpolation needs at least two examples.")
    pairs = min(num_paths, len(source) // 2)
    split = source.head(2 * pairs).to(run.train["device"])
    z, y = posterior_z(run, split), likely_labels(run, split)
    share = torch.linspace(0, 1, num_steps, device=device_of(run.model))
    path = _slerp if spherical else _straight
    steps = tuple(path(g[:pairs], g[pairs:], share).flatten(0, 1) for g in z)
    labels = None if y is None else y[:pairs].repeat_interleave(num_steps)
    decoded = run.model.decode(steps, labels).mean
    return decoded.reshape(pairs, num_steps, *run.domain.shape).cpu().numpy()


def _straight(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    t = share.reshape(1, -1, *(1,) * (a.ndim - 1))
    return (1 - t) * a.unsqueeze(1) + t * b.unsqueeze(1)  # [P, S, D]


def _slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-0.9999, 0.9999)
    angle = torch.arccos(cosine).reshape(-1, 1, *(1,) * (a.ndim - 1))
    t = share.reshape(1, -1, *(1,) * (a.ndim - 1))
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    return (weights[0] * a.unsqueeze(1) + weights[1] * b.unsqueeze(1)) / torch.sin(angle)


@torch.no_grad()
def likely_labels(run: Run, split: Split) -> Tensor | None:
    """The label of each example of a (small) split, the likeliest where it is not known; None without a condition."""
    if run.model.draw_labels(1) is None:
        return None
    with keyed("label", 0):
        return run.model.label(split.batch(torch.arange(len(split), device=split.x.device)))


def posterior_z(run: Run, split: Split) -> tuple[Tensor, ...]:
    """The posterior mean per group [N, …] of every example of a (small) split; one draw where z has no mean."""
    rows = torch.arange(len(split), device=split.x.device)
    with keyed("posterior", 0):
        posterior = run.model.posterior(split.batch(rows))
    if posterior.mean is not None:
        return posterior.mean
    with keyed("reconstruct", 0):
        return tuple(group[0] for group in posterior.draw(1)[0])


def batch_x(split: Split) -> np.ndarray:
    """x of a split as its batches hold it, [N, *shape]."""
    with keyed("show", 0):
        return split.batch(torch.arange(len(split), device=split.x.device)).x.cpu().numpy()
