"""The domains of x: what kind of values it takes. A likelihood names the kinds that it is a likelihood of.

This room stands on the ground floor: it may import numpy and `errors` alone. For a new kind add a file with one class.
"""

from .columns import ColumnDomain
from .domain import Domain
from .kind import Kind, choices, kind, kinds

__all__ = ["ColumnDomain", "Domain", "Kind", "choices", "kind", "kinds"]
