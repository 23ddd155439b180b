"""How Sphinx builds the site: one configuration for two trees, docs/en and docs/zh, of which `-D language=` names one.

    sphinx-build -c docs -W -n docs/en docs/_build/en
    sphinx-build -c docs -W -n -D language=zh_CN docs/zh docs/_build/zh

Nothing is fetched, neither while it builds nor by the pages: MathJax is copied, the lists of other projects' names
(`inventories/`) lie here, and the fonts are those of the reader's system.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]

from inventories import written_inventories

import unveil

project, author, copyright = "unveil", "the authors of unveil", "the authors of unveil, Apache-2.0"
version = release = unveil.__version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "bigrams",
    "docstrings",
    "generated",
    "twins",
    "mathjax",
]
source_suffix = {".md": "markdown"}
templates_path = ["_templates"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["intersphinx.external"]
maximum_signature_line_length = 88

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
default_role = "literal"
smartquotes = False  # --seed is no dash

intersphinx_mapping = written_inventories(HERE / "inventories", HERE / "_build" / "inventories")
intersphinx_disabled_reftypes = ["std:doc"]
# Types in signatures that have no page: of other projects, what `inventories/` does not list; of ours, what no reader
# constructs. A name in the text of a page is never excused.
nitpick_ignore_regex = [("py:(class|obj|data|exc|attr|meth|func)", r"(?!unveil\.(?:fit|load|Run|Domain)$).*")]

html_theme = "furo"
html_title = "unveil"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it would read pages by `fetch`, which browsers refuse to pages opened from a folder
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
