"""A fitted model as what `unveil pack` writes, file by file, in memory: safetensors and JSON, and nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import RequestError
from ..runs.store import OF_PACK, RunStore
from ..use.packed import PACK as FORMAT


def packed(run: RunStore) -> dict[str, bytes]:
    """The files of a pack by name."""
    folder = run.path / "pack"
    folder.mkdir()
    run.write_pack(folder, {"format": FORMAT, "domain": run.domain.to_json()})
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def opened(files: Mapping[str, bytes]) -> RunStore:
    """The model of a pack, checked as every run is, with all that its use needs in memory: no file of it stays."""
    if strange := sorted(set(files) - set(OF_PACK)):
        raise RequestError(f"The estimator holds a file {strange[0]!r}; a pack holds {', '.join(OF_PACK)}.")
    with TemporaryDirectory(prefix="unveil-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        try:
            run = RunStore.load(folder)
            _ = run.data_info, run.model
        except RequestError as error:
            told = error.message.replace(f"{folder}/", "").replace(folder, "its pack")
            raise RequestError(f"The model of this estimator cannot be opened: {told}", "Fit it anew.") from error
    return run
