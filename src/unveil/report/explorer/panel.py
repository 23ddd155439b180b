"""The explorer as a part of a page: alone in a report, or with a server behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import RequestError
from ...languages import ENGLISH, Tongue
from ...legible import quoted
from ..exhibits import Group, Html
from ..page import rendered
from ..subject import Subject
from .functions import DRAWS, Functions
from .scene import TILES, Scene, scene_of
from .words import WORDS

SCRIPTS = ("explorer/program.js", "explorer/explorer.js")


def alone(subject: Subject) -> Group | None:
    """The explorer of a report; None where x has no latents that are real numbers."""
    scene = scene_of(subject)
    if scene is None:
        return None
    data, found = scene.with_programs(subject)
    if not found.each:
        why = found.missing["decode"]
        because = "too_large" if "MB" in why else "many_labels" if "labels" in why else "unknown_steps"
        data["why"] = {"template": "tiles" if "tiles" in data else "none", "because": because, "count": TILES**2}
    return _group(subject, scene, data)


def scene_to_serve(subject: Subject) -> Scene:
    """The scene of a run that has one; others are refused."""
    scene, name = scene_of(subject), subject.run.config.model_name
    if scene is None and not subject.model.groups:
        raise RequestError(f"{name} has no latents, so there is no z to move in.", "Fit one that has some: --model vae")
    if scene is None:
        raise RequestError(
            f"The latents of {name} are no real numbers that x is decoded from, so there is nothing to move between.",
            f"Look at its samples instead: unveil report {quoted(subject.run.path)} --open",
        )
    return scene


def served(subject: Subject, scene: Scene, server: Mapping[str, Any], tongue: Tongue = ENGLISH) -> str:
    """The HTML of the explorer by itself, which asks a server.

    Arguments: server, its token and the layouts of its answers; tongue, the language of the page.
    """
    sections = {"explorer": _group(subject, scene, {**scene.data, "server": dict(server)})}
    return rendered("explore.html", sections, subject.paint, (), tongue, connects=True, subject=subject)


def command(subject: Subject) -> str:
    """What serves the explorer of this run."""
    return f"unveil explore {quoted(subject.run.path)}"


def _group(subject: Subject, scene: Scene, data: dict[str, Any]) -> Group:
    functions: Functions = scene.functions
    data = {**data, "draws": DRAWS, "command": command(subject), "whole": functions.space.is_whole}
    values = {"words": WORDS, "data": data}
    return Group(WORDS["title"], WORDS["lead"], [Html("", "", "explorer/explorer.html", values, scripts=SCRIPTS)])
