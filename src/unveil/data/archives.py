"""Named sources that no mirror serves: one .npz archive in $UNVEIL_DATA, made from the originals and pinned."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import Fact, RequestError
from ..registry import register
from .npyfiles import read_npz
from .raw import Array, Raw, verify

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Archive:
    """An .npz archive that the user puts in $UNVEIL_DATA.

    Arguments:
        name: of the file, without .npz.
        digests: {array: `raw.digest` of it}.
        made_of: what the arrays are made of and how, for those who have to make them.
    """

    name: str
    digests: Mapping[str, str]
    made_of: str

    def read(self) -> dict[str, Array]:
        given = os.environ.get("UNVEIL_DATA")
        path = Path(given or ".") / f"{self.name}.npz"
        if not given or not path.is_file():
            raise RequestError(
                f"{self.name}.npz is not in $UNVEIL_DATA ({given or 'not set'}), and no mirror serves it.",
                f"Set UNVEIL_DATA to a folder that holds it: arrays {', '.join(self.digests)}, {self.made_of}.",
            )
        arrays = read_npz(path, list(self.digests))
        verify(arrays, self.digests, str(path))
        return arrays


@register("source", "omniglot")
class Omniglot:
    """32,460 handwritten characters of 50 alphabets, 28×28, binarized dynamically unless asked otherwise.

    The 105×105 drawings get a margin of 3 pixels above and to the left and 4 below and to the right, and each 4×4
    block becomes the number of its 16 pixels that hold ink: 17 grey levels, p(x=1) = v/16. The training rows are the
    background set, the test rows the evaluation set, whose alphabets are others; the labels are the alphabets.

    This is not the 28×28 set of the IWAE papers (24,345 + 8,070 images), which was resampled in another way: bounds on
    the two are not comparable.

    References: Human-level concept learning through probabilistic program induction (Lake, Salakhutdinov & Tenenbaum,
    2015, https://github.com/brendenlake/omniglot).
    """

    summary: ClassVar[str] = (
        "19,280 + 13,180 handwritten characters, 28×28 by averaging 4×4 blocks (not the IWAE papers' set), 17 grey "
        "levels, binarized dynamically; from $UNVEIL_DATA"
    )
    archive: ClassVar[Archive] = Archive(
        "omniglot",
        {
            "background_bits": "f455e183c0170526d60e1e83a9fd8681060f4427fa3f421234873e84193bf5b2",
            "background_alphabet": "b7b436f1fad5e9551c6526227bb659a2bed8aa83b1cb329b2edbff1521871f6c",
            "evaluation_bits": "1c7ee5534b6f4cddc7f32d405c7dff7d9ede002e9da86f4ef7793f3b513b2d72",
            "evaluation_alphabet": "623cc86d0de880f7047f1d59a4ca8ef59ac1ecf17995960b446d51775a69378c",
            "alphabet_names": "2c6f76f21a5f2ec4d3208839e8f26ae8cc87e1ed2b0443b4ae715189a515b755",
        },
        "bits being numpy.packbits(x.reshape(N, -1), axis=1) of the 105×105 originals of "
        "https://github.com/brendenlake/omniglot in the order of their paths, ink = 1",
    )

    def read(self) -> Raw:
        held = self.archive.read()
        parts = ("background", "evaluation")
        x = np.concatenate([shrink(unpack(held[f"{part}_bits"])) for part in parts])
        y = np.concatenate([held[f"{part}_alphabet"] for part in parts]).astype(np.int64)
        names = tuple(str(name) for name in held["alphabet_names"])
        num_test = len(held["evaluation_bits"])
        note = Fact(
            "omniglot is downsampled here (105×105, margin to 112×112, 4×4 blocks): not the IWAE papers' 28×28 set."
        )
        return Raw("omniglot", x, y, names, num_test, "dynamic", notes=(note,))


def unpack(bits: Bytes) -> Bytes:
    """The drawings [N, 105, 105] of 0 and 1."""
    return np.unpackbits(bits, axis=1, count=105 * 105).reshape(-1, 105, 105)


def shrink(x: Bytes) -> Bytes:
    """The number of 1s in each 4×4 block of x [N, 105, 105], with a margin: [N, 28, 28], 0 … 16."""
    padded = np.pad(x, ((0, 0), (3, 4), (3, 4)))
    return padded.reshape(-1, 28, 4, 28, 4).sum((2, 4), dtype=np.uint8)


@register("source", "cifar10")
class Cifar10:
    """A subset of CIFAR-10: its first 20,000 training and 1,000 test pictures, 32×32×3, 256 levels.

    Bits per dimension on it are good for comparing models here, and not for comparison with published numbers.

    References: Learning Multiple Layers of Features from Tiny Images (Krizhevsky, 2009).
    """

    summary: ClassVar[str] = (
        "a subset of CIFAR-10: the first 20,000 + 1,000 of 60,000 colour photographs, 32×32×3, 256 levels; from "
        "$UNVEIL_DATA"
    )
    archive: ClassVar[Archive] = Archive(
        "cifar10_subset",
        {
            "delta_train": "368a8da0de3b8308aa13d5835f5b59919917d32d12a5601af7200cee4ce1d5a1",
            "y_train": "61e6e4385d5115803e318997b6e627a5e4956dbabefc3ae1ba5173e11a6d5b80",
            "delta_test": "1da65ae9aa73c92115581cf4644103bd73c628db0140c5e9c0ff604892fe11a0",
            "y_test": "b5e32d56269b63c3466fb56bb09e23cc775735bca52ec0ccf5e98d3b055c42f6",
            "class_names": "a4042fd3f90d0e0271f99a44d6a01e6a244fd352d9a0726fecf590e0ef02d80c",
        },
        "deltas being the planes G, R−G and B−G, differenced along rows and columns modulo 256, of data_batch_1 and 2 "
        "and the first 1,000 of test_batch of https://www.cs.toronto.edu/~kriz/cifar.html",
    )

    def read(self) -> Raw:
        held = self.archive.read()
        x = np.concatenate([undo_differences(held[f"delta_{part}"]) for part in ("train", "test")])
        y = np.concatenate([held["y_train"], held["y_test"]]).astype(np.int64)
        names = tuple(str(name) for name in held["class_names"])
        note = Fact(
            "cifar10 is a subset here (20,000 + 1,000 pictures): its bits/dim do not compare with published ones."
        )
        return Raw("cifar10", x, y, names, len(held["y_test"]), notes=(note,))


def undo_differences(delta: Bytes) -> Bytes:
    """The pictures [N, H, W, 3] of planes G, R−G and B−G [3, N, H, W], differenced along H and W modulo 256."""
    green, red, blue = np.cumsum(np.cumsum(delta, axis=2, dtype=np.uint8), axis=3, dtype=np.uint8)
    return np.stack([red + green, green, blue + green], axis=-1)
