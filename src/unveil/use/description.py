"""What a picture shows, in texts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """Texts of one picture, likeliest first.

    Arguments: texts; log_p, log p(text|picture) of each in nats; stderr, the errors of these estimates; file, the path
    of the picture in a folder, or "".
    """

    texts: tuple[str, ...]
    log_p: tuple[float, ...]
    stderr: tuple[float, ...]
    file: str = ""
