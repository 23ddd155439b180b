"""One file a chapter; `ORDER` is the order of the page, by anchors."""

from collections.abc import Callable

from ..words import Chapter
from . import chain, compromise, encdec, five, gradient, identity, integral, jensen, kl, montecarlo, prior, sigma

ORDER: dict[str, Callable[[float], Chapter]] = {
    "five": five.chapter,
    "integral": integral.chapter,
    "chain": chain.chapter,
    "jensen": jensen.chapter,
    "identity": identity.chapter,
    "kl": kl.chapter,
    "montecarlo": montecarlo.chapter,
    "gradient": gradient.chapter,
    "encdec": encdec.chapter,
    "prior": prior.chapter,
    "sigma": sigma.chapter,
    "compromise": compromise.chapter,
}
