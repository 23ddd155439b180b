"""One file a chapter; `ORDER` is the order of the page, by anchors."""

from collections.abc import Callable

from ..words import Chapter
from . import (
    chain,
    compromise,
    encdec,
    five,
    gradient,
    identity,
    integral,
    jensen,
    kl,
    many,
    mean,
    mle,
    montecarlo,
    prior,
    sigma,
    slips,
    steps,
    structure,
    texts,
    why,
)

ORDER: dict[str, Callable[[float], Chapter]] = {
    "five": five.chapter,
    "why": why.chapter,
    "integral": integral.chapter,
    "chain": chain.chapter,
    "jensen": jensen.chapter,
    "identity": identity.chapter,
    "kl": kl.chapter,
    "montecarlo": montecarlo.chapter,
    "gradient": gradient.chapter,
    "encdec": encdec.chapter,
    "mle": mle.chapter,
    "prior": prior.chapter,
    "sigma": sigma.chapter,
    "mean": mean.chapter,
    "compromise": compromise.chapter,
    "structure": structure.chapter,
    "many": many.chapter,
    "text": texts.chapter,
    "steps": steps.chapter,
    "slips": slips.chapter,
}
