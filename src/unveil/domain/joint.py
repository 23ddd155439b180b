"""x of several modalities, such as a picture and the text that goes with it."""

import numpy as np

from ..errors import RequestError
from .kind import Kind, kind
from .values import Array, Values, refuse_where


@kind("joint")
class Joint(Kind):
    """The values of all modalities one after the other, [D]; `Domain.parts` holds the domain of each by its name."""

    order, is_discrete, has_parts, likelihood = 80, False, True, "joint"

    def recognises(self, x: Values) -> bool:
        return False

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        raise RequestError(
            "data.domain=joint came for a source of one modality; it is for pictures with texts.",
            "Leave data.domain out, or give the texts: --text captions.csv.",
        )

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        refuse_where(~np.isfinite(x), x, "that are not finite numbers", "")
