"""From a source (a name, a file, an array) to splits with a Domain and a fingerprint."""

from __future__ import annotations

from .loading import load, prepare, read_array
from .split import Data, Split

__all__ = ["Data", "Split", "load", "prepare", "read_array"]
