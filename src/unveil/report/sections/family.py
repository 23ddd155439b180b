"""Only in this family: what the model shows of itself."""

from ..exhibits import Group
from ..subject import Subject
from . import section


@section("own", order=90)
def family(subject: Subject) -> Group | None:
    """The panels of the model in the order it gives them, where it gives any."""
    panels, name = subject.panels(), subject.family
    article = "an" if name[0] in "aeiouh" else "a"
    return Group(f"Only in {article} {name}", "", panels) if panels else None
