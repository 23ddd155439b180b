"""Words and pictures: what a text paints, what a picture says, and the five distributions of one example in numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ...batch import Batch
from ...data import Split
from ...data.pairs import TEXT
from ...domain.text import decode
from ...evaluation.jointly import closest, complete, showing
from ...ops import keyed
from ...panels import Panel, Strip
from ...use.both import describe_batch, image_of, pictures_of
from ..exhibits import Group, Table
from ..rounding import fixed, shortened
from ..subject import Subject
from ..wordmap import where_both_stand
from ..wordorder import word_order
from . import section

PAINTED, DRAWN = 4, 7  # texts, and pictures that are drawn of each
DESCRIBED, TEXTS = 8, 3  # pictures, and texts that are said of each
DRAWS, LONGEST = 200, 60  # of each estimate; characters of a text


@section("words", order=32)
def words(subject: Subject) -> Group | None:
    """Of a model of pictures and texts."""
    if subject.domain.parts is None or TEXT not in subject.domain.places:
        return None
    test = complete(subject.test.to("cpu"), subject.domain)
    if not len(test):
        return None
    chosen = test.spread(DESCRIBED)
    texts = texts_of(subject, test)
    parts: list[Panel] = [
        _painted(subject, chosen),
        _described(subject, chosen),
        *word_order(subject, test, texts),
        where_both_stand(subject, test, texts),
        _five(subject, chosen),
    ]
    return Group("Words and pictures", "", parts)


def texts_of(subject: Subject, split: Split) -> list[str]:
    """The text of each example."""
    codes = split.x[:, subject.domain.places[TEXT]].float().numpy()
    return decode(codes, subject.domain.part(TEXT).alphabet or "")


def _painted(subject: Subject, split: Split) -> Panel:
    """Pictures of some texts: the mean first."""
    texts = list(dict.fromkeys(texts_of(subject, split)))[:PAINTED]
    rows = [torch.from_numpy(pictures_of(subject.run, text, 1 + DRAWN, mean=True)) for text in texts]
    said = (
        "Each row is one text of the test set. The first picture is E[picture|text]: what all pictures of the text "
        "have in common. The others are E[picture|z] at draws z ~ p(z|text): one text, many pictures."
    )
    return Strip("From a text to pictures", said, rows, [shortened(text, LONGEST) for text in texts], led=True)


def _described(subject: Subject, split: Split) -> Panel:
    """Texts of some pictures, likeliest first, beside their own."""
    rows = []
    pictures = []
    own = texts_of(subject, split)
    for i in range(len(split)):
        batch = split.batch(torch.tensor([i]))
        told = describe_batch(subject.run, batch, TEXTS, seed=0, num_samples=DRAWS)
        said = [f"{shortened(t, LONGEST)} ({fixed(p, 1)})" for t, p in zip(told.texts, told.log_p, strict=True)]
        rows.append("\n".join([f"“{shortened(own[i], LONGEST)}”", *said]))
        pictures.append(batch.x)
    words = (
        "Below each test picture stands its own text in quotes. Then come the likeliest texts that the model says of "
        "the picture alone, with log p(text|picture) in nats."
    )
    return Strip("From a picture to texts", words, [torch.cat(pictures)], captions=[rows], columns=4)


def _five(subject: Subject, split: Split) -> Panel:
    """log p of the first example: of both, of each, of one given the other, and of z."""
    one, domain, model = split.take(torch.tensor([0])), subject.domain, subject.model
    image = image_of(domain)
    seen = {names: showing(one, domain, names) for names in ((image, TEXT), (image,), (TEXT,))}
    log_p = {
        names: float(closest(model, own, ("iwae", "prior")[: 3 - len(names)], DRAWS)[0].log_px[0])
        for names, own in seen.items()
    }
    both, picture, text = log_p[image, TEXT], log_p[(image,)], log_p[(TEXT,)]
    z, q, at_z = _at_mean(subject, seen[image, TEXT])
    given_z = sum(own for _, own in at_z)
    rows = [
        ("p(x), x being picture and text", fixed(both)),
        ("p(z) at the mean z of q(z|x)", fixed(z)),
        *((f"p({name}|z) there", fixed(own)) for name, own in at_z),
        ("p(x|z) = p(picture|z) p(text|z) there", fixed(given_z)),
        ("p(x, z) = p(z) p(x|z) there", fixed(z + given_z)),
        ("p(z|x) = p(x, z) / p(x) there", fixed(z + given_z - both)),
        ("q(z|x), which stands in for it, there", fixed(q)),
        ("p(picture)", fixed(picture)), ("p(text)", fixed(text)),
        ("p(picture|text) = p(x) / p(text)", fixed(both - text)),
        ("p(text|picture) = p(x) / p(picture)", fixed(both - picture)),
    ]  # fmt: skip
    told = texts_of(subject, one)[0]
    words = (
        f"All of one test example, “{shortened(told, LONGEST)}”, in nats. Both together less each alone is what "
        f"picture and text have in common: {fixed(both - picture - text)} nats. p(x), p(picture), p(text), and what is "
        f"made of them, are estimates with {DRAWS} draws."
    )
    return Table("The distributions of one example", words, ["", "log p"], rows)


@torch.no_grad()
def _at_mean(subject: Subject, split: Split) -> tuple[float, float, list[tuple[str, float]]]:
    """log p(z), log q(z|x), and log p of each modality given z, at the mean of q(z|x) of one example."""
    batch: Batch = split.batch(torch.tensor([0])).to(subject.run.device)
    with keyed("report", "five"):
        posterior = subject.model.posterior(batch)
        means = posterior.mean
        z: tuple[Tensor, ...] = subject.model.infer(batch).z if means is None else tuple(m.unsqueeze(0) for m in means)
        terms, log_q = subject.model.joint(batch, z), posterior.log_prob(z)
    named = {"image": "picture"}
    each = [(named.get(name, name), float(own[0, 0])) for name, own in terms.parts.items()]
    return float(terms.log_pz.sum()), float(log_q.sum()), each
