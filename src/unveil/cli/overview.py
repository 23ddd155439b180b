"""The verb list."""

from pathlib import Path
from typing import Annotated

from ..errors import RequestError, nearest
from .app import KINDS, Plugin, argument, verb
from .shared import load_plugin


@verb("unveil list objectives", name="list")
def list_(
    kind: Annotated[str | None, argument("KIND", f"{', '.join(KINDS)}, runs or keys.")] = None, plugin: Plugin = None
) -> None:
    """List parts, runs or keys. Without KIND, all names are printed."""
    if kind is not None and kind not in (*KINDS, "runs", "keys"):
        raise RequestError(f"There is no list of {kind!r}.", nearest(kind, (*KINDS, "runs", "keys")))
    load_plugin(plugin)
    from ..output import lists
    from ..settings.keys import all_keys

    if kind is None:
        lists.print_overview(KINDS)
    elif kind == "runs":
        lists.print_runs(Path("runs"))
    elif kind == "keys":
        lists.print_keys(all_keys())
    else:
        lists.print_parts(kind.removesuffix("s"))
