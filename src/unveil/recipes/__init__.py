"""One function per number to be reached: published ones, and our own ladder of budgets; `unveil reproduce NAME`.

It may import `api` and what is below it. A new recipe is one function with the decorator `recipe`, and its row in
docs/en/measurements/recipes.md.
"""

from .base import Goal, Recipe, all_recipes, find, recipe
from .outcome import Attempt, Reproduction
from .seeds import reproduce

__all__ = ["Attempt", "Goal", "Recipe", "Reproduction", "all_recipes", "find", "recipe", "reproduce"]
