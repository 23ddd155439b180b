"""Where each formula of the study notes is: note, formula as it stands there, anchor of the chapter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A formula of a note, and the chapter that has it."""

    tex: str
    anchor: str


NOTES: dict[str, list[Place]] = {}
