"""Emoji: small colour pictures with a tree of meanings above them."""

import hashlib
import json
import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import RequestError
from ..registry import register
from .archives import Archive, Bytes
from .raw import Raw, encode_labels
from .texts import Written, written

TEXTS, PINNED = "emoji_texts", "3425daacc6a73bec87f947188e1d6804b39deb44de9c5995026ff4d8f5772256"
MADE_OF = (
    "It holds for each picture, in their order, names and keywords in English and Chinese of Unicode CLDR 48.2.0; "
    "without it the pictures have no texts."
)


@register("source", "emoji")
class Emoji:
    """3,394 emoji on white, 32×32×3, 256 levels, with the groups and subgroups of Unicode.

    The label is the group; the factors are `subgroup` and `base`, as codes. One base makes up to 26 pictures,
    alike but for their skin tones, so splits keep the rows of a base together.

    References: Noto Emoji (https://github.com/googlefonts/noto-emoji), the pictures; Unicode emoji-test.txt 15.0, the
    groups.
    """

    summary: ClassVar[str] = (
        "3,394 emoji on white, 32×32×3, 256 levels, in 9 groups and 97 subgroups; skin tones of one emoji stay in one "
        "split; from $UNVEIL_DATA"
    )
    archive: ClassVar[Archive] = Archive(
        "emoji",
        {
            "images": "9e85a4372484f3e4493a968f5ab00bdd00fa89cfe6932ad1df2ac20bc185acf5",
            "groups": "f30cf91040cb928dde0afbf5ec1739e68dc142bb02fba72f29f510701f502fd9",
            "subgroups": "9298067c3527ffeaa0e5708f68299d0339195d7f267c2a4dcbcb74dc308f0eeb",
            "base": "7df2bbe366c8f33ee0972303b4bb431d8fcbe5674a6db6a029def4d7f9252615",
        },
        "images [N, 32, 32, 4] being png/32 of https://github.com/googlefonts/noto-emoji as RGBA, in the order of the "
        "fully-qualified emoji of Unicode's emoji-test.txt 15.0, and base the same number for one emoji in all its "
        "skin tones",
    )

    def read(self) -> Raw:
        held = self.archive.read()
        texts = _texts(len(held["groups"]))
        y, groups = encode_labels(held["groups"])
        subgroup, _ = encode_labels(held["subgroups"])
        base = held["base"].astype(np.int64)
        factors = {"subgroup": subgroup, "base": base}
        return Raw("emoji", on_white(held["images"]), y, groups, factors=factors, together=base, texts=texts)


def _texts(num: int) -> Written | None:
    """The English name of each emoji, its Chinese name, and the keywords in both languages; None without the file."""
    path = Path(os.environ["UNVEIL_DATA"]) / f"{TEXTS}.json"
    if not path.is_file():
        return None
    held = path.read_bytes()
    if hashlib.sha256(held).hexdigest() != PINNED:
        raise RequestError(f"{path} is not the file that this version knows.", MADE_OF)
    found = json.loads(held)
    if len(found) != num:
        raise RequestError(f"{path} holds texts of {len(found):,} emoji, and there are {num:,} pictures.")
    told = []
    for each in found:
        names = [each[language]["name"] for language in ("en", "zh")]
        words = [word for language in ("en", "zh") for word in each[language]["keywords"]]
        told.append(tuple(dict.fromkeys(filter(None, (*names, *words)))))
    return written(told, num)


def on_white(images: Bytes) -> Bytes:
    """(α·colour + (255 − α)·255) / 255, rounded, [N, H, W, 3], of RGBA [N, H, W, 4]."""
    colour, alpha = images[..., :3].astype(np.uint32), images[..., 3:].astype(np.uint32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
