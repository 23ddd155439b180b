"""`LatentModel`: a density of rows with latents, as an outlier detector and a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..errors import RequestError, remark
from ..runs.given import given_with_outside
from ..runs.store import RunStore
from ..use.encode import decode, encoded, names_of
from ..use.reference import FEW, scored
from ..use.sample import as_fitted, sample_as_fitted
from .base import Fitted, as_seed
from .filled import filled
from .splits import copies

RANKED = 200  # rows held out of the training that are scored, at most
ODD = 0.05  # their share that contamination="auto" takes for odd

Array = NDArray[Any]


class LatentModel(OutlierMixin, TransformerMixin, Fitted):  # type: ignore[misc] # scikit-learn has no types
    """p(x) = ∫ p(z) p(x|z) dz of rows: scores, latents, new rows, filled holes, and which rows are odd.

    NaN is a missing value, in fit and later. A frame of pandas, polars or pyarrow is taken as it is, rows with texts
    among their cells as a table without names, an array as `unveil.fit` takes it; a sparse one is made dense. One row
    in ten is held out to choose the best weights of the training; all others train.

    Arguments:
        model, prior, likelihood, objective: names, see `unveil list`; None is the model's own. The model "auto" is vae,
            and for a frame of mixed columns the best of a few, some without latents: for `transform` name one.
        latent: dimensions of z; None is the model's own.
        epochs, steps, minutes: the budget, one of them; None is the library's own, of up to some minutes.
        contamination: the share of the rows of fit that are odd, above 0 and up to 0.5; "auto" calls odd what is less
            likely than 95 % of the rows held out of the training (of all rows, where these are fewer than 20).
        random_state: of initial weights, order of rows and noise; a whole number is the library's seed.
        options: any other key of `unveil list keys`, {"model.width": 64, "data.domain": "real"}.

    Attributes:
        offset_: log p(x) in nats, below which a row is odd.
        pack_, seed_: the fitted model and its seed, as of `Fitted`.

    Example:
        >>> from unveil.sklearn import LatentModel
        >>> model = LatentModel(steps=300).fit(X)
        >>> model.score_samples(X)
    """

    contamination: float | str

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
        contamination: float | str = "auto",
        random_state: Any = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            model=model,
            latent=latent,
            prior=prior,
            likelihood=likelihood,
            objective=objective,
            epochs=epochs,
            steps=steps,
            minutes=minutes,
            random_state=random_state,
            options=options,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LatentModel:
        """Fit p(x) to the rows of X; y is not used.

        Arguments: sample_weight [N] ≥ 0: a row of weight 2 trains as if it stood there twice, one of weight 0 not at
        all; weights that are no whole numbers (or very large) are rounded at random to copies of rows, their mean to 1.
        """
        share, found = self._share(), list[Array]()
        X, weights = self._fit(X, sample_weight, lambda run: found.append(_kept_scores(run)))
        scores = found[0]
        if share is not None or len(scores) < FEW:
            scores = self._scores(X)
            scores = scores if weights is None else scores[copies(weights, 0)]
        # The first score that is not among the odd ones: so many of the rows that were asked about lie below it.
        self.offset_ = float(np.quantile(scores, ODD if share is None else share, method="higher"))
        return self

    def score_samples(self, X: Any) -> Array:
        """log p(x) [N] in nats of what is observed of each row, −inf where a row holds what cannot be.

        A lower bound for models with latents (IWAE of 50 draws; options={"evaluation.num_samples": K}), exact for
        model="mixture" and "linear_gaussian". A row's number hangs on no other row. It is a density in the units of
        X, and comparable among rows with the same holes.
        """
        check_is_fitted(self)
        return self._scores(self._read(X))

    def _scores(self, X: Any) -> Array:
        """log p(x) [N] of X as the library takes it."""
        run = self._run
        given = given_with_outside(run, X)
        remark(given.raw.ignored, up=3)
        return np.where(given.outside, -np.inf, scored(run, given.split).log_px.numpy())

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of log p(x) over the rows of X, in nats; larger is better."""
        return float(self.score_samples(X).mean())

    def decision_function(self, X: Any) -> Array:
        """log p(x) − offset_ [N]: below 0 for odd rows."""
        scores = self.score_samples(X)
        return np.where(np.isneginf(scores), -np.inf, scores - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """−1 for odd rows and 1 for the others, [N]."""
        return np.where(self.decision_function(X) < 0, -1, 1).astype(np.int64)

    def transform(self, X: Any) -> Array:
        """E[z|x] [N, D], the posterior means (of a vqvae its codes), as float32."""
        run = self._run
        given = given_with_outside(run, self._read(X))
        remark((*given.raw.ignored, *given.taken_at_nearest))
        return encoded(run, given.split).mean

    def inverse_transform(self, X: Any) -> Any:
        """E[x|z] of latents X [N, D], in the units of the data; a frame, where the model was fitted on one."""
        run = self._run
        return self._given(as_fitted(run, decode(run, check_array(X, input_name="X", estimator=self)), drawn=False))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """New rows drawn from p(x); a frame, where the model was fitted on one.

        Arguments: random_state, of the draws; None takes the seed of the fit, so that equal calls draw equal rows.
        """
        run = self._run
        seed = self.seed_ if random_state is None else as_seed(random_state)
        return self._given(sample_as_fitted(run, n_samples, seed=seed))

    def impute(self, X: Any, *, draw: bool = False) -> Any:
        """X with its holes filled, as it came, by E[x_missing|x_observed] or by a draw."""
        run = self._run
        return self._given(filled(run, self._read(X), draw, self.seed_))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """The names of the latents, z_0 …."""
        run = self._run
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(names_of(run.model), dtype=object)

    def _share(self) -> float | None:
        """The share of odd rows that was asked for; None is "auto"."""
        asked = self.contamination
        if isinstance(asked, str) and asked == "auto":
            return None
        if isinstance(asked, str | bool) or not 0 < asked <= 0.5:
            raise RequestError(f"contamination came as {asked!r}; it takes a share above 0 and up to 0.5, or 'auto'.")
        return float(asked)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # latents are float32, whatever came
        return tags


def _kept_scores(run: RunStore) -> Array:
    """log p(x) of rows that were held out, which stay with the weights to rank new rows among."""
    found = scored(run, run.data.valid.spread(RANKED).to(run.device)).log_px
    run.write_scores(found, found[:0], found[:0])
    return found.numpy()
