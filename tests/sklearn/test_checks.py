"""The checks of scikit-learn itself.

They fit some two hundred times, so they have the model in closed form; what noise could change is checked of a network.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from quick import NETWORK
from unveil.sklearn import LatentImputer, LatentModel
from unveil.sklearn.base import Fitted

REAL = {"data.domain": "real"}  # the checks fit whole numbers too, and this model takes real x alone
FAILURES = {
    f"check_sample_weight_equivalence_on_{kind}_data": (
        "One row in ten, drawn by its place, is held out of the training to choose the best weights. Two rows instead "
        "of one row of weight 2 change which rows these are, and so the fit. What weights do is in test_weights.py."
    )
    for kind in ("dense", "sparse")
}
OF_NOISE = {
    "check_methods_subset_invariance", "check_methods_sample_order_invariance", "check_fit_idempotent",
    "check_dict_unchanged",
}  # fmt: skip

Check = Callable[[Fitted], None]
# A decision about somebody's data is said; in a check it is none that matters.
told = pytest.mark.filterwarnings("ignore:Columns '0', '1' hold whole numbers:UserWarning")


@told
@parametrize_with_checks(
    [
        LatentModel(model="linear_gaussian", steps=1, options=REAL),
        LatentImputer(model="linear_gaussian", steps=1, options=REAL),
    ],
    expected_failed_checks=lambda estimator: FAILURES,
)
def test_scikit_learn(estimator: Fitted, check: Check) -> None:
    check(estimator)


def of_noise() -> list[Check]:
    found = [partial(check, estimator) for estimator, check in estimator_checks_generator(LatentModel(**NETWORK))]
    return [check for check in found if _name(check) in OF_NOISE]


def _name(check: Check) -> str:
    return _name(check.func) if isinstance(check, partial) else check.__name__


@pytest.mark.parametrize("check", of_noise(), ids=_name)
def test_scikit_learn_of_a_network(check: Callable[[], None]) -> None:
    check()
