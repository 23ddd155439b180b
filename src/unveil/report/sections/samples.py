"""Samples: images that the model makes up beside real ones."""

import torch

from ...panels import Strip
from ...use.sample import sample
from ..exhibits import Group
from ..subject import Subject
from . import section

GRID, COLUMNS = 36, 6


@section("samples", order=30)
def samples(subject: Subject) -> Group | None:
    """A grid of samples and a grid of test examples, of a model of images."""
    if not subject.domain.picture.is_image:
        return None
    real = subject.held_out(GRID)
    drawn = sample(subject.run, len(real), mean=True)
    how = "z ~ p(z), then E[x|z]" if subject.model.groups else "x ~ p(x)"
    grids = [
        Strip(title, "", [torch.from_numpy(x)], columns=COLUMNS)
        for title, x in ((how, drawn), ("x from the test set", real))
    ]
    return Group("Samples", _words(subject), grids, across=2)


def _words(subject: Subject) -> str:
    if not subject.model.groups:
        return (
            "The images on the left are drawn from the model, value after value. Those on the right are "
            f"{subject.some(GRID)}."
        )
    levels = ", and data has whole levels only" if subject.domain.is_discrete else ""
    return (
        "The images on the left come from the model: E[x|z] at z drawn from p(z). Those on the right are "
        f"{subject.some(GRID)}. If both look alike in kind and variety, p(z) and the decoder fit together. The left "
        f"ones look smoother, because they are means{levels}."
    )
