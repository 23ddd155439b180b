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
    r"\DKL": r"D_{\operatorname{KL}}",
    r"\ELBO": r"\operatorname{ELBO}",
    r"\argmax": r"\operatorname{argmax}",
    r"\E": r"\mathbb{E}",
    r"\N": r"\mathcal{N}",
    r"\given": r"\mid ",
    r"\|": r"\Vert ",
}
SHORT = re.compile("|".join(re.escape(name) + r"(?![A-Za-z])" for name in SPELLED))
NAMES = re.compile(r"<mo>([A-Za-z]{2,})</mo>")  # of functions, which are no operators and need no space around them
LOG = re.compile(r'<mi>(log|exp)</mi>(?!<mo stretchy="false">&#x00028;|<mo stretchy="true"|<mrow><mo stretchy="true")')
# A brace under a term is drawn by the style sheet: browsers stretch the sign itself well with few fonts.
BRACE = {"<munder><munder><mrow>": '<munder><mrow class="braced">', "</mrow><mo>&#x23DF;</mo></munder>": "</mrow>"}
SIGN = re.compile(r"<mrow><mo>(&#x0002B;|&#x02212;)</mo>")  # before a number, not between two


@functools.cache
def mathml(tex: str, display: Display = "inline") -> Markup:
    r"""The MathML of a formula; `\KL`, `\DKL`, `\ELBO`, `\E`, `\N` and `\given` are short for what is used most."""
    found = convert(SHORT.sub(lambda name: SPELLED[name.group()], tex), display=display)
    for drawn, styled in BRACE.items():
        found = found.replace(drawn, styled)
    found = NAMES.sub(r"<mi>\1</mi>", found)
    found = LOG.sub(r'<mi>\1</mi><mspace width="0.17em"/>', found)
    return Markup(SIGN.sub(r'<mrow><mo lspace="0" rspace="0">\1</mo>', found))
