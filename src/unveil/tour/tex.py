"""Formulas in TeX as MathML, which a browser shows by itself."""

from __future__ import annotations

import functools
import re
from typing import Literal

from latex2mathml.converter import convert
from markupsafe import Markup

Display = Literal["inline", "block"]
# Spelled so that MathML has one element for each: a function's name, a bar with the space of a relation, two bars.
SPELLED = {
    r"\KL": r"\operatorname{KL}",
    r"\ELBO": r"\operatorname{ELBO}",
    r"\E": r"\mathbb{E}",
    r"\N": r"\mathcal{N}",
    r"\given": r"\mid ",
    r"\|": r"\Vert ",
}
SHORT = re.compile("|".join(re.escape(name) + r"(?![A-Za-z])" for name in SPELLED))
ABOVE = re.compile(r'<munder><mo>(arg )?(max|min)</mo>')


@functools.cache
def mathml(tex: str, display: Display = "inline") -> Markup:
    r"""The MathML of a formula; `\KL`, `\ELBO`, `\E`, `\N` and `\given` are short for what the tour uses most."""
    return Markup(convert(SHORT.sub(lambda found: SPELLED[found.group()], tex), display=display))
