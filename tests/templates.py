"""The templates of reports are compiled once in a process, and not for each report that a test writes."""

from __future__ import annotations

from typing import Any

import jinja2


def compile_templates_once() -> None:
    """Code depends on a template's source and its file: all environments of the package are made alike."""
    plain, kept = jinja2.Environment.compile, dict[Any, Any]()

    def compiled(self: jinja2.Environment, source: Any, *names: Any, **options: Any) -> Any:
        key = (source, names, tuple(sorted(options.items())))
        if key not in kept:
            kept[key] = plain(self, source, *names, **options)
        return kept[key]

    jinja2.Environment.compile = compiled  # type: ignore[method-assign]
