"""A small domain of each kind of x."""

from __future__ import annotations

from mixedtables import mixed
from unveil.domain import Domain, kinds


def of_kind(name: str, size: int = 7) -> Domain:
    """x of so many values, of joint x a picture and a text."""
    kind = kinds()[name]
    if kind.has_columns:
        return mixed(size)
    if kind.has_parts:
        return Domain.joined(image=Domain("binary", (size - 3,)), text=of_kind("text", 3))
    return Domain(name, (size,), 4 if kind.has_levels else None, alphabet="abc" if kind.has_alphabet else None)
