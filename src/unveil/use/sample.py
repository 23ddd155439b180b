"""The verb sample: new x from the model."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.columnforms import brought, held
from ..data.filling import frame_of
from ..data.pairs import by_modality
from ..data.tablefill import new_frame
from ..errors import RequestError, at_least, nearest
from ..model import Model
from ..ops import keyed
from ..runs.given import fitted_forms, fitted_table
from ..runs.store import RunStore
from ..settings.keys import sample_arguments, takes_several
from .both import pictures_of
from .encode import CHUNK
from .finite import drawn, finite
from .where import conditions, sample_where

FRAMES = ("pandas", "polars", "pyarrow")

HOTTEST = 1_000_000  # beyond it z is no number that a network takes


def sample_as_fitted(run: RunStore, num_samples: int = 64, **options: Any) -> Any:
    """New x as `sample` draws them: of a run that was fitted on a table a data frame with its columns and types.

    The frame is of the library that the table came in; else of pandas, polars or pyarrow, the first of these that is
    installed; where none is, an array comes. Of a run on pictures and texts it is a dict of both: an array and
    a list of strings.
    Numbers have the decimals of their column in training, and whole ones lie between its ends.
    """
    x = sample(run, num_samples, **options)
    return x if options.get("text") is not None else as_fitted(run, x, not options.get("mean"))


def as_fitted(run: RunStore, x: np.ndarray, drawn: bool) -> Any:
    """x [N, *shape] from a model, in the form of what the run was fitted on, as `sample_as_fitted` says.

    Arguments: drawn, x is a draw and no mean.
    """
    if run.domain.parts is not None:
        return by_modality(x, run.domain)
    forms, table = fitted_forms(run), fitted_table(run)
    own = (table.library,) if table is not None and table.library else ()
    library = next((name for name in (*own, *FRAMES) if importlib.util.find_spec(name)), None)
    if run.columns is None or library in (None, "numpy"):
        return brought(x, forms, drawn)
    if table is not None:
        return new_frame(table, x, library, drawn)
    columns = dict(zip(run.columns, held(x, forms, drawn), strict=True))
    return frame_of(columns, forms, drawn, library)


@torch.no_grad()
def sample(
    run: RunStore,
    num_samples: int = 64,
    *,
    temperature: float | Sequence[float] = 1.0,
    label: str | None = None,
    seed: int = 0,
    mean: bool = False,
    where: str | Mapping[str, Any] | None = None,
    text: str | None = None,
    tell: Callable[[Sequence[str]], None] | None = None,
    **keys: Any,
) -> np.ndarray:
    """New x [N, *shape], in the units of the data.

    Arguments:
        num_samples: N.
        temperature: scales the spread of p(z); for a model that takes it, one number for each latent group.
        label: of all of them, by name, from a model that is conditioned on labels.
        seed: of the draws.
        mean: give the mean of p(x|z) instead of a draw from it: smooth pictures, as the report shows them, which are no
            samples of x. Of a model without latents it is a draw.
        where: of a mixed table, what columns are to hold, as "sex=female,age>=60" or {"sex": "female", "age": ">=60"}:
            a model that knows any column given any others draws the others given those with "="; what is left of the
            conditions is met by throwing away rows that do not meet it.
        text: of a run on pictures and texts: pictures [N, *shape] of this text, E[picture|text] first, then draws.
        tell: is given sentences about how that went.
        keys: what the model's own `sample` takes beyond that, such as steps=50 of a diffusion.
    """
    at_least(1, "The number of samples", num_samples)
    if text is not None:
        heat = None if _is_one(temperature) else temperature
        beside = {"where": where, "label": label, "temperature": heat, **keys}
        if others := [name for name, value in beside.items() if value is not None]:
            raise RequestError(f"{others[0]} came with text, of which pictures are drawn alone; leave {others[0]} out.")
        return pictures_of(run, text, num_samples, seed, mean)
    if where is not None:
        return _sample_where(
            run, num_samples, where, tell, {"temperature": temperature, "label": label, **keys}, seed, mean
        )
    keys, spread = sample_arguments(run.model, keys), _spread(run.model, temperature)
    code = None if label is None else _code_of(run, label)
    with keyed("sample", seed), drawn():
        counts = (min(CHUNK, num_samples - first) for first in range(0, num_samples, CHUNK))
        found = [_sample_chunk(run, count, spread, code, mean, keys) for count in counts]
    return finite(torch.cat(found), "Samples").cpu().numpy()


def _is_one(temperature: float | Sequence[float]) -> bool:
    return temperature == 1 if isinstance(temperature, int | float) else tuple(temperature) == (1.0,)


def _sample_where(
    run: RunStore, num_samples: int, where: Any, tell: Any, how: dict[str, Any], seed: int, mean: bool
) -> np.ndarray:
    """New x for which conditions hold."""
    if mean:
        raise RequestError("Means came with where; conditions are for draws: leave one of them out.")
    x, notes = sample_where(
        run, num_samples, conditions(run, where), seed, lambda count, key: sample(run, count, seed=key, **how)
    )
    if tell is not None:
        tell(notes)
    return x


def _sample_chunk(
    run: RunStore, count: int, temperature: Any, code: int | None, mean: bool, keys: dict[str, Any]
) -> Tensor:
    y = run.model.draw_labels(count)
    y = y if y is None or code is None else torch.full_like(y, code)
    draw: Any = run.model.sample
    x, z = draw(count, y, temperature, **keys)
    shown: Tensor = run.model.shown(x, z, y) if mean else x
    return shown


def _spread(model: Model, temperature: float | Sequence[float]) -> float | tuple[float, ...]:
    """One temperature, or one for each group where the model takes them."""
    each = (temperature,) if isinstance(temperature, int | float) else tuple(temperature)
    if not each or not all(0 < t <= HOTTEST for t in each):
        told = ", ".join(map(str, each)) or "empty"
        raise RequestError(f"The temperature is {told}; it takes a positive number up to {HOTTEST:,}.")
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


def _code_of(run: RunStore, label: str) -> int:
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
