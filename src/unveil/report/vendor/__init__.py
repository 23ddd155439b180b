"""What a page takes from elsewhere as it is: plotly.js with the traces of two axes (4.1.1, MIT, `plotly-LICENSE.txt`).

The file is plotly.js-cartesian-dist-min's `plotly-cartesian.min.js`, compressed; `SHA256` is that of its text. It draws
scatter, bar, heatmap, histogram and contour, among others, and is a third of the whole library.
"""

import gzip
from functools import cache
from pathlib import Path

SHA256 = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"


@cache
def plotly() -> str:
    """The script that draws the figures of a page."""
    packed = (Path(__file__).parent / "plotly-cartesian.min.js.gz").read_bytes()
    return gzip.decompress(packed).decode("utf-8")
