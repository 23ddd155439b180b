"""A run: a directory that holds a fitted model, how it came about, and what is known of it."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import __version__
from .data import Data, load
from .domain import Domain
from .errors import RequestError
from .files import read_json, write_json
from .model import Model
from .objectives import Objective
from .registry import rebuild, seeded
from .train.checkpoint import load_weights
from .train.stage import Stage

CONFIG, DATA, RESULT, DIAGNOSIS = "unveil-run-1", "unveil-data-1", "unveil-result-1", "unveil-diagnosis-1"


class Run:
    """A fitted (or half-fitted) model on disk: JSON and safetensors, never pickle; loading one executes no stored code.

    Arguments:
        path: the directory.
        config: every resolved choice (config.json).
        parts: the user's own pieces, by slot ("encoder") or class name.
        data: the data, where the caller has it; else it is read again from its source when needed.
    """

    def __init__(
        self, path: Path, config: dict[str, Any], *, parts: Mapping[str, Any] | None = None, data: Data | None = None
    ) -> None:
        self.path, self.config = path, config
        self._parts, self._data = dict(parts or {}), data
        self._model: Model | None = None

    @classmethod
    def create(
        cls, path: Path | str, config: dict[str, Any], data: Data, parts: Mapping[str, Any] | None = None
    ) -> Run:
        """A new directory with config.json and data.json; one that holds anything is never overwritten."""
        path = Path(path)
        check_new(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"The directory {path} cannot be made: {error.strerror or error}.") from error
        write_json(path / "data.json", data.to_json())
        write_json(path / "config.json", config)
        return cls(path, config, parts=parts, data=data)

    @classmethod
    def load(
        cls, path: Path | str, *, parts: Mapping[str, Any] | None = None, data: Any = None, y: Any = None, z: Any = None
    ) -> Run:
        """Open a run.

        Arguments:
            parts: brings the user's own classes back, by slot or class name; a run names them and imports nothing.
            data: the array the run was fitted on, for a run that was fitted on one in memory.
            y, z: its labels and known latents, where the run was given any.
        """
        path = Path(path)
        if not (path / "config.json").is_file():
            what = "does not exist" if not path.exists() else "is not a run: it has no config.json"
            raise RequestError(f"{path} {what}.", _nearby_runs(path))
        run = cls(path, read_json(path / "config.json", CONFIG), parts=parts)
        if data is not None:
            run._data = run.read(data, y, z)
        return run

    # -- what is stored ------------------------------------------------------------------------------------------

    @property
    def train(self) -> dict[str, Any]:
        """The resolved training options of the current phase."""
        return dict(self.config["phases"][-1])

    @property
    def data_info(self) -> dict[str, Any]:
        """data.json: fingerprint, split, domain, classes."""
        return read_json(self.path / "data.json", DATA)

    @property
    def domain(self) -> Domain:
        return Domain.from_json(self.data_info["domain"])

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns of the table that the run was fitted on, or None."""
        found: list[str] | None = self.data_info.get("columns")
        return found

    @property
    def is_finished(self) -> bool:
        """Whether training of every phase is over and judged."""
        return (self.path / "result.json").is_file() and self.result["phase"] == len(self.config["phases"]) - 1

    @property
    def result(self) -> dict[str, Any]:
        """result.json: the judged test bound and what goes with it."""
        if not (self.path / "result.json").is_file():
            raise RequestError(f"{self.path} has no result yet.", f"Finish it with: unveil resume {self.path}")
        return read_json(self.path / "result.json", RESULT)

    @property
    def diagnosis(self) -> dict[str, Any] | None:
        """diagnosis.json, as `unveil diagnose` wrote it, or None."""
        path = self.path / "diagnosis.json"
        return read_json(path, DIAGNOSIS) if path.is_file() else None

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    @property
    def objective(self) -> Objective:
        return rebuild(self.config["objective"])

    def stages(self) -> tuple[Stage, ...]:
        """The stages of the current phase, in order: what is written of each, over what holds for the whole phase."""
        return tuple(
            Stage.of(rebuild(own.get("objective", self.config["objective"])), self.train | own)
            for own in self.train.get("stages", [{}])
        )

    def new_model(self, seed: int = 0) -> Model:
        """The model as built, with the initial weights of a seed."""
        return seeded(self.config["model"], seed, self._parts).to(self.train["device"])

    @property
    def model(self) -> Model:
        """The fitted model (best averaged weights by the validation bound), in evaluation mode."""
        if self._model is None:
            weights = self.path / "weights.safetensors"
            if not weights.is_file():
                raise RequestError(f"{self.path} has no weights yet.", f"Finish it with: unveil resume {self.path}")
            model = self.new_model()
            load_weights(weights, model)
            self._model = model.eval()
        return self._model

    @property
    def data(self) -> Data:
        """The data the run was fitted on, read again where needed; refused when its fingerprint has changed."""
        if self._data is None:
            source = self.config["source"]
            if source["kind"] == "memory":
                raise RequestError(
                    f"{self.path} was fitted on an array in memory, which a run does not keep.",
                    "Save the array and give --data x.npz, or open the run with Run.load(path, data=x), with y=… and "
                    "z=… where it was given them.",
                )
            self._data = self.read(source["where"])
        return self._data

    def read(self, source: Any, y: Any = None, z: Any = None) -> Data:
        """The full data set of a source, split as in this run; refused unless it is what the run was fitted on."""
        data = load(source, y=y, z=z, **self.config["data"])
        if data.sha256 != self.data_info["sha256"]:
            raise RequestError(f"The data of {self.path} has changed: its fingerprint differs from data.json.")
        return data

    def forget(self) -> None:
        """Drop the model held in memory, so that the next use reads the weights on disk."""
        self._model = None

    # -- the verbs ------------------------------------------------------------------------------------------------

    def evaluate(self, **options: Any) -> dict[str, Any]:
        """The bound on log p(x) of a split or of new data; see `unveil.judging.evaluate_run`."""
        from .judging import evaluate_run

        return evaluate_run(self, **options)

    def diagnose(self, **options: Any) -> dict[str, Any]:
        """Bracket, gap, islands, collapse, quality and structure; see `unveil.diagnosing.diagnose_run`."""
        from .diagnosing import diagnose_run

        return diagnose_run(self, **options)

    def encode(self, x: Any) -> Any:
        """Posterior mean and standard deviation of x, or its codes, as x came; see `unveil.using.encode`."""
        from .using import encode

        return encode(self, x)

    def score(self, x: Any, **options: Any) -> Any:
        """log p(x), its error and its percentile among the validation examples; see `unveil.using.score`."""
        from .using import score

        return score(self, x, **options)

    def impute(self, x: Any, **options: Any) -> Any:
        """x with what is missing drawn from p(x_missing|x_observed), as it came; see `unveil.imputing.impute`."""
        from .imputing import impute

        return impute(self, x, **options)

    def sample(self, num_samples: int = 64, **options: Any) -> np.ndarray:
        """New x from the model, [N, *shape]; see `unveil.using.sample`."""
        from .using import sample

        return sample(self, num_samples, **options)

    def reconstruct(self, x: Any = None, **options: Any) -> Any:
        """x and the mean of p(x|z) at the posterior mean; see `unveil.using.reconstruct`."""
        from .using import reconstruct

        return reconstruct(self, x, **options)

    def interpolate(self, x: Any = None, **options: Any) -> np.ndarray:
        """Decoded paths between pairs of examples; see `unveil.using.interpolate`."""
        from .using import interpolate

        return interpolate(self, x, **options)

    def resume(self, **options: Any) -> Run:
        """Go on where the run was stopped, or open a new phase with `epochs=`, `steps=` or `minutes=`."""
        from .fitting import resume

        return resume(self, **options)

    def report(self, *, open: bool = False) -> Path:
        """Write report.html (one file, no network) and return its path."""
        from .report import write_report

        path = write_report(self)
        if open:
            import webbrowser

            webbrowser.open(path.resolve().as_uri())
        return path

    def __repr__(self) -> str:
        state = "finished" if self.is_finished else "unfinished"
        return f"Run({str(self.path)!r}, {self.config['model'].get('name', 'model')}, {state})"

    def _repr_html_(self) -> str:
        from .report.notebook import run_card

        return run_card(self)


def check_new(path: Path) -> None:
    """Refuse to write a run where anything is."""
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        what = "holds a run" if (path / "config.json").exists() else "is not empty"
        raise RequestError(f"{path} {what}, and a run is never overwritten.", "Choose another --out, or resume it.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Refuse a path whose nearest existing folder cannot be written in."""
    folder = path
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise RequestError(
            f"There is no permission to write in {folder}, where {path} would be.", "Choose another --out."
        )


def default_path(source_name: str, model_name: str) -> Path:
    """runs/<source>-<model>-<n>, n the first free number."""
    stem = re.sub(r"[^\w.-]+", "_", f"{source_name}-{model_name}").strip("_")
    number = 1
    while (Path("runs") / f"{stem}-{number}").exists():
        number += 1
    return Path("runs") / f"{stem}-{number}"


def versions() -> dict[str, str]:
    """The versions a number depends on."""
    return {
        "unveil": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _nearby_runs(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    found = sorted(p.parent for p in folder.glob("*/config.json"))[:3] if folder.is_dir() else []
    return f"Runs there: {', '.join(map(str, found))}." if found else "Make one with: unveil fit SOURCE"
