"""The report of a run: one HTML file that opens without a network."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..languages import checked
from ..runs.store import RunStore

if TYPE_CHECKING:
    from .explorer.server import Server


def write_report(run: RunStore, lang: str = "en") -> Path:
    """Write report.html into the run's directory and return its path; the same run gives the same bytes."""
    from .page import page

    return run.write_report(page(run, lang))


def explorer_of(run: RunStore, port: int = 0, lang: str = "en") -> Server:
    """The server of a run's explorer, which does not answer yet; its page is in one of the languages."""
    from .explorer.serve import server_of

    return server_of(run, port, lang)


def serve_explorer(run: RunStore, *, port: int, open: bool, lang: str, tell: Callable[[str], None]) -> None:
    """Serve the explorer until Ctrl-C; `tell` is given the address, which `open` opens in a browser."""
    checked(lang)
    run.require_present()
    with explorer_of(run, port, lang) as server:
        tell(server.address)
        if open:
            webbrowser.open(server.address)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
