"""Paths between examples: what lies on the straight line from one z to another."""

from __future__ import annotations

import torch
from markupsafe import Markup

from ...panels import Strip
from ...use.show import interpolate
from ..exhibits import Group
from ..subject import Subject
from . import section

PATHS, STEPS = 5, 10


@section("paths", order=60)
def between(subject: Subject) -> Group | None:
    """Decoded paths between pairs of test images, where z is real."""
    if not (subject.domain.is_image and subject.has_real_z and len(subject.test) > 1):
        return None
    words = Markup(
        "Each row follows a straight line from the {} of one test example to that of another and shows E[x|z] on the "
        "way: "
        '<span class="f">z<sub>t</sub> = (1 − t)·z<sub>a</sub> + t·z<sub>b</sub></span>. If the images between look '
        "like data, the space of z has few holes."
    ).format("z" if subject.dimensions is None else "posterior mean")
    paths = interpolate(subject.run, num_paths=PATHS, num_steps=STEPS)
    return Group("Paths between examples", words, [Strip("", "", torch.from_numpy(paths))])
