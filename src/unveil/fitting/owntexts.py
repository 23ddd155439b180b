"""The texts of a source for a model that takes nothing else."""

from dataclasses import replace
from typing import Any

from ..data.pairs import OWN
from ..registry import lookup
from ..settings.choices import Choices


def with_own_texts(choices: Choices, text: Any) -> Choices:
    """The choices with the source's own texts, where a model of texts is asked for and none are told or given."""
    name = choices.names.get("model", "")
    if not name or getattr(lookup("model", name), "domains", ()) != ("joint",) or choices.data.text or text is not None:
        return choices
    return replace(choices, values=choices.values | {"data": choices.values.get("data", {}) | {"text": OWN}})
