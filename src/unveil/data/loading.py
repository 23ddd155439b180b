"""`load`, `read_array` and `prepare`: from a source to splits, to a plain array, to new x for a fitted run."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..domain import Domain, choices
from ..domain.values import PIECE, Misplaced, Values
from ..errors import Fact, RequestError, nearest
from .binarize import MODES, fixed, threshold
from .columnforms import Form, form_of
from .columns import Table
from .filetree import Pictures
from .fills import noted, way_out
from .gaps import INFORMATIVE, require_missing, with_gaps
from .pairs import paired, texts_of, with_vectors
from .raw import Array, Raw, short_name
from .reading import read
from .recognise import recognise, require_enough, require_numbers, require_varied
from .split import Data, Split
from .splitrows import split_rows
from .stray import sentence, stray
from .tablecolumns import breaking, dropping, refuse_constant, refuse_empty

HEADERS, DECIMALS = ("auto", "first", "none"), ("auto", ".", ",")


def load(
    source: Any,
    *,
    y: Any = None,
    z: Any = None,
    binarization: str = "auto",
    domain: str = "auto",
    seed: int = 0,
    levels: int = 0,
    label: str = "",
    drop: str = "",
    header: int | str = "auto",
    decimal: str = "auto",
    na_values: str = "",
    kinds: str = "",
    missing: str = "ignored",
    size: int | Literal["auto"] = "auto",
    skip_broken: bool = False,
    text: Any = "",
) -> Data:
    """Read a source, recognise its domain, split it, binarize it where asked.

    Arguments:
        source: a name (`unveil list sources`), a folder of images, a path to .npy, .npz[:name], .csv, .tsv, .parquet or
            .h5ad[:layers/…], an array, a tensor, a sparse matrix of scipy, lists of numbers, a data frame, AnnData. NaN
            and masked entries are not observed.
        y: [N] labels, integers or strings, in the source's order; None, NaN or −1 where one is not known.
        z: [N, D] known latents, NaN in the rows where they are not known; or {text: its vector}, and "text" where these
            stand in the table of texts: z is the vector of a picture's text, and x the picture alone.
        binarization: "dynamic" (training batches are fresh draws; validation and test one fixed draw), "static" (one
            fixed draw of everything), "threshold", "none", or "auto": what the source is known by, else none.
        domain: "auto" or a kind such as "levels" or "real"; asking for any but binary also switches "auto"
            binarization off.
        seed: of the splits and of every fixed draw; not the training seed.
        levels: n of levels(n), 0 to count them.
        label: the column of a table that is taken as labels.
        drop: columns of a table that are left out, separated by commas; a name with a comma in double quotes.
        header: of a table of text: "first", its first line names the columns; "none", it is a row; the number of the
            line that names them; "auto", the first does, or is a row where it can be nothing else, and is said.
        decimal: the mark before fractions in numbers written as text, "." or ","; "auto" finds it.
        na_values: more texts and numbers in a table, or numbers in an array, that stand for a missing value, separated
            by commas, as "-999".
        kinds: of a table, what columns are taken for, as "pclass=ordinal,id=drop,when=date:%d.%m.%Y"; one of category,
            ordinal, yes/no, whole, count, decimal, real, date, date:FORMAT, drop.
        missing: "ignored", p is of what is observed, as if cells were missing at random; "informative", of a table of
            mixed columns, which cells are missing is part of x: see `unveil.data.gaps`.
        size: of images: cut to squares and resized to this; "auto" keeps those of one size up to 64, else takes 64.
        skip_broken: leave out image files that cannot be read, instead of refusing.
        text: texts that go with pictures, which makes x joint: "own", those of the source or its labels; of a folder a
            path to a table of files and texts; or [N] strings, lists of strings, or None where there is no text.
    """
    _require_choices(binarization, domain, seed, header, decimal)
    require_missing(missing)
    table: dict[str, Any] = {
        "label": label, "drop": drop, "header": header, "decimal": decimal, "missing": na_values, "kinds": kinds,
        "domain": domain,
    }  # fmt: skip
    of_text = isinstance(z, Mapping) or (isinstance(z, str) and z == "text")
    given_z = None if of_text or isinstance(z, str) else z
    raw = read(source, y, given_z, **table, pictures=Pictures(size, skip_broken, keeps_depth=domain == "real"))
    known = None
    if of_text:
        raw, known = with_vectors(raw, z, text)
    raw = _without_stray(raw, domain)
    marks = noted(raw) if raw.table is None else ()  # of the codes of a table they would say nothing
    raw = replace(raw, notes=(*raw.notes, *marks, *raw.empty))
    with _naming(raw, lambda name: f"Or leave it out: {dropping([*raw.dropped, name])}"):
        data = _split_up(raw, binarization, domain, levels, seed, missing)
    if known is not None:
        return replace(data, known_texts=known)
    if isinstance(text, str) and not text:
        return data
    named, given = (text, None) if isinstance(text, str) else ("", text)
    return paired(data, *texts_of(raw, named, given))


@contextmanager
def _naming(raw: Raw, remedy: Callable[[str], str]) -> Iterator[None]:
    """Say the name of the column instead of its place, where x is a table."""
    try:
        yield
    except Misplaced as error:
        raise error.named(raw.columns, remedy) from None


@contextmanager
def _offering(raw: Raw) -> Iterator[None]:
    """Say what makes marks of missing values such, where whole numbers are refused that hold some."""
    try:
        yield
    except RequestError as error:
        if not (way := way_out(raw)):
            raise
        raise RequestError(error.message, f"{way}. Else: {error.hint}" if error.hint else way) from None


def _without_stray(raw: Raw, domain: str) -> Raw:
    """What was read, values that cannot be measurements being not observed, and said."""
    if domain not in ("auto", "real") or raw.x.dtype.kind != "f" or raw.table is not None:
        return raw
    found = stray(raw.x, raw.observed)
    if not found.any():
        return raw
    kept = ~found if raw.observed is None else raw.observed & ~found
    said = sentence(raw, found)
    return replace(raw, x=np.where(kept, raw.x, raw.x.dtype.type(0)), observed=kept, notes=(*raw.notes, said))


def _split_up(raw: Raw, binarization: str, domain: str, levels: int, seed: int, gaps: str) -> Data:
    """What was read, with its domain recognised, in three splits."""
    require_numbers(raw.x)
    require_enough(len(raw.x) - raw.num_test)
    rows, rule = split_rows(len(raw.x), raw.num_test, seed, raw.together)
    if raw.table is None:
        refuse_empty(raw, rows[0])
    x = raw.known
    require_varied(x, rows[0])
    mode = binarization
    if mode == "auto":
        mode = raw.binarization if domain in ("auto", "binary") and not levels else "none"
    with _offering(raw):
        found, notes = _recognised(x, raw, domain, mode, levels)
    if gaps == INFORMATIVE:
        found, said = with_gaps(found, raw.observed, rows[0])
        notes = (*notes, said)
    if raw.columns is not None and found.kind == "real":
        refuse_constant(raw, rows[0])
        notes = (*notes, *breaking(raw, rows[0]))
    if mode != "none":
        _require_grey(x, found, mode)
        notes = (*notes, _said(raw, mode, found, asked=binarization != "auto"))
    if raw.y is not None and (unknown := int((raw.y < 0).sum())):
        notes = (
            *notes,
            f"{unknown:,} of {len(raw.y):,} labels are not known (−1, a mark such as '?' or nothing stands there).",
        )
    splits = _splits(raw, found, mode, seed, rows)
    return Data(
        raw.source,
        splits[0].domain,
        *splits,
        binarization=None if mode == "none" else mode,
        classes=raw.classes,
        sha256=raw.sha256,
        seed=seed,
        rule=rule,
        notes=(*raw.notes, *notes),
        levels=0 if mode == "none" else found.levels,
        columns=raw.columns,
        resize=raw.resize,
        factors=raw.factors,
        white=raw.white,
        paper=raw.paper,
        files=raw.files,
        forms=_forms(raw, found, mode, rows[0]),
        table=raw.table,
        separator=";" if raw.frame is not None and raw.frame.text and raw.frame.text.separator == ";" else ",",
    )


def _forms(raw: Raw, found: Domain, mode: str, rows: NDArray[np.int64]) -> tuple[Form, ...] | None:
    """How the numbers of each column are held; None of x that is no table of numbers as they came."""
    if raw.x.ndim != 2 or mode != "none" or raw.table is not None:
        return None
    if raw.frame is not None:
        return raw.frame.forms(raw.observed, rows, raw.x)
    if found.is_discrete:
        return None
    seen = repeat(None, raw.x.shape[1]) if raw.observed is None else raw.observed.T
    kept = (rows if known is None else rows[known[rows]] for known in seen)
    forms = tuple(form_of(column[known]) for column, known in zip(raw.x.T, kept, strict=True))
    return forms if any(form.decimals is not None for form in forms) else None


def read_array(source: Any) -> tuple[Array, NDArray[np.int64] | None, tuple[str, ...] | None, str]:
    """(x [N, *shape], label codes [N] or None, classes or None, a short name), decoded and otherwise untouched."""
    raw = read(source)
    return raw.x, raw.y, raw.classes, short_name(raw.source)


def read_new(
    source: Any,
    domain: Domain,
    *,
    columns: Sequence[str] | None = None,
    label: str = "",
    drop: str = "",
    header: int | str = "auto",
    decimal: str = "auto",
    na_values: str = "",
    table: Table | None = None,
    white: int | None = None,
    paper: str | None = None,
    skip_broken: bool = False,
) -> Raw:
    """New x for a fitted run, decoded: images brought to its shape, the columns of a table that it was fitted on.

    Arguments: columns, label, drop, header, decimal, na_values, of the run, whatever order and company the columns come
    in now; table, of a run on mixed columns; white and paper, of its pictures, as of `Raw`; skip_broken, leave out
    pictures that cannot be read.
    """
    pictures = Pictures("auto", skip_broken, domain.shape, domain.kind == "real", white, paper)
    told: dict[str, Any] = {
        "label": label, "drop": drop, "header": header, "decimal": decimal, "missing": na_values, "known": table
    }  # fmt: skip
    return read(source, columns=columns, **told, domain=domain.kind, pictures=pictures)


def prepare(source: Any, domain: Domain, binarization: str | None = None, seed: int = 0, *, levels: int = 0) -> Split:
    """New x for a fitted run: every row of the source, in its order, in the run's domain, or a refusal.

    For a run with binarization, x of only 0 and 1 is taken as it is; grey levels get the threshold, or the fixed
    draw of `seed` (row i of a source always gets the same draw, that of its validation and test splits in `load`), and
    `Split.expected` gives v/(n−1). Labels are not carried: their codes need not be those of the run.

    Arguments:
        source: as of `load`, or a Raw that was read already; images are brought to the run's shape.
        domain, binarization, seed, levels: those of the run's Data; levels 0 counts them in x.
    """
    found = source if isinstance(source, Raw) else read_new(source, domain)
    raw = replace(found, y=None, z=None)
    with _naming(raw, lambda name: ""):
        return _prepared(raw, domain, binarization, seed, levels)


def _prepared(raw: Raw, domain: Domain, binarization: str | None, seed: int, levels: int) -> Split:
    x = raw.x
    _require_shape(x, domain)
    require_numbers(x)
    rows = np.arange(len(x))
    mode = (binarization or "none") if domain.is_finite else "none"
    if mode not in MODES[1:]:
        raise RequestError(f"binarization came as {mode!r}.", nearest(mode, MODES[1:]))
    if mode != "none" and not bool(((x == 0) | (x == 1)).all()):
        grey = _grey_domain(raw.known, mode, levels)
        v = _kept(x, raw.observed, grey)
        values = threshold(v, grey.levels) if mode == "threshold" else fixed(v, grey.levels, seed)
        kept = None if mode == "threshold" else v
        return _split(values, raw, domain, rows, levels=grey.levels, grey=kept)
    return _split(_kept(x, raw.observed, domain), raw, domain, rows)


def _recognised(x: Array, raw: Raw, domain: str, mode: str, levels: int) -> tuple[Domain, tuple[str, ...]]:
    """The domain that was asked for, that the source is known by, or that x is recognised as."""
    if raw.table is not None:
        return raw.table.domain, _said_of_table(raw.table)
    if domain == "auto" and mode == "none" and not levels and raw.domain != "auto":
        found, _ = recognise(x, raw.domain)
        return found, (Fact(f"x is taken as {raw.domain}; data.domain=KIND takes it otherwise."),)
    return recognise(x, "auto" if mode != "none" and domain == "binary" else domain, levels)


def _said_of_table(table: Table) -> tuple[str, ...]:
    """How many columns there are of each kind."""
    counted = Counter(column.kind for column in table.columns)
    told = ", ".join(f"{count} {kind}" for kind, count in counted.most_common())
    measured = [column.name for column in table.columns if column.kind == "real"]
    what = (
        f"log p(x) is a density in the units of {', '.join(map(repr, measured[:3]))}"
        f"{f' and {len(measured) - 3} more columns' if len(measured) > 3 else ''}, and a probability of all else"
        if measured
        else "log p(x) is the logarithm of a probability"
    )
    return (Fact(f"x is a table of mixed columns: {told}; {what}."),)


def _splits(
    raw: Raw, found: Domain, mode: str, seed: int, rows: tuple[NDArray[np.int64], ...]
) -> tuple[Split, Split, Split]:
    if mode == "none":
        train, valid, test = (_split(_stored(raw.x, found, r), raw, found, r) for r in rows)
        return train, valid, test
    values, binary = found.of_kind.store(raw.x), Domain("binary", found.shape)
    n = found.levels if found.is_finite else 0

    def split(which: int) -> Split:
        r = rows[which]
        if mode == "threshold":
            return _split(threshold(values[r], n), raw, binary, r, levels=n)
        if mode == "dynamic" and which == 0:
            return _split(values[r], raw, binary, r, "draw", levels=n)
        return _split(fixed(values, n, seed, r), raw, binary, r, levels=n, grey=values[r])

    return split(0), split(1), split(2)


def _stored(x: Array, domain: Domain, rows: NDArray[np.int64]) -> Array:
    """The rows of x as they are kept, piece by piece, so that x is not held a second time in its own type."""
    store, step = domain.of_kind.store, max(1, PIECE * len(x) // x.nbytes)
    kept = np.empty((len(rows), *x.shape[1:]), store(x[:1]).dtype)
    for first in range(0, len(rows), step):
        kept[first : first + step] = store(x[rows[first : first + step]])
    return kept


def _split(
    x: Array,
    raw: Raw,
    domain: Domain,
    rows: NDArray[np.int64],
    binarize: str = "none",
    levels: int = 0,
    grey: Array | None = None,
) -> Split:
    """A Split of x [n, …], the `rows` of the whole source, whose labels, mask and known z are in `raw`."""
    y, observed, z = (None if held is None else torch.from_numpy(held[rows]) for held in (raw.y, raw.observed, raw.z))
    observed, known = None if observed is None or observed.all() else observed, None if z is None else (z.float(),)
    kept = None if grey is None else torch.from_numpy(grey)
    return Split(torch.from_numpy(x), y, domain, binarize, torch.from_numpy(rows), levels, kept, observed, known)


def _require_shape(x: Array, domain: Domain) -> None:
    if x.ndim == 0 or x.shape[1:] == domain.shape:
        return
    sizes = ", ".join(map(str, domain.shape))
    way = ""
    if x.shape == domain.shape:
        way = "For one example give x[None]."
    elif len(x) and x.size == len(x) * domain.num_dims:
        way = f"If only the layout differs, give x.reshape(-1, {sizes})."
    raise RequestError(f"x came with the shape {x.shape}; this run takes (N, {sizes}).", way)


def _kept(x: Array, observed: NDArray[np.bool_] | None, domain: Domain) -> Array:
    """x as it is kept, refused where an observed value is outside the domain."""
    kind = domain.of_kind
    seen = x if observed is None else np.where(observed, x, np.asarray(kind.inside, x.dtype))
    kind.check(seen, str(domain), domain.num_levels)
    return kind.store(x)


def _grey_domain(x: Array, mode: str, levels: int) -> Domain:
    if levels:
        return Domain("levels", x.shape[1:], levels)
    found, _ = recognise(x)
    _require_grey(x, found, mode)
    return found


def _require_grey(x: Array, found: Domain, mode: str) -> None:
    if found.kind == "levels":
        return
    if found.kind == "binary":
        raise RequestError(f"data.binarization={mode} came for x that is binary already; leave it out, or say none.")
    values, kind = Values(x), found.kind
    way = "; x looks divided by 255, give np.rint(x * 255)" if values.is_scaled else ""
    whole = values.is_scale
    why = f"data.domain={kind} was asked for" if whole else f"x is {kind}"
    raise RequestError(f"data.binarization={mode} needs grey levels, integers from 0 to at most 255, and {why}{way}.")


def _said(raw: Raw, mode: str, found: Domain, asked: bool) -> str:
    how = {
        "dynamic": "each training batch is a fresh draw with p(x=1) = v/{top}, validation and test are one fixed draw",
        "static": "one fixed draw with p(x=1) = v/{top}",
        "threshold": "x = 1 where v > {half:g}",
    }[mode].format(top=found.levels - 1, half=(found.levels - 1) / 2)
    other = "" if asked else f"; data.binarization=none keeps the {found.levels} levels"
    return Fact(f"{short_name(raw.source)} is binarized, {mode}: {how}{other}.")


def _require_choices(binarization: str, domain: str, seed: int, header: int | str, decimal: str) -> None:
    if binarization not in MODES:
        raise RequestError(f"data.binarization came as {binarization!r}.", nearest(binarization, MODES))
    if domain not in choices():
        raise RequestError(f"data.domain came as {domain!r}.", nearest(domain, choices()))
    for name, value, allowed in (("header", header, HEADERS), ("decimal", decimal, DECIMALS)):
        if value not in allowed and not (name == "header" and isinstance(value, int) and value > 0):
            lines = " or the number of a line" if name == "header" else ""
            raise RequestError(f"data.{name} came as {value!r}; it takes {', '.join(allowed)}{lines}.")
    if seed < 0:
        raise RequestError(f"data.seed came as {seed}; it is 0 or more.")
