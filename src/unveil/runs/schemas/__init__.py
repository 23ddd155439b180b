"""What each file of a run may hold, as types: a file is checked whole before anything of it is used.

A value that is read anywhere has its type here. What this version does not know is refused in config.json, where it
would change what the run is, and ignored in the others.
"""

from .config import ConfigFile
from .continuations import ContinuationsFile
from .data import DataFile
from .diagnosis import DiagnosisFile
from .metrics import Row
from .result import ResultFile
from .state import StateValues

__all__ = ["ConfigFile", "ContinuationsFile", "DataFile", "DiagnosisFile", "ResultFile", "Row", "StateValues"]
