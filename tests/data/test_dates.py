"""Dates in columns: how they are written, the zone that they are in, and those that stand for none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from quick import fitted
from unveil.api import Run
from unveil.data import load, read_new
from unveil.data.columns import Column
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
N = 60
OTHER = RNG.normal(size=N)
DAYS = pd.Series(pd.Timestamp("2023-06-01") + pd.to_timedelta(RNG.integers(0, 400, N), unit="D"))
WHOLE = DAYS.dt.strftime("%Y%m%d").astype("int64")


def read(values: Any, **options: Any) -> tuple[Column, tuple[str, ...]]:
    """What a column beside a measured one is taken for, and what is said."""
    data = load(pd.DataFrame({"when": values, "other": OTHER}), **options)
    assert data.table is not None
    return next(found for found in data.table.columns if found.name == "when"), data.notes


def quick(frame: Any, out: Path, **options: Any) -> Run:
    return fitted(frame, out, model="any_order", steps=2, model__width=8, model__depth=1, **options)


def types(frame: Any) -> dict[str, Any]:
    """The types of the columns, as the library has them."""
    return (
        dict(zip(frame.schema.names, frame.schema.types, strict=True))
        if isinstance(frame, pa.Table)
        else dict(frame.dtypes if isinstance(frame, pd.DataFrame) else frame.schema)
    )


def with_gap(values: list[Any]) -> list[Any]:
    return [None if i == 3 else value for i, value in enumerate(values)]


@pytest.mark.parametrize(
    "values",
    [WHOLE, WHOLE.astype("Int32"), WHOLE.astype(float), WHOLE.astype(str), WHOLE.astype(object)],
    ids=["int64", "Int32", "float64", "text", "objects"],
)
def test_whole_numbers_that_are_days_are_dates(values: Any) -> None:
    found, notes = read(values)
    assert found.kind == "date" and "YYYYMMDD" in found.why and found.unit == "D"
    said = next(note for note in notes if "YYYYMMDD" in note)
    other = said.rpartition("data.kinds=")[2].partition(" takes")[0]
    assert read(values, kinds=other)[0].kind == "whole" and read(values, kinds="when=date")[0].kind == "date"


def test_whole_numbers_that_are_no_days_stay_such() -> None:
    half = WHOLE + 60 * (np.arange(N) % 2)  # of these no day
    for values in (half, RNG.integers(10**7, 10**8, N), [20240101, 20240102] * (N // 2), WHOLE + 10**8):
        assert read(values)[0].kind == "whole"


def test_numbers_among_days_that_stand_for_none_are_missing_and_said() -> None:
    found, notes = read(WHOLE.where(WHOLE.index != 5, 0))
    assert found.gaps == ("0",) and any("0 in 1 row: taken as missing" in note for note in notes)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"when": pd.array(with_gap(WHOLE.tolist()), "Int64"), "other": OTHER}),
        pd.DataFrame({"when": WHOLE.astype(float).where(WHOLE.index != 3), "other": OTHER}),
        pl.DataFrame({"when": with_gap(WHOLE.tolist()), "other": OTHER}),
        pa.table({"when": pa.array(with_gap(WHOLE.tolist()), pa.int32()), "other": OTHER}),
    ],
    ids=["Int64", "float64", "polars", "pyarrow"],
)
def test_days_in_whole_numbers_are_written_as_they_came(frame: Any, tmp_path: Path) -> None:
    run = quick(frame, tmp_path / "run")
    for new in (run.sample(9), run.impute(frame)):
        assert type(new) is type(frame) and types(new)["when"] == types(frame)["when"]
        values = new["when"].to_pylist() if isinstance(new, pa.Table) else new["when"].to_list()
        assert len(pd.to_datetime([str(int(value)) for value in values], format="%Y%m%d")) == len(values)


def test_days_in_whole_numbers_of_a_file_are_written_as_they_stand_there(tmp_path: Path) -> None:
    rows = [f"{'' if i == 3 else day},{OTHER[i]:.4f}" for i, day in enumerate(WHOLE)]
    (tmp_path / "t.csv").write_text("\n".join(["when,other", *rows]))
    run = quick(tmp_path / "t.csv", tmp_path / "run")
    full = run.impute(str(tmp_path / "t.csv"))["when"].to_pylist()
    assert all(found == day for i, (found, day) in enumerate(zip(full, WHOLE, strict=True)) if i != 3)
    assert WHOLE.min() <= full[3] <= WHOLE.max()
    where = run.sample(5, where={"when": ">=20240101"})["when"].tolist()
    assert all(20240101 <= day <= WHOLE.max() for day in where)


ISO, GERMAN, SLASHES = (DAYS.dt.strftime(way) for way in ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y"))
EVERY_THIRD = np.arange(N) % 3 == 0


@pytest.mark.parametrize(
    "other", [GERMAN, SLASHES, DAYS.dt.strftime("%Y-%m-%d 12:30")], ids=["points", "slashes", "time"]
)
def test_dates_in_two_formats_are_all_read_and_said(other: Any, tmp_path: Path) -> None:
    values = ISO.where(~EVERY_THIRD, other)
    found, notes = read(values)
    said = next(note for note in notes if "2 formats" in note)
    assert found.kind == "date" and found.missing == 0 and "in 20 rows" in said and "in 40 rows" in said
    frame = pd.DataFrame({"when": values, "other": OTHER})
    run = quick(frame, tmp_path / "run")
    gaps = frame.assign(when=frame["when"].where(frame.index != 4))
    full = run.impute(gaps)["when"]
    assert full.drop(4).tolist() == values.drop(4).tolist() and pd.to_datetime(full[4]) is not pd.NaT
    assert len({len(text) for text in run.sample(20)["when"]}) == 1


def test_the_days_of_both_formats_are_the_days_that_they_name() -> None:
    one, both = (load(pd.DataFrame({"when": v, "other": OTHER})) for v in (ISO, ISO.where(~EVERY_THIRD, GERMAN)))
    assert np.array_equal(one.train.x.numpy(), both.train.x.numpy())


def zoned(ends: list[str], words: int = 0) -> tuple[Column, list[str]]:
    """What is found of moments at ten that end in several ways, with words among them, and how they are written."""
    hours = [f"{day}T10:00" for day in ISO[: N - words]]
    values = [hour + ends[i % len(ends)] for i, hour in enumerate(hours)] + ["t.b.d."] * words
    data = load(pd.DataFrame({"when": values, "other": OTHER}))
    assert data.table is not None
    column = data.table.columns[0]
    x = np.concatenate([split.x[:, :1].numpy() for split in (data.train, data.valid, data.test)])
    known = np.concatenate([np.ones(len(split.x), bool) if split.observed is None else split.observed[:, 0].numpy()
                            for split in (data.train, data.valid, data.test)])  # fmt: skip
    return column, column.texts(x[known, 0])


def test_dates_of_which_some_have_an_offset_and_others_none_are_on_the_clocks_of_its_zone() -> None:
    column, texts = zoned([":00", ":00+01:00"])
    assert column.zone == "+01:00" and all("T10:00:00" in text for text in texts)


def test_offsets_in_two_formats_give_one_zone() -> None:
    column, texts = zoned([":30+01:00", "+01:00"])
    assert column.zone == "+01:00" and {text[10:16] for text in texts} == {"T10:00"}


@pytest.mark.parametrize(
    "ends", [[":00Z", ":00+01:00"], [":00+01:00", ":00Z", ":00+01:00"]], ids=["as Z", "as an offset"]
)
def test_a_z_beside_offsets_is_utc(ends: list[str]) -> None:
    _, texts = zoned(ends, words=1)
    moments = [pd.Timestamp(text).tz_convert("UTC").hour for text in texts]
    assert sorted(set(moments)) == [9, 10] and moments.count(10) == len(range(ends.index(":00Z"), N - 1, len(ends)))


def test_dates_in_formats_that_contradict_each_other_are_refused_in_a_sentence() -> None:
    values = DAYS.dt.strftime("%m/%d/%Y").where(~EVERY_THIRD, SLASHES)
    with pytest.raises(RequestError, match=r"contradict each other, '.*' and '.*'\..*data\.kinds=when=drop"):
        read(values)
    assert load(pd.DataFrame({"when": values, "other": OTHER}), kinds="when=drop").columns == ("other",)


def test_a_doubtful_format_beside_another_has_a_remedy_that_works() -> None:
    early = pd.Series(pd.Timestamp("2024-02-01") + pd.to_timedelta(RNG.integers(0, 12, N), unit="D"))
    values = early.dt.strftime("%Y-%m-%d").where(~EVERY_THIRD, early.dt.strftime("%d/%m/%Y"))
    said = next(note for note in read(values)[1] if "can be read as" in note)
    other = said.rpartition("data.kinds=")[2].partition(" takes")[0].strip("'")
    found, _ = read(values, kinds=other)
    assert {found.written, *found.ways} == {"%Y-%m-%d", "%m/%d/%Y"}


def test_words_among_dates_are_missing_where_they_are_few_and_that_is_said(tmp_path: Path) -> None:
    values = ISO.where(~np.isin(np.arange(N), [3, 9]), "t.b.d.").where(np.arange(N) != 11, "unknown")
    found, notes = read(values)
    assert found.kind == "date" and found.gaps == ("t.b.d.",) and any("'t.b.d.' in 2 rows" in note for note in notes)
    frame = pd.DataFrame({"when": values, "other": OTHER})
    assert quick(frame, tmp_path / "run").impute(frame)["when"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()


BERLIN = DAYS.dt.tz_localize("Europe/Berlin")
LIBRARIES: dict[str, Any] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_midnights_of_a_zone_are_days_and_come_back_in_it(library: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": BERLIN.where(BERLIN.index != 3), "other": OTHER})
    own = LIBRARIES[library](frame)
    run = quick(own, tmp_path / "run")
    table = load(own).table
    assert table is not None and table.columns[0].unit == "D" and "Europe/Berlin" in table.columns[0].why
    for new in (run.sample(30), run.impute(own)):
        assert types(new)["when"] == types(own)["when"]
        again = new["when"] if library == "pandas" else new.to_pandas()["when"]
        assert (again.dt.tz_convert("Europe/Berlin").dt.strftime("%H:%M:%S.%f") == "00:00:00.000000").all()


@pytest.mark.parametrize("way", ["%Y-%m-%dT%H:%M:%S%z", "iso"])
@pytest.mark.parametrize("as_file", [False, True])
def test_midnights_with_offsets_as_text_are_days_written_with_their_offsets(
    way: str, as_file: bool, tmp_path: Path
) -> None:
    texts = [moment.isoformat() if way == "iso" else moment.strftime(way) for moment in BERLIN]
    frame = pd.DataFrame({"when": with_gap(texts), "other": OTHER})
    frame.to_csv(tmp_path / "t.csv", index=False)
    source: Any = str(tmp_path / "t.csv") if as_file else frame
    found = load(source)
    assert found.table is not None and found.table.columns[0].kind == "date" and found.table.columns[0].unit == "D"
    column = found.table.columns[0]
    days = np.array(["2024-01-15", "2024-05-15"], "datetime64[D]").astype(float) - column.origin
    offsets = ("+01:00", "+02:00") if way == "iso" else ("+0100", "+0200")
    assert column.texts(days) == [
        f"2024-{month:02}-15T00:00:00{offset}" for month, offset in zip((1, 5), offsets, strict=True)
    ]
    run = quick(source, tmp_path / "run")
    new = run.sample(9)["when"]
    assert (new.dt.strftime("%H:%M") == "00:00").all() if as_file else new.str.contains("T00:00:00").all()
    if not as_file:
        full = run.impute(frame)["when"].tolist()
        assert full[:3] + full[4:] == texts[:3] + texts[4:] and "T00:00:00" in full[3]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("hours", [0, 7], ids=["days", "hours"])
def test_gaps_are_filled_by_the_clocks_of_the_frame_that_came(library: str, hours: int, tmp_path: Path) -> None:
    own = DAYS + pd.to_timedelta(np.arange(N) % 2 * hours, unit="h")
    frame = pd.DataFrame({"when": own.dt.tz_localize("Europe/Berlin"), "other": OTHER})
    run = quick(frame, tmp_path / "run")
    gaps = frame.assign(when=frame["when"].where(frame.index % 4 > 0))
    inside = gaps["when"].dt.tz_convert("Europe/Berlin" if hours == 0 else "UTC")
    ways = {"none": inside.dt.tz_localize(None), "other": inside.dt.tz_convert("Asia/Tokyo")}
    none, other = (pd.to_datetime(run.impute(LIBRARIES[library](gaps.assign(when=way)))["when"].to_numpy())
                   for way in ways.values())  # fmt: skip
    known = run.impute(LIBRARIES[library](gaps))["when"].to_numpy()
    moments = pd.DatetimeIndex([pd.Timestamp(value) for value in known])
    utc = moments.tz_localize("UTC") if moments.tz is None else moments.tz_convert("UTC")
    shown = utc.tz_convert("Europe/Berlin" if hours == 0 else "UTC").tz_localize(None)
    assert (none == shown).all()
    assert ((other.tz_localize("UTC") if other.tz is None else other.tz_convert("UTC")) == utc).all()


@pytest.mark.parametrize("as_text", [False, True], ids=["types", "text"])
def test_times_for_a_run_that_knows_days_are_said(as_text: bool) -> None:
    def came(days: Any) -> Any:
        return days.dt.strftime("%Y-%m-%d %H:%M:%S") if as_text else days

    data = load(pd.DataFrame({"when": came(DAYS), "other": OTHER}))
    new = pd.DataFrame({"when": came(DAYS), "other": OTHER})
    late = new.assign(when=came(DAYS + pd.to_timedelta(np.arange(N) % 2 * 7, unit="h")))
    (said,) = read_new(late, data.domain, columns=data.columns, table=data.table).remarks
    assert "'when' holds dates to the day in training" in said and "07:00:00" in said and "in 30 rows" in said
    assert read_new(new, data.domain, columns=data.columns, table=data.table).remarks == ()


def test_days_in_numbers_fill_the_gaps_of_a_column_of_dates(tmp_path: Path) -> None:
    run = quick(pd.DataFrame({"when": WHOLE, "other": OTHER}), tmp_path / "run")
    days = DAYS.where(np.arange(N) % 4 > 0)
    full = run.impute(pd.DataFrame({"when": days, "other": OTHER}))["when"]
    assert full.dtype == days.dtype and full.between(DAYS.min(), DAYS.max()).all()


def test_the_first_hour_of_a_day_without_a_midnight_is_its_day() -> None:
    cairo = pd.date_range("2024-04-20", periods=10).tz_localize("Africa/Cairo", nonexistent="shift_forward").repeat(6)
    found, _ = read(pd.Series(cairo))
    assert found.unit == "D" and found.zone == "Africa/Cairo"


def test_hours_of_a_zone_stay_hours() -> None:
    found, _ = read(pd.Series(pd.date_range("2024-03-20", periods=N, freq="7h", tz="Europe/Berlin")))
    assert found.unit == "h" and not found.zone


SENTINELS = [2, 5, 9]


def with_sentinels(values: pd.Series, sentinel: Any) -> pd.Series:
    return values.where(~np.isin(np.arange(N), SENTINELS), sentinel)


@pytest.mark.parametrize(
    "values",
    [
        with_sentinels(ISO, "9999-12-31"),
        with_sentinels(GERMAN, "31.12.9999"),
        with_sentinels(WHOLE, 99991231),
        with_sentinels(DAYS.astype("datetime64[s]"), np.datetime64("9999-12-31", "s")),
        with_sentinels(DAYS, pd.Timestamp("1900-01-01")),
        with_sentinels(DAYS.dt.date.astype(object), pd.Timestamp("9999-12-31").date()),
        with_sentinels(DAYS, pd.Timestamp("1970-01-01")),
        with_sentinels(BERLIN.map(lambda moment: moment.isoformat()), "9999-12-31T00:00:00+01:00"),
    ],
    ids=["text", "points", "whole", "seconds", "1900", "objects", "1970", "offsets"],
)
def test_dates_that_may_stand_for_none_are_said_with_a_remedy_that_works(values: Any, tmp_path: Path) -> None:
    found, notes = read(values)
    said = next(note for note in notes if "far from all its other dates" in note)
    assert "stands in 3 rows" in said and found.missing == 0
    mark = said.rpartition("data.na_values=")[2].strip("'")
    kept, notes = read(values, na_values=mark)
    assert (
        kept.missing == pytest.approx(3 / N) and kept.high - kept.low < 500 and not any("far from" in n for n in notes)
    )
    frame = pd.DataFrame({"when": values, "other": OTHER})
    run = quick(frame, tmp_path / "run", data__na_values=mark)
    full = run.impute(frame)["when"]
    assert full.dtype == frame["when"].dtype and set(full[SENTINELS]).isdisjoint(values[SENTINELS])
    assert len(quick(frame, tmp_path / "all").sample(50)) == 50


def test_the_first_day_that_clocks_know_is_said_and_written_with_all_digits_of_its_year() -> None:
    column, notes = read(ISO.where(np.arange(N) != 3, "0001-01-01"))
    assert any("data.na_values=0001-01-01" in note for note in notes)
    assert column.texts(np.array([column.low])) == ["0001-01-01"]


def test_dates_of_one_spread_say_nothing() -> None:
    born = pd.Series(pd.Timestamp("1925-01-01") + pd.to_timedelta(RNG.integers(0, 36_000, N), unit="D"))
    for values in (DAYS, born, born.where(born.index > 1, pd.Timestamp("1900-01-01"))):
        assert not any("far from" in note for note in read(values)[1])


def test_the_ends_of_long_numbers_and_of_fine_dates_are_told_to_the_last_digit() -> None:
    whole = 1_577_836_800_000 + 86_400_123 * np.arange(60)[::-1]
    times = pd.Timestamp("2020-01-01 00:00:01") + pd.to_timedelta(40_000_007 * np.arange(60), unit="s")
    data = load(pd.DataFrame({"whole": whole, "times": times, "other": np.random.default_rng(0).normal(size=60)}))
    assert data.table is not None
    told = {c.name: c.texts(np.array([c.low, c.high]), bounded=True) for c in data.table.columns}
    assert told["whole"] == [str(whole.min()), str(whole.max())]
    assert told["times"] == [str(times.min()), str(times.max())]


@pytest.mark.parametrize("wrong", ["2023-02-30", "0000-00-00", "2023-13-01"])
def test_a_day_that_no_calendar_has_is_missing_and_said(wrong: str) -> None:
    days = [f"2023-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(N)]
    found, notes = read([wrong if i == 9 else day for i, day in enumerate(days)])
    assert found.kind == "date" and found.missing == pytest.approx(1 / N)
    (said,) = (note for note in notes if wrong in note)
    assert "taken as missing" in said


@pytest.mark.parametrize(
    ("way", "why"), [("%Y-%U", "%U tells no date"), ("%d.%m.", "names no year"), ("%Y-%m-%d", "it holds '2023-12'")]
)
def test_a_format_that_tells_no_date_of_the_column_is_refused(way: str, why: str) -> None:
    with pytest.raises(RequestError, match=re.escape(why)):
        read(["2023-12"] * N, kinds=f"when=date:{way}")


def test_two_kinds_for_a_column_are_refused() -> None:
    with pytest.raises(RequestError, match="'whole' and as 'count'"):
        read(list(range(N)), kinds="when=whole,when=count")
