"""`LatentImputer`: holes filled by a model of p(x), as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any, no_type_check

from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags

from .base import Fitted
from .filled import filled


class LatentImputer(OneToOneFeatureMixin, TransformerMixin, Fitted):  # type: ignore[misc] # scikit-learn has no types
    """x with what is missing filled by E[x_missing|x_observed] under a fitted p(x), or by a draw.

    The mean is that of 500 weighted draws of z for each row with holes, on noise that hangs on its place among these.

    Arguments:
        model, prior, likelihood, objective, latent, epochs, steps, minutes, random_state, options: as of `LatentModel`.
        draw: fill with a draw from p(x_missing|x_observed), which keeps the spread of the columns.

    Example:
        >>> from unveil.sklearn import LatentImputer
        >>> full = LatentImputer(steps=300).fit_transform(X)
    """

    draw: bool

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
        draw: bool = False,
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
        self.draw = draw

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> LatentImputer:
        """Fit p(x) to the rows of X; y is not used, and sample_weight as of `LatentModel.fit`."""
        self._fit(X, sample_weight)
        return self

    def transform(self, X: Any) -> Any:
        """X with its holes filled, as it came; what was observed is unchanged."""
        run = self._run
        return self._given(filled(run, self._read(X), self.draw, self.seed_))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
