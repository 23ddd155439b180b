"""The files of a run: what each holds, from the types by which they are checked whenever they are read."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from unveil.runs import schemas

from .writing import code, prose, table

HEADS = {"en": ("name", "holds"), "zh": ("名称", "内容")}
OF = {
    "config.json": schemas.ConfigFile,
    "data.json": schemas.DataFile,
    "metrics.jsonl": schemas.Row,
    "result.json": schemas.ResultFile,
    "diagnosis.json": schemas.DiagnosisFile,
    "continuations.json": schemas.ContinuationsFile,
}


def files(language: str, name: str) -> str:
    """A table of the fields of a file."""
    info = msgspec.inspect.type_info(OF[name])
    first = inspect.cleandoc(OF[name].__doc__ or "").split("\n")[0]
    rows = [(code(field.encode_name), kind(field.type)) for field in getattr(info, "fields", ())]
    return f"{prose(first)}\n\n{table(HEADS[language], rows)}"


def kind(info: Any) -> str:
    return prose(type(info).__name__)
