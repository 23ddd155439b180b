"""The directive `generated`: a part of a page that is made from the code while the site is built.

    ```{generated} keys
    ```

Each name is a function of `made`, which gives Markdown in the language of the tree.
"""

from __future__ import annotations

from typing import Any

import made
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from twins import tree


class Generated(SphinxDirective):
    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        name, *rest = self.arguments
        text = made.PARTS[name](tree(self.env.app), *rest)
        self.env.note_reread()  # the code may have changed though the page has not
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True}
