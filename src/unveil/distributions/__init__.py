"""Distributions that torch lacks. All densities are complete, in nats."""

from .event import EventSum
from .levels import DiscretizedLogistic, Levels

__all__ = ["DiscretizedLogistic", "EventSum", "Levels"]
