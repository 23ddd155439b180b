"""What both estimators share: a constructor that stores, a fit in a folder that goes, and the model in the pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, no_type_check

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..data.frames import is_frame
from ..data.inmemory import dense, is_sparse
from ..data.tablecolumns import narwhals
from ..errors import RequestError, decisions, remark
from ..fitting.prepare import prepare
from ..runs.store import RunStore
from .cells import as_cells, as_frame, holds_texts, objects
from .packs import opened, packed
from .splits import arrange

KEYS = {"latent": "model.latent", "epochs": "train.epochs", "steps": "train.steps", "minutes": "train.minutes"}
NAMES = ("model", "prior", "likelihood", "objective")  # of parts, which are keys of their own
JUDGING = {"evaluation.num_samples": 50, "evaluation.baselines": "none"}  # K is not to hang on how fast a machine is

Weights = NDArray[np.float64]


class Fitted(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A model of p(x), fitted by `unveil.fit` without a report, and kept as the files of a pack.

    Attributes: pack_, the content of each file by its name: what is written into a folder with these names is opened
    by `unveil.load`; seed_, of the fit, and of what is drawn from it; holds_texts_, whether X was rows with texts among
    their cells, a table without names.
    """

    random_state: Any
    options: dict[str, Any] | None
    pack_: dict[str, bytes]
    holds_texts_: bool = False  # of an estimator pickled before there was such
    seed_: int

    @no_type_check  # it stores what it is given; fit refuses what is wrong
    def __init__(
        self,
        *,
        model: str = "auto",
        latent: int | str | None = None,
        prior: str | None = None,
        likelihood: str | None = None,
        objective: str = "elbo",
        epochs: int | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        random_state: Any = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.latent = latent
        self.prior = prior
        self.likelihood = likelihood
        self.objective = objective
        self.epochs = epochs
        self.steps = steps
        self.minutes = minutes
        self.random_state = random_state
        self.options = options

    def _fit(
        self, X: Any, sample_weight: Any, keep: Callable[[RunStore], None] = lambda run: None
    ) -> tuple[Any, Weights | None]:
        """Fit and keep the pack; the rows that it was fitted on, and their weights, or None where none were given.

        Arguments: keep, what else is done with the run while its folder and its data are there.
        """
        X, weights = _weighed(self._read(X, reset=True), sample_weight)
        self.seed_ = seed = as_seed(self.random_state)
        with TemporaryDirectory(prefix="unveil-") as folder:
            fitting = prepare(
                X,
                out=Path(folder) / "run",
                model=self._name("model"),
                objective=self._name("objective"),
                seed=seed,
                options=self._asked(),
                arrange=partial(arrange, weights=weights, seed=seed),
            )
            remark(decisions(fitting.data.notes))
            run = fitting.trained()
            keep(run)
            self.pack_ = packed(run)
        self._opened = opened(self.pack_)
        return X, weights

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        """X as the library takes it: a frame as it came, all else as an array [N, D], NaN being a missing value.

        Rows that hold texts are a table without names; a sparse matrix becomes dense, where memory holds that.
        """
        if reset:
            self.holds_texts_ = not is_frame(X) and holds_texts(X)
        if self.holds_texts_ and not is_frame(X):
            return as_frame(validate_data(self, objects(X), reset=reset, skip_check_array=True))
        if is_frame(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        if isinstance(X, np.ma.MaskedArray):
            X = np.ma.filled(X.astype(np.float64), np.nan)
        fewest = 2 if reset else 1
        own = {"ensure_all_finite": "allow-nan", "ensure_min_samples": fewest, "accept_sparse": ("csr", "csc")}
        found = validate_data(self, X, reset=reset, **own)
        return dense(found, "X, which is sparse,") if is_sparse(found) else found

    def _given(self, found: Any) -> Any:
        """What was made of rows, as these came: a table without names as an array of objects."""
        return as_cells(found) if self.holds_texts_ and is_frame(found) else found

    def _asked(self) -> dict[str, Any]:
        """The keys of the fit, as `unveil list keys` names them."""
        options = {} if self.options is None else self.options
        if not isinstance(options, Mapping):
            raise RequestError(f"options came as {options!r}; it takes a dictionary such as {{'model.width': 64}}.")
        own = {key: name for name, key in KEYS.items()} | {name: name for name in NAMES}
        if twice := sorted(set(options) & set(own)):
            raise RequestError(f"options holds {twice[0]!r}, which has an argument of its own: {own[twice[0]]}=.")
        named = {name: self._name(name) for name in ("prior", "likelihood") if getattr(self, name) is not None}
        given = {key: value for name, key in KEYS.items() if (value := getattr(self, name)) is not None}
        return JUDGING | dict(options) | named | given

    def _name(self, kind: str) -> str:
        name = getattr(self, kind)
        if not isinstance(name, str):
            raise RequestError(f"{kind} came as {name!r}; it takes a name, see unveil list {kind}s.")
        return name

    @property
    def _run(self) -> RunStore:
        """The fitted model, opened where it came out of a pickle."""
        check_is_fitted(self)
        if "_opened" not in vars(self):
            self._opened = opened(self.pack_)
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_opened", None)  # made again from `pack_`: a pickle holds no object of ours beside the estimator
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


def as_seed(asked: Any) -> int:
    """The seed of what is drawn: a whole number itself, else a draw."""
    if isinstance(asked, int | np.integer) and not isinstance(asked, bool):
        return int(asked)
    return int(check_random_state(asked).randint(2**31 - 1))


def _weighed(X: Any, sample_weight: Any) -> tuple[Any, Weights | None]:
    """The rows that weigh anything, and their weights: one that weighs nothing is as if it were not there."""
    if sample_weight is None:
        return X, None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    kept = np.flatnonzero(weights)
    if not len(kept):
        raise RequestError("sample_weight is 0 for every row; at least one has to weigh something.")
    return (X if len(kept) == len(weights) else _rows(X, kept)), weights[kept]


def _rows(X: Any, kept: NDArray[np.int64]) -> Any:
    """The rows of an array or a frame by their numbers, as X came."""
    return narwhals().from_native(X, eager_only=True)[kept].to_native() if is_frame(X) else X[kept]
