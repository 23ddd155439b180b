"""From a run to a server that answers until it is stopped."""

from __future__ import annotations

import torch

from ...errors import WorkError
from ...runs.store import RunStore
from ..subject import Subject
from ..wording import tongue_of
from .panel import scene_to_serve, served
from .server import HOST, Answers, Server


def server_of(run: RunStore, port: int = 0, lang: str = "en") -> Server:
    """A server for the explorer of a finished run, not yet answering; port 0 takes any that is free."""
    subject = Subject.of(run)
    scene = scene_to_serve(subject)
    answers = Answers(scene.functions, torch.device(run.device))
    try:
        return Server(port, lambda server: served(subject, scene, server, tongue_of(subject, lang)), answers)
    except OSError as error:
        why = error.strerror or error
        raise WorkError(
            f"Port {port} of {HOST} cannot be listened on: {why}.", "Leave --port out: any free one is taken."
        ) from error
