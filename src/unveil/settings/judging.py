"""How log p(x) is judged: the estimator and its number of samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RequestError
from ..estimators.base import Estimator
from ..model import Model
from ..registry import lookup
from .keys import estimator_arguments

RANKED = 1000  # validation examples that are scored, for new ones to be ranked among; fewer where each takes long


@dataclass(frozen=True)
class Judging:
    """How log p(x) of a run is judged.

    Arguments: estimator, its name; num_samples K, or None where it draws nothing; num_examples, the most test examples
    that are judged at the end of a fit, or None for all; ranked, the most validation examples that new ones are ranked
    among.
    """

    estimator: str
    num_samples: int | None = None
    num_examples: int | None = None
    ranked: int = RANKED

    def make(self) -> Estimator:
        return make_estimator(self.estimator, self.num_samples)


def default_estimator(model: Model) -> str:
    """The tightest quick estimate of log p(x) that a model has: exact, else IWAE, else the ELBO."""
    return "exact" if "exact" in model.gives else "iwae" if "log_w" in model.gives else "elbo"


def make_estimator(name: str, num_samples: int | None = None, options: Mapping[str, Any] | None = None) -> Estimator:
    """The named estimator.

    Arguments: num_samples, only where it takes one; options, {"estimator.KEY": value} as on the command line.
    """
    cls = lookup("estimator", name)
    arguments = estimator_arguments(name, options or {})
    if num_samples is None:
        return cls(**arguments)
    if arguments.get("num_samples", num_samples) != num_samples:
        raise RequestError(
            f"estimator.num_samples came as {arguments['num_samples']} and --num-samples as {num_samples}; give one."
        )
    try:
        return cls(**arguments | {"num_samples": num_samples})
    except TypeError as error:
        raise RequestError(f"The estimator {name!r} draws no samples; leave --num-samples out.") from error
