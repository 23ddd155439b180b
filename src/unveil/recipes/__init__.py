"""One function per number to be reached: published ones, and our own ladder of budgets; `unveil reproduce NAME`."""

from __future__ import annotations

from .base import Goal, Recipe, all_recipes, find, recipe
from .outcome import Attempt, Reproduction
from .seeds import reproduce

__all__ = ["Attempt", "Goal", "Recipe", "Reproduction", "all_recipes", "find", "recipe", "reproduce"]
