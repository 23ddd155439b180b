"""The explorer: a map of the latent space on which a place is dragged and decoded."""

from ..exhibits import Group
from ..explorer.panel import alone
from ..subject import Subject
from . import section


@section("explorer", order=1)
def explorer(subject: Subject) -> Group | None:
    """Where z is real: what is dragged is decoded in the page, or looked up among decoded tiles."""
    return alone(subject)
