"""What texts ask of a fit: those of the source for a model that takes nothing else, latents as long as vectors."""

from dataclasses import replace
from typing import Any

from ..data import Data
from ..data.pairs import OWN
from ..errors import RequestError
from ..registry import lookup
from ..settings.choices import Choices


def with_own_texts(choices: Choices, text: Any, of_vectors: bool = False) -> Choices:
    """The choices with the source's own texts, where a model of texts is asked for and none are told or given.

    Where texts came and no model was asked for, it is joint, unless z is their vectors.
    """
    came = bool(choices.data.text) or text is not None
    if choices.open_model and came and not of_vectors:
        return replace(choices, names=choices.names | {"model": "joint"})
    name = choices.names.get("model", "")
    is_joint = bool(name) and getattr(lookup("model", name), "domains", ()) == ("joint",)
    if is_joint and of_vectors:
        raise RequestError(
            "z came as the vectors of texts, and joint has a z of its own.", "Give --model vae, or leave data.z out."
        )
    if name and not is_joint and not of_vectors and came:
        raise RequestError(
            f"{name} is a model of one modality, and texts came.", "Give --model joint, or leave the texts out."
        )
    if not is_joint or came:
        return choices
    return replace(choices, values=choices.values | {"data": choices.values.get("data", {}) | {"text": OWN}})


def as_long_as_vectors(choices: Choices, data: Data) -> Choices:
    """The choices with as many latents as the known vectors of texts have numbers, unless their number is given."""
    own = choices.values.get("model", {})
    if data.known_texts is None or "latent" in own:
        return choices
    model = own | {"latent": data.known_texts.z.shape[1]}
    return replace(choices, values=choices.values | {"model": model})
