"""What there is to say of the labels that a model is conditioned on, before it is trained."""

import torch
from torch import Tensor

from ..data import Data
from ..errors import Fact
from ..evaluation.splits import is_conditioned
from ..model import Model
from ..ops import keyed

ONES = 0.5  # share of the classes with one row, from which on they look like numbers of rows
NAMED = 5  # classes that are named


def said_of_classes(data: Data, model: Model) -> tuple[str, ...]:
    """Classes of one row, which teach nothing, and classes that no training example has; of a conditioned model."""
    with keyed("labels"):
        takes_labels = is_conditioned(model)
    if not takes_labels or data.classes is None:
        return ()
    train, others = _counts(data, "train"), _counts(data, "valid") + _counts(data, "test")
    return (*_said_of_ones(train + others), *_said_of_unseen(train, others, data.classes))


def _counts(data: Data, split: str) -> Tensor:
    """The rows of each class, [C]."""
    y = getattr(data, split).y
    return torch.bincount(y[y >= 0].cpu(), minlength=len(data.classes or ()))


def _said_of_ones(count: Tensor) -> tuple[str, ...]:
    ones, classes = int((count == 1).sum()), int((count > 0).sum())
    if not ones or ones < ONES * classes:
        return ()
    return (
        f"{ones:,} of the {classes:,} classes of the label have one row, as if it were the number of a row and no "
        "class. One row teaches nothing about p(x|label): name another column with data.label, or leave out "
        "model.condition=label.",
    )


def _said_of_unseen(train: Tensor, others: Tensor, classes: tuple[str, ...]) -> tuple[str, ...]:
    unseen = ((train == 0) & (others > 0)).nonzero().flatten().tolist()
    if not unseen:
        return ()
    rows, one = int(others[unseen].sum()), len(unseen) == 1
    named = ", ".join(repr(str(classes[i])) for i in unseen[:NAMED]) + (" …" if len(unseen) > NAMED else "")
    return (
        Fact(
            f"{len(unseen):,} of the classes ({named}) {'is' if one else 'are'} in validation or test, and in no "
            f"training example: log p(x|label) of {'this row' if rows == 1 else f'these {rows:,} rows'} says nothing "
            "of the model."
        ),
    )
