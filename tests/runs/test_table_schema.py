"""data.json of a mixed table: what is written is read back, and what does not fit is refused whole."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unveil.data import load
from unveil.data.columns import Table
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.records import check_record
from unveil.runs.schemas.data import DataFile

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "kind": RNG.choice(["a", "b", "c"], 50),
        "price": RNG.gamma(2, 9, 50).round(2),
        "when": pd.to_datetime("2024-01-01") + pd.to_timedelta(RNG.integers(0, 99, 50), "D"),
        "grade": RNG.integers(0, 4, 50),
        "scaled": RNG.integers(0, 9, 50) / 7 + 0.1,
        "note": [f"{i} of its own" for i in range(50)],
    }
)
WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a kind that there is not": lambda info: info["table"]["columns"][0].update(kind="colour"),
    "levels that the domain has none of": lambda info: info["table"]["columns"][0]["levels"].append("d"),
    "a column too few": lambda info: info["table"]["columns"].pop(),
    "no table for a mixed domain": lambda info: info.update(table=None),
    "a domain without columns": lambda info: info["domain"].pop("columns"),
    "a name that is a number": lambda info: info["table"]["columns"][1].update(name=3),
    "a step below 0": lambda info: info["table"]["columns"][1].update(step=-1.0),
    "an unknown key": lambda info: info["table"]["columns"][1].update(run="x"),
    "a unit that there is not": lambda info: info["table"]["columns"][2].update(unit="fortnight"),
    "a library that there is not": lambda info: info["table"].update(library="excel"),
}


@pytest.fixture(scope="module")
def info() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(load(FRAME).to_json(), allow_nan=False))
    return found


def test_what_is_written_is_read_back(info: dict[str, Any]) -> None:
    data = load(FRAME)
    check_record(info, DataFile, "data.json")
    assert Table.from_json(info["table"]) == data.table and Domain.from_json(info["domain"]) == data.domain


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_refused(info: dict[str, Any], wrong: str) -> None:
    changed = copy.deepcopy(info)
    WRONG[wrong](changed)
    with pytest.raises(RequestError):
        check_record(changed, DataFile, "data.json")
