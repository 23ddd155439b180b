"""Estimators of scikit-learn: `LatentModel`, a density that embeds, fills, draws and finds odd rows; `LatentImputer`.

It may import everything below `api`, and nothing imports it. A new estimator is one file here: a class on `Fitted`
(`base.py`), whose constructor stores what it is given.
"""

from .imputer import LatentImputer
from .model import LatentModel

__all__ = ["LatentImputer", "LatentModel"]
