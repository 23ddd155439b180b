"""Pictures and the texts that go with them as joint x."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..domain import Domain
from ..domain.text import decode
from ..errors import Fact, RequestError
from .knowntexts import KnownTexts, from_mapping, read_known
from .raw import Array, Raw
from .split import Data, Split
from .texts import Coded, Written, coded, read_captions, written

IMAGE, TEXT = "image", "text"
OWN = "own"  # texts that a source brings itself


def texts_of(raw: Raw, named: str, given: Any) -> tuple[Written, tuple[str, ...]]:
    """The texts of what was read, and what to say of them.

    Arguments: named, "own" for those of the source (its labels, where it has no others), or a path to a table of files
    and texts; given, texts in memory, or None.
    """
    if given is not None:
        return written(given, len(raw.x)), ()
    if named != OWN:
        if raw.files is None:
            raise RequestError(
                f"data.text={named} names a table of files and texts, and x is no folder of pictures.",
                "Give a folder, or in Python texts in memory: unveil.fit(x, text=[…], model='joint').",
            )
        return read_captions(Path(named).expanduser(), raw.files)
    if raw.texts is not None:
        return raw.texts, ()
    if raw.y is None or raw.classes is None:
        raise RequestError(
            f"{raw.source} has pictures and no texts, and joint is a model of both.",
            "Of a folder of pictures give a table: --text captions.csv. In Python: unveil.fit(x, text=[…]).",
        )
    names = raw.classes
    return tuple((names[code],) if code >= 0 else () for code in raw.y), ("The texts are the names of the labels.",)


def with_vectors(raw: Raw, z: Any, text: Any) -> tuple[Raw, KnownTexts]:
    """What was read with the vector of each example's text as its z, and the texts whose vectors are known.

    Arguments: z, {text: its vector}, or "text" where these stand in the table of texts; text, as of `load`.
    """
    if isinstance(z, Mapping):
        if text is None or (isinstance(text, str) and not text):
            raise RequestError("z came as vectors of texts, and no texts came.", "Give text=[…], one for each example.")
        named, given = (text, None) if isinstance(text, str) else ("", text)
        texts, said = texts_of(raw, named, given)
        known = from_mapping(z)
    else:
        if not isinstance(text, str) or text in ("", OWN) or raw.files is None:
            raise RequestError(
                "data.z=text takes the vectors of texts from a table of files, texts and numbers, of a folder of "
                "pictures.",
                "Give it: --text captions.csv data.z=text. In Python: text=[…], z={text: vector, …}.",
            )
        texts, known, said = read_known(Path(text).expanduser(), raw.files)
    vectors = known.of(texts)
    count = int((~np.isnan(vectors).any(1)).sum())
    if not count:
        raise RequestError("No picture has a text whose vector is known.", f"One that is: {known.texts[0]!r}.")
    told = Fact(
        f"z is the vector of the text: {known.z.shape[1]} numbers, {len(known.texts):,} texts, known of {count:,} of "
        f"{len(texts):,} pictures."
    )
    return replace(raw, z=vectors, notes=(*raw.notes, *said, told)), known


def by_modality(x: Array, domain: Domain) -> dict[str, Any]:
    """Joint x [N, D] as it is spoken of: an array [N, *shape] of each modality, a list of strings of texts."""
    found: dict[str, Any] = dict(domain.split(x))
    for name, part in domain.parts or ():
        if part.alphabet is not None:
            found[name] = decode(found[name], part.alphabet)
    return found


def paired(data: Data, texts: Written, said: tuple[str, ...]) -> Data:
    """Joint x of pictures that are split already, and texts [N] in the order of the source."""
    found = coded(texts, data.train.rows.numpy())
    name = IMAGE if data.domain.is_image else "x"
    domain = Domain.joined(**{name: data.domain, TEXT: found.domain})
    splits = (data.train, data.valid, data.test)
    train, valid, test = (_joined(split, found, domain, split is data.train) for split in splits)
    bare = [name for name, split in zip(("validation", "test"), splits[1:], strict=True) if not _any(split, found)]
    if bare:
        said += (f"No {' and no '.join(bare)} example has a text: what the model says of texts is not judged there.",)
    text = hashlib.sha256(repr(texts).encode("utf-8", "surrogatepass")).hexdigest()
    return replace(
        data,
        domain=domain,
        train=train,
        valid=valid,
        test=test,
        sha256=hashlib.sha256(f"{data.sha256}\n{text}".encode()).hexdigest(),
        notes=(*data.notes, *said, *found.notes),
        forms=None,
    )


def _joined(split: Split, found: Coded, domain: Domain, training: bool) -> Split:
    """A split of pictures with their texts: in training all of an example's, else its first."""
    rows = split.rows.numpy()
    texts = found.first[rows]
    small = split.x.dtype == torch.uint8 and len(found.domain.alphabet or "") < 256
    x = _beside(split.x, torch.from_numpy(texts), torch.uint8 if small else torch.float32)
    grey = None if split.grey is None else _beside(split.grey, torch.from_numpy(texts), x.dtype)
    known = torch.from_numpy(np.repeat(found.known[rows][:, None], texts.shape[1], 1))
    seen = torch.ones(split.x.shape, dtype=torch.bool) if split.observed is None else split.observed
    observed = torch.cat([seen.flatten(1), known], 1)
    every = None
    if training and found.all is not None:
        every = torch.from_numpy(found.all[rows]).to(x.dtype), torch.from_numpy(found.counts[rows])
    parts = dict(domain.parts or ()) | {next(iter(domain.places)): split.domain}
    whole = None if bool(observed.all()) else observed
    return replace(split, x=x, domain=Domain.joined(**parts), observed=whole, grey=grey, texts=every)


def _any(split: Split, found: Coded) -> bool:
    """Whether any example of a split has a text."""
    return bool(found.known[split.rows.numpy()].any())


def _beside(x: Tensor, texts: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.cat([x.flatten(1).to(dtype), texts.to(dtype)], 1)


def of_part(split: Split, name: str) -> Split:
    """The examples of which something of a modality is observed, as x of that modality alone."""
    domain, place = split.domain.part(name), split.domain.places[name]
    if split.observed is not None:
        split = split.take(split.observed[:, place].any(1).nonzero().flatten())

    def own(held: Tensor) -> Tensor:
        return held[:, place].reshape(-1, *domain.shape)

    seen = None if split.observed is None else own(split.observed)
    is_text, is_binary = domain.alphabet is not None, domain.kind == "binary"
    return replace(
        split,
        x=own(split.x),
        domain=domain,
        binarize=split.binarize if is_binary else "none",
        levels=split.levels if is_binary else 0,
        grey=own(split.grey) if is_binary and split.grey is not None else None,
        observed=None if seen is None or bool(seen.all()) else seen,
        texts=split.texts if is_text else None,
    )
