"""Data: a source (a name, a file, an array) becomes three splits with a Domain and a fingerprint.

It may import the bottom floor alone. A new source is one class in a file here.
"""

from .loading import load, prepare, read_array, read_new
from .split import Data, Split

load_data = load  # its name one floor up, where `unveil.load` opens a packed model

__all__ = ["Data", "Split", "load", "load_data", "prepare", "read_array", "read_new"]
