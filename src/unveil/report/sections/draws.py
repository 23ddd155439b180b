"""What a z stands for: draws of x at one z, decoded z of one x, and what lies between two z."""

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor

from ...model import stands_for_x
from ...ops import keyed
from ...panels import Strip
from ...use.show import batch_x, interpolate, likely_labels, posterior_z
from ..exhibits import Group
from ..subject import Subject
from . import section

EXAMPLES, DRAWS = 3, 9
PATHS, STEPS = 5, 10


@section("one-z", order=50)
def draws(subject: Subject) -> Group | None:
    """Draws of p(x|z) at one z and, where z is real, decoded draws of q(z|x) at one x; of a model of images."""
    if not subject.domain.picture.is_image or not stands_for_x(subject.model):
        return None
    of_x = Strip(
        "",
        "A z stands for a whole distribution of x. The first image of each row is the mean E[x|z] at one z. The others "
        "are draws x ~ p(x|z) at the same z. They differ by noise that p(x|z) takes to be independent in each "
        "dimension.",
        one_z_many_x(subject),
        led=True,
    )
    if not subject.has_real_z:
        return Group("One z, many x", "", [of_x])
    of_z = Strip(
        "",
        Markup(
            "An x does not fix its z. The first image of each row is a test example x. The others are E[x|z] at draws "
            '<span class="f">z ~ q(z|x)</span>. Where they differ, the model is unsure what it has seen.'
        ),
        one_x_many_z(subject),
        led=True,
    )
    return Group("One z, many x – one x, many z", "", [of_x, of_z])


@torch.no_grad()
def one_z_many_x(subject: Subject) -> Tensor:
    """[N, 1 + S, *shape]: E[x|z] and draws x ~ p(x|z), at the posterior mean z of each of N test examples."""
    split = subject.test.spread(EXAMPLES)
    p = subject.model.decode(posterior_z(subject.run, split), likely_labels(subject.run, split))
    with keyed("report", "one z"):
        drawn = p.sample(torch.Size((DRAWS,)))
    return torch.cat([p.mean.unsqueeze(1), drawn.movedim(0, 1)], 1)


@torch.no_grad()
def one_x_many_z(subject: Subject) -> Tensor:
    """[N, 1 + S, *shape]: x, and E[x|z] at draws z ~ q(z|x)."""
    split = subject.test.spread(EXAMPLES)
    y = likely_labels(subject.run, split)
    with keyed("report", "one x"):
        z, _ = subject.model.posterior(split.batch(torch.arange(len(split), device=split.x.device))).draw(DRAWS)
    means = subject.model.decode(z, y).mean.movedim(0, 1)
    return torch.cat([torch.from_numpy(np.asarray(batch_x(split))).to(means).unsqueeze(1), means], 1)


@section("paths", order=60)
def between(subject: Subject) -> Group | None:
    """Decoded paths between pairs of test images, where z is real."""
    if not (subject.domain.picture.is_image and subject.has_real_z and len(subject.test) > 1):
        return None
    words = Markup(
        "Each row follows a straight line from the {} of one test example to that of another and shows E[x|z] on the "
        "way: "
        '<span class="f">z<sub>t</sub> = (1 − t)·z<sub>a</sub> + t·z<sub>b</sub></span>. If the images between look '
        "like data, the space of z has few holes."
    ).format("z" if subject.dimensions is None else "posterior mean")
    paths = interpolate(subject.run, num_paths=PATHS, num_steps=STEPS)
    return Group("Paths between examples", words, [Strip("", "", torch.from_numpy(paths))])
