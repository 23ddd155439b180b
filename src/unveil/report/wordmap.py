"""Where pictures and texts stand in z: a point for what each says alone."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import Split
from ..data.pairs import TEXT
from ..data.rowblocks import blocks
from ..evaluation.jointly import showing
from ..ops import keyed
from ..use.both import image_of
from .charts import axis, class_colour, figure, points
from .exhibits import Plot
from .planes import principal_components
from .rounding import fixed, shortened
from .subject import Subject

POINTS = 300  # examples of which both are shown
DRAWS = 64  # of z given a text
LONGEST = 40  # characters of a text


def where_both_stand(subject: Subject, split: Split, texts: list[str]) -> Plot:
    """Means of q(z|picture) and of q(z|text) of the same examples, on the first two components of the former."""
    few = split.spread(POINTS)
    chosen = dict(zip(split.rows.tolist(), texts, strict=True))
    names = [shortened(chosen[row], LONGEST) for row in few.rows.tolist()]
    image = image_of(subject.domain)
    picture, of_picture = _moments(subject, showing(few, subject.domain, (image,)))
    text, of_text = _moments(subject, showing(few, subject.domain, (TEXT,)))
    D = picture.shape[1]
    scores, share = principal_components(torch.cat([picture, text])) if D > 2 else (torch.cat([picture, text]), 1.0)
    xy = scores if D > 1 else torch.cat([scores, torch.cat([of_picture, of_text])], 1)
    N = len(few)
    traces = [
        points(
            xy[:N, 0], xy[:N, 1], class_colour(0, 2), "pictures", size=5.5, opacity=0.7, hover="%{text}", text=names
        ),
        points(xy[N:, 0], xy[N:, 1], class_colour(1, 2), "texts", size=5.5, opacity=0.7, hover="%{text}", text=names),
    ]
    vague = float((of_text.log().mean() - of_picture.log().mean()).exp())
    words = (
        "A point stands for the mean of q(z|picture) or of q(z|text) of one test example. On average a text leaves z "
        f"{fixed(vague, 1)} times as wide as a picture does: many pictures go with one text. Point at one to read the "
        "text."
    )
    titles = ("first principal component", "second principal component") if D > 2 else ("z₁", "z₂")
    if D > 2:
        words += f" The axes hold {100 * share:.0f} % of the variance of the means."
    plotted = figure(traces, axis(titles[0]), axis(titles[1]), 460, showlegend=True, hovermode="closest")
    return Plot("Where pictures and texts stand", words, "wordmap", plotted)


@torch.no_grad()
def _moments(subject: Subject, split: Split) -> tuple[Tensor, Tensor]:
    """The means and standard deviations [N, D] of z given what is shown; of draws, where q has none in closed form."""
    means, stddevs = [], []
    for block in blocks(len(split), size=100):
        with keyed("report", "words", block.first):
            posterior = subject.model.posterior(split.expected(block.rows).to(subject.run.device))
            mean, stddev = posterior.mean, posterior.stddev
            if mean is None or stddev is None:
                (z,), _ = posterior.draw(DRAWS)
                mean, stddev = (z.mean(0),), (z.std(0),)
        means.append(mean[0][: block.keep].cpu())
        stddevs.append(stddev[0][: block.keep].cpu())
    return torch.cat(means), torch.cat(stddevs)
