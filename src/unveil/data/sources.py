"""The named sources. A new one is one class here or in a file beside this one: a `summary` and `read() -> Raw`."""

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..registry import register
from .published import Published
from .raw import Raw, verify

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DIGITS = tuple(str(digit) for digit in range(10))


@register("source", "digits")
class Digits:
    """The 1,797 handwritten digits that scikit-learn carries: 8×8, 17 grey levels.

    References: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits (1998), UCI, the test part.
    """

    summary: ClassVar[str] = "1,797 handwritten digits, 8×8, 17 grey levels; comes with scikit-learn"
    digests: ClassVar[dict[str, str]] = {
        "x": "c55c7dda5b6f74f83ce6c4cbc3bf7f3e315e68c05207dea6a68b3b84d161113c",
        "y": "ba6707f259bd28aaa05893723ec520c72ce5223d49da68dbd79e31f5da261f30",
    }

    def read(self) -> Raw:
        rows = np.loadtxt(_digits_file(), dtype=np.uint8, delimiter=",")
        x, y = rows[:, :64].reshape(-1, 8, 8), rows[:, 64].astype(np.int64)
        verify({"x": x, "y": y}, self.digests, "scikit-learn's digits")
        return Raw("digits", x, y, DIGITS)


def _digits_file() -> Path:
    """The file that scikit-learn's `load_digits` reads: importing that would take a second."""
    found = find_spec("sklearn")
    assert found is not None and found.origin is not None, "scikit-learn is a dependency"
    return Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"


@register("source", "mnist")
class Mnist:
    """70,000 handwritten digits, 28×28, binarized dynamically unless asked otherwise.

    References: Gradient-Based Learning Applied to Document Recognition (LeCun et al., 1998).
    """

    summary: ClassVar[str] = "60,000 + 10,000 handwritten digits, 28×28, 256 grey levels, binarized dynamically"
    published: ClassVar[Published] = Published(
        "mnist",
        {
            "x_train": ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            "y_train": ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            "x_test": ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            "y_test": ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        },
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        {
            "x_train": "aaea6b05347b8b6ad5b4f46859d80c25d349f29e9666f605ee81de7828633f70",
            "y_train": "5c67498534333ca04602ccf56eab32d86c822998ee5bc7b553e7cda250737622",
            "x_test": "2464f9fb40406d7393a5c95688822105de9683b3f12b280adac05f19592ccad9",
            "y_test": "759a6cad8f34f5b42cfcf12e5e813bacd0da9cfe5a8e3da853c6e72f8c375933",
        },
    )

    def read(self) -> Raw:
        return _four_arrays(self.published, DIGITS)


@register("source", "fashion_mnist")
class FashionMnist:
    """70,000 pictures of clothes, 28×28, binarized dynamically unless asked otherwise.

    References: Fashion-MNIST (Xiao, Rasul & Vollgraf, 2017, https://arxiv.org/abs/1708.07747).
    """

    summary: ClassVar[str] = "60,000 + 10,000 pictures of clothes, 28×28, 256 grey levels, binarized dynamically"
    published: ClassVar[Published] = Published(
        "fashion_mnist",
        {
            "x_train": ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            "y_train": ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            "x_test": ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            "y_test": ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        },
        ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",),
        {
            "x_train": "91e0635dd76ad1f9e56a6ecdcd1633dfbc548336091de8614a7d84ab568a66a5",
            "y_train": "eb8e09c0625beaa3fadd2676ed1d33827c2139a854260eb4d6e0f171b768a311",
            "x_test": "01a86bccdcb5b6f42a06ca416619677ab342ad7142bd140af501f7c4aac22783",
            "y_test": "dd0133ced96a31972a2efe752d7ce29b9f64aae6f5dbcb5e74b398e8aa15c864",
        },
    )

    def read(self) -> Raw:
        return _four_arrays(self.published, FASHION)


def _four_arrays(published: Published, classes: tuple[str, ...]) -> Raw:
    held = published.read()
    x = np.concatenate([held["x_train"], held["x_test"]])
    y = np.concatenate([held["y_train"], held["y_test"]]).astype(np.int64)
    return Raw(published.name, x, y, classes, len(held["x_test"]), "dynamic")
