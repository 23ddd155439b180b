"""The verb explore."""

import sys
from typing import Annotated

from ..languages import checked
from .app import Lang, Plugin, RunPath, count, switch, verb
from .shared import answer, open_run


@verb("unveil explore runs/digits-vae-1 --open")
def explore(
    run: RunPath,
    port: Annotated[int, count("P", "Listen on this port; default: any that is free.", min=0, max=65535)] = 0,
    open: Annotated[bool, switch("--open", "Open it in the browser.")] = False,
    lang: Lang = "en",
    plugin: Plugin = None,
) -> None:
    """Move about in z by hand. Serves the explorer on this machine alone, and prints its address; Ctrl-C ends it."""
    checked(lang)
    open_run(run, plugin).explore(port=port, open=open, lang=lang, tell=told)


def told(address: str) -> None:
    """The address on standard output, and how to use it."""
    from ..output.streams import say

    answer(address)
    sys.stdout.flush()
    say(["Open this address in a browser. Ctrl-C ends it."])
