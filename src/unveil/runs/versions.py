"""The versions that a number depends on."""

import platform

import numpy as np
import torch

from .. import __version__


def versions() -> dict[str, str]:
    """By name, of this library and of what it computes with."""
    return {
        "unveil": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
