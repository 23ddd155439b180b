"""From a source to a finished run: prepare, train, judge, and go on after a kill, one event at a time.

It may import evaluation, use, planning and what is below them; what writes the report is handed to it. A new event is
a class in `events.py`, and what shows it is in `output/`.
"""

from .prepare import Fitting, prepare

__all__ = ["Fitting", "prepare"]
