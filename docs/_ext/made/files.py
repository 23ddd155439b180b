"""The files of a run: what each holds, from the types by which they are checked whenever they are read."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from msgspec import inspect as types

from unveil.runs import schemas
from unveil.settings.keys import all_keys

from .writing import code, prose, table

OF: dict[str, type] = {
    "config.json": schemas.ConfigFile,
    "data.json": schemas.DataFile,
    "metrics.jsonl": schemas.Row,
    "result.json": schemas.ResultFile,
    "diagnosis.json": schemas.DiagnosisFile,
    "continuations.json": schemas.ContinuationsFile,
}
HEADS = {"en": ("field", "holds", "meaning"), "zh": ("字段", "内容", "含义")}
WORDS = {
    types.IntType: ("whole number", "整数"),
    types.FloatType: ("number", "数"),
    types.StrType: ("text", "文本"),
    types.BoolType: ("true or false", "true 或 false"),
    types.NoneType: ("null", "null"),
    types.AnyType: ("any value", "任意值"),
}
LIST, OBJECT, OR = ("list of {}", "{} 的列表"), ("object of {}", "对象，值为{}"), (" or ", " 或 ")
DEEPEST = 2  # objects inside objects that have rows of their own


def files(language: str, name: str) -> str:
    """A table of the fields of a file; fields of an object inside it stand under its name."""
    said = {"phases": "train.", "data": "data."}  # options keep the meanings of their keys
    meanings = {key.name: key.meaning for key in all_keys()}
    rows = []
    for path, info in fields(types.type_info(OF[name])):
        first, *_, last = [part.removesuffix("[]") for part in path.split(".")] * 2
        meaning = meanings.get(said.get(first, "-") + last, "") or doc(info)
        rows.append((code(path), prose(kind(info, 1 if language == "zh" else 0)), prose(meaning)))
    return table(HEADS[language], rows)


def fields(info: Any, before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(name, type) of each field, those of objects after the object."""
    for field in info.fields:
        name = f"{before}{field.encode_name}"
        yield name, field.type
        inner, mark = inside(field.type)
        if inner is not None and depth < DEEPEST:
            yield from fields(inner, f"{name}{mark}.", depth + 1)


def inside(info: Any) -> tuple[Any, str]:
    """The object that a field holds, or holds a list of; None where it is none of ours."""
    if isinstance(info, types.StructType):
        return info, ""
    if isinstance(info, types.ListType | types.VarTupleType):
        found, mark = inside(info.item_type)
        return found, f"[]{mark}"
    if isinstance(info, types.UnionType):
        return next((found for found in map(inside, info.types) if found[0] is not None), (None, ""))
    return None, ""


def doc(info: Any) -> str:
    """The sentence of an object's type."""
    found, _ = inside(info)
    return inspect.cleandoc(found.cls.__doc__ or "").split("\n")[0] if found is not None else ""


def kind(info: Any, at: int) -> str:
    """A type in words; `at` is 0 for English and 1 for Chinese."""
    if isinstance(info, types.Metadata):
        return kind(info.type, at)
    if isinstance(info, types.LiteralType):
        return OR[at].join(f'"{value}"' if isinstance(value, str) else str(value) for value in info.values)
    if isinstance(info, types.ListType | types.VarTupleType):
        return LIST[at].format(kind(info.item_type, at))
    if isinstance(info, types.TupleType):
        return LIST[at].format(", ".join(kind(each, at) for each in info.item_types))
    if isinstance(info, types.DictType):
        return OBJECT[at].format(kind(info.value_type, at))
    if isinstance(info, types.UnionType):
        return OR[at].join(dict.fromkeys(kind(each, at) for each in info.types))
    if isinstance(info, types.StructType):
        return ("object", "对象")[at]
    return WORDS[type(info)][at]
