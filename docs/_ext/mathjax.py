"""MathJax from the reader's own disk: the files that show TeX are copied from an installed package into the site."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "sphinx-mathjax-offline"
NEEDED = ("tex-chtml.js", "output/chtml", "input/tex", "a11y/assistive-mml.js", "ui")  # without speech: 20 MB less


def setup(app: Any) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("build-finished", copied)
    return {"parallel_read_safe": True}


def copied(app: Any, exception: Exception | None) -> None:
    """Copy what is needed into `_static/mathjax`."""
    found = find_spec(PACKAGE)
    if exception is not None or app.builder.format != "html" or found is None or found.origin is None:
        return
    source, target = Path(found.origin).parent / "static" / "mathjax", Path(app.outdir) / "_static" / "mathjax"
    for name in NEEDED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target / name)
