"""The verb reproduce."""

from pathlib import Path
from typing import Annotated

from ..errors import RequestError
from .app import Json, Minutes, Plugin, Steps, argument, count, option, switch, verb
from .shared import load_plugin, numbers, print_json, refuse_beside

RECIPES = "unveil-recipes-1"


@verb("unveil reproduce mnist-vae --seeds 0")
def reproduce(
    name: Annotated[str | None, argument("NAME", "Name of a recipe; without it, all are listed.")] = None,
    seeds: Annotated[str | None, option("N or N,N", "How many seeds (3), or which (0,4; one alone: 4,).")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    limit: Annotated[int | None, count("N", "Judge only N test examples, drawn from all over them.")] = None,
    out: Annotated[Path | None, option("DIR", "Directory, new or begun; default runs/reproduce-NAME.")] = None,
    list_: Annotated[bool, switch("--list", "List the recipes and their numbers.")] = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Reach a published number. Each seed is trained and judged on the test set; the difference is printed."""
    chosen = None if seeds is None else seeds_of(seeds)
    if list_ and name is not None:
        raise RequestError(f"Both --list and the recipe {name!r} came; give one of them.")
    if name is None:
        refuse_beside("without the name of a recipe", seeds=seeds, out=out, limit=limit, steps=steps, minutes=minutes)
    load_plugin(plugin)
    if name is None:
        show_recipes(as_json)
        return
    from ..output.streams import print_tried
    from ..recipes import reproduce as reproduce_recipe
    from ..recipes.outcome import HEADS

    found = reproduce_recipe(name, seeds=chosen, steps=steps, minutes=minutes, limit=limit, out=out, show=True)
    print_json(found.to_json()) if as_json else print_tried(found.rows(), HEADS, found.lines())


def seeds_of(text: str) -> int | list[int]:
    """ "3" is a number of seeds, "0,4" are seeds, "4," is one."""
    found = numbers(text, int, "--seeds")
    return list(found) if "," in text else found[0]


def show_recipes(as_json: bool) -> None:
    from ..output.streams import print_lines, print_rows
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
    note = "−log p(x) per test example; hours for one seed on two cores. To reproduce one: unveil reproduce NAME"
    print_lines(["", note])
