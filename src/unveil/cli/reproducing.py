"""The verb reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..errors import RequestError
from .app import Json, Minutes, Plugin, Steps, argument, option, switch, verb
from .shared import load_plugin, positive, print_json, refuse_beside, whole

RECIPES = "unveil-recipes-1"


@verb("unveil reproduce mnist-vae --seeds 0")
def reproduce(
    name: Annotated[str | None, argument("NAME", "A recipe; without it, all are listed.")] = None,
    seeds: Annotated[str | None, option("N or N,N", "So many seeds, or these (one: 4,).")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    limit: Annotated[str | None, option("N", "Judge only the first N test examples.")] = None,
    out: Annotated[Path | None, option("DIR", "Default runs/reproduce-NAME; gone on with.")] = None,
    list_: Annotated[bool, switch("--list", "The recipes, and their numbers.")] = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Reach a published number. Trains each seed, judges it on the test set, and says how far off it is."""
    budget: dict[str, Any] = {
        "steps": None if steps is None else whole(steps, "--steps", 1),
        "minutes": None if minutes is None else positive(minutes, "--minutes"),
    }
    count = None if limit is None else whole(limit, "--limit", 1)
    chosen = None if seeds is None else seeds_of(seeds)
    if list_ and name is not None:
        raise RequestError(f"Both --list and the recipe {name!r} came; give one of them.")
    if name is None:
        refuse_beside("a list of recipes", seeds=seeds, out=out, limit=count, **budget)
    load_plugin(plugin)
    if name is None:
        show_recipes(as_json)
        return
    from ..output.sentences import print_tried
    from ..recipes import reproduce as reproduce_recipe
    from ..recipes.result import HEADS

    found = reproduce_recipe(name, seeds=chosen, limit=count, out=out, show=True, **budget)
    print_json(found.to_json()) if as_json else print_tried(found.rows(), HEADS, found.lines())


def seeds_of(text: str) -> int | list[int]:
    """ "3" is a number of seeds, "0,4" are seeds, "4," is one."""
    if "," not in text:
        return whole(text, "--seeds", 1)
    return [whole(word.strip(), "--seeds") for word in text.split(",") if word.strip()]


def show_recipes(as_json: bool) -> None:
    """Every recipe with its number."""
    from ..output.sentences import print_lines, print_rows
    from ..recipes import all_recipes
    from ..recipes.base import budget_words

    found = all_recipes().values()
    if as_json:
        print_json({"format": RECIPES, "recipes": [recipe.to_json() for recipe in found]})
        return
    rows = [
        (r.name, f"{r.goal.nll:.2f}", r.goal.kind, budget_words(r.options), f"{r.hours:.2g} h", r.title, r.goal.source)
        for r in found
    ]
    print_rows(rows, ("recipe", "nats", "", "budget", "about", "what", "stated by"))
    note = "−log p(x) per test example; hours are of one seed on two cores. To reach one: unveil reproduce NAME"
    print_lines(["", note])
