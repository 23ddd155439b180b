"""The directory of a run: the one place that reads and writes its files. JSON and safetensors, never pickle."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from ..data import Data, Split, load
from ..data.knowntexts import KnownTexts
from ..domain import Domain
from ..errors import RequestError
from ..files import sha256_of, write_json
from ..legible import quoted
from ..model import Model
from ..objectives import Objective
from ..ops import has_device
from ..plainfiles import read_plain, write_atomic, writing
from ..records import read_record
from ..registry import rebuild
from ..settings.phase import Phase
from ..train.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint, save_weights
from ..train.stage import Stage
from .building import built
from .config import CONFIG, RunConfig
from .locking import holder, made_alone, only_one
from .metrics import append_metrics, cut_metrics, read_metrics, sync_metrics
from .paths import nearby_runs, require_own
from .schemas import ConfigFile, ContinuationsFile, DataFile, DiagnosisFile, ResultFile, StateValues
from .scores import WHOLE, Scoring, judged_again, read_scores, read_whole, write_scores
from .seals import identity, sealed
from .standing import Standing
from .texts import read_known_texts, write_known
from .whereabouts import refuse_changed, refuse_in_memory, require_source

DATA, RESULT = "unveil-data-1", "unveil-result-1"
DIAGNOSIS, CONTINUATIONS = "unveil-diagnosis-1", "unveil-continuations-1"
WEIGHTS, SCORES, TEXTS = "weights.safetensors", "scores.safetensors", "texts.safetensors"
PACK = "pack.json"  # what a pack has and a run has not
OF_PACK = ("config.json", "data.json", PACK, WEIGHTS, SCORES, TEXTS)  # the last two are not in every pack


class RunStore:
    """A fitted (or half-fitted) model on disk; loading one executes no stored code.

    Arguments:
        path: the directory.
        config: every resolved choice (config.json).
        parts: the user's own pieces, by slot ("encoder") or class name.
        data: the data, where the caller has it; else it is read again from its source when needed.
    """

    def __init__(
        self, path: Path, config: RunConfig, *, parts: Mapping[str, Any] | None = None, data: Data | None = None
    ) -> None:
        self.path, self.config = path, config
        self._parts, self._data = dict(parts or {}), data
        self._model: Model | None = None
        self._is_held = False

    @classmethod
    def create(
        cls,
        path: Path | str,
        config: RunConfig,
        data: Data,
        parts: Mapping[str, Any] | None = None,
        numbered: bool = False,
    ) -> RunStore:
        """A new directory with config.json and data.json; one that holds anything is never overwritten.

        Arguments: numbered, whether the path ends with a number, and a taken one means the next.
        """
        with made_alone(Path(path), numbered) as own:
            store = cls(own, config, parts=parts, data=data)
            write_json(own / "data.json", data.to_json())
            if data.known_texts is not None:
                write_known(own / TEXTS, data.known_texts)
            store.write_config(config)
        return store

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        parts: Mapping[str, Any] | None = None,
        data: Any = None,
        y: Any = None,
        z: Any = None,
        text: Any = None,
    ) -> RunStore:
        """Open a directory; arguments as for `unveil.Run.load`."""
        path = Path(path)
        if not (path / "config.json").is_file():
            what = "does not exist" if not path.exists() else "is not a run: it has no config.json"
            raise RequestError(f"{path} {what}.", nearby_runs(path))
        require_own(path)
        store = cls(path, RunConfig.of_json(read_record(path / "config.json", CONFIG, ConfigFile)), parts=parts)
        if data is not None:
            store._data = store.read(data, y, z, text)
        return store

    @property
    def phase(self) -> Phase:
        """The resolved training options of the present phase."""
        return self.config.phases[-1]

    @cached_property
    def device(self) -> str:
        """Where the run works: where it was fitted, or the processor, which is said, on a machine without that."""
        asked = self.phase.device
        if has_device(asked):
            return asked
        warnings.warn(
            f"{self.path} was fitted on {asked}, which this machine does not have; it works on cpu.", stacklevel=2
        )
        return "cpu"

    @cached_property
    def data_info(self) -> dict[str, Any]:
        """data.json: fingerprint, split, domain, classes."""
        return read_record(self.path / "data.json", DATA, DataFile)

    @property
    def domain(self) -> Domain:
        return Domain.from_json(self.data_info["domain"])

    @cached_property
    def known_texts(self) -> KnownTexts | None:
        """The texts whose vectors are z, or None; refused where the file is gone, or is another one."""
        told = self.data_info.get("known_texts")
        return None if told is None else read_known_texts(self.path / TEXTS, told)

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns of the table that the run was fitted on, or None."""
        return self.data_info.get("columns")

    @property
    def names(self) -> frozenset[str]:
        """Words of the data, such as classes and columns, that no language says in another way."""
        info = self.data_info
        return frozenset([*(info["classes"] or ()), *(info.get("columns") or ())])

    @property
    def is_finished(self) -> bool:
        """Whether training of every phase is over and judged."""
        return self.standing.is_judged

    @property
    def number(self) -> int:
        """The number of the present phase, from 0."""
        return len(self.config.phases) - 1

    @property
    def standing(self) -> Standing:
        """Which phase each file is of, as they are now."""
        return self._standing(self.path)

    def _standing(self, folder: Path) -> Standing:
        return Standing(folder / WEIGHTS, folder / SCORES, folder / "result.json", self.number, self.identity, RESULT)

    @cached_property
    def identity(self) -> str:
        """What makes the run this one, which each of its files says of itself."""
        return identity(self.config.model, self.config.seed, self.data_info)

    @property
    def seal(self) -> dict[str, str]:
        """What a file of the present phase says of itself."""
        return {"phase": str(self.number), "run": self.identity}

    @property
    def sums(self) -> dict[str, str]:
        """What a result keeps of the files that it was made of."""
        files = {"weights_sha256": WEIGHTS, "scores_sha256": SCORES}
        return {"run_sha256": self.identity} | {name: sha256_of(self.path / file) for name, file in files.items()}

    def require_finished(self) -> None:
        if not self.is_finished:
            raise RequestError(self.standing.unfinished(self.path), self._completed)

    def require_one_phase(self) -> None:
        """Refuse a run whose files are of several phases or runs, or were changed: they do not speak of one model."""
        standing = self.standing
        if not self.is_pack and standing.mixture:
            if standing.are_strange:
                self.new_model()  # which says what is wrong with the description, where that is it
            of_several = "Put the files of one run together." if standing.is_of_several else self._completed
            raise RequestError(standing.unfinished(self.path), of_several)
        if not self.is_pack and (name := standing.changed):
            raise RequestError(
                f"{self.path / name} is not the file that the result was made of: it was changed or damaged.",
                f"Take it from a copy, or make it again: unveil resume {quoted(self.path)}",
            )

    def require_newest_config(self) -> None:
        """Refuse a config.json that is older than the weights beside it."""
        if (self.standing.of_weights or 0) > self.number:
            raise RequestError(self.standing.unfinished(self.path))

    def require_present(self) -> None:
        """Refuse a run whose result is of an earlier phase than the present one."""
        self.require_one_phase()
        if (found := self.standing.of_result) is not None and found != self.number:
            raise RequestError(self.standing.unfinished(self.path), self._completed)

    @property
    def _completed(self) -> str:
        """What finishes the run, or who is at it."""
        who = "" if self._is_held else holder(self.path)
        return f"{who} is working on it: wait for that." if who else self.judged_again

    @property
    def result(self) -> dict[str, Any]:
        """result.json: the judged test bound and what goes with it."""
        if not (self.path / "result.json").is_file():
            raise RequestError(f"{self.path} has no result yet.", self._completed)
        return read_record(self.path / "result.json", RESULT, ResultFile)

    @property
    def diagnosis(self) -> dict[str, Any] | None:
        """diagnosis.json, as `unveil diagnose` wrote it in the present phase, or None."""
        path = self.path / "diagnosis.json"
        found = read_record(path, DIAGNOSIS, DiagnosisFile) if path.is_file() else {}
        return found if found.get("phase", 0) == self.number and found else None

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of the curves, of the phases that there are."""
        return [row for row in read_metrics(self._metrics) if row["phase"] < len(self.config.phases)]

    @property
    def continuations(self) -> list[dict[str, Any]]:
        """When and from which step the run was resumed."""
        path = self.path / "continuations.json"
        return list(read_record(path, CONTINUATIONS, ContinuationsFile)["continuations"]) if path.is_file() else []

    def judged(self, split: Literal["valid", "test"]) -> Split:
        """The examples of a split whose log p(x) `scores` holds, in its order."""
        found, how = getattr(self.data, split), self.config.judging
        most = how.ranked if split == "valid" else how.num_examples
        return found if most is None or most >= len(found) else found.spread(most)

    def scores(self, split: str) -> np.ndarray:
        """log p(x) [N] as judged at the end of the fit: all "test" examples, or up to 1,000 of "valid"; see `judged`.

        Of a model that was given the labels "test" is log p(x|label), and "test_without_labels" is log p(x).
        """
        return read_scores(self.path / SCORES, split, self.judged_again)[0]

    def ranking(self) -> tuple[np.ndarray, dict[str, str]]:
        """log p(x) [M] of validation examples, for new ones to be ranked among, and how it was computed, as text."""
        return read_scores(self.path / SCORES, "valid", self.judged_again)

    def whole(self) -> np.ndarray | None:
        """[M] which validation examples of `ranking` have no gaps; None where none has any."""
        return read_whole(self.path / SCORES)

    def scoring(self, seed: int = 0) -> Scoring:
        """How a score is computed now: what a ranking must have been computed by."""
        judging = self.config.judging
        drawn = None if judging.make().noiseless else seed
        return Scoring(judging.estimator, judging.num_samples, drawn, self.weights_sha256)

    @property
    def judged_again(self) -> str:
        """The command that judges the run anew, in a sentence."""
        opened = self.opened if self.config.in_memory else ""
        return judged_again(self.path, pack=self.is_pack, finished=self.is_finished, in_memory=opened)

    @property
    def is_pack(self) -> bool:
        return (self.path / PACK).is_file()

    @property
    def weights_sha256(self) -> str:
        self._require_weights()
        return sha256_of(self.path / WEIGHTS)

    def checkpoint(self) -> Checkpoint | None:
        """The newest whole state of the training, or None."""
        return load_checkpoint(self.path / "state", StateValues)

    @property
    def objective(self) -> Objective:
        return rebuild(self.config.objective)

    def stages(self) -> tuple[Stage, ...]:
        """The stages of the present phase, in order."""
        return tuple(
            Stage.of(rebuild(own.get("objective", self.config.objective)), self.phase.stage_options(own))
            for own in self.phase.stages
        )

    def new_model(self, seed: int = 0) -> Model:
        """The model as built, with the initial weights of a seed."""
        where = str(self.path / "config.json")
        found = built(self.config.model, self.domain, self.path / WEIGHTS, where, seed=seed, parts=self._parts)
        return found.to(self.device)

    @property
    def model(self) -> Model:
        """The fitted model (best averaged weights by the validation bound), in evaluation mode."""
        if self._model is None:
            weights = self._require_weights()
            model = self.new_model()
            if self.standing.are_strange:
                raise RequestError(
                    f"{weights} is not of the run that config.json and data.json describe.",
                    "Put the files of one run together.",
                )
            load_weights(weights, model)
            self._model = model.eval()
        return self._model

    def _require_weights(self) -> Path:
        if not (self.path / WEIGHTS).is_file():
            raise RequestError(f"{self.path} has no weights.", self._completed)
        return self.path / WEIGHTS

    def require_whole(self) -> None:
        """Refuse weights and scores that cannot be read: nothing damaged is handed on."""
        self.forget()
        _ = self.model, self.ranking()

    @property
    def data(self) -> Data:
        """The data the run was fitted on, read again where needed; refused when its fingerprint has changed."""
        if self._data is None:
            self._require_source("This needs the data that the run was fitted on")
            self._data = self.read(self.config.where)
        return self._data

    @property
    def opened(self) -> str:
        """What opens a run in Python that was fitted on data in memory, with all that it was given."""
        labels = ", y=y" if self.data_info["classes"] is not None else ""
        texts = ", text=texts" if self.domain.parts is not None or self.known_texts is not None else ""
        vectors = ", z=vectors" if self.known_texts is not None else ""
        return f"unveil.Run.load({str(self.path)!r}, data=x{labels}{texts}{vectors})"

    def training_data(self, what: str) -> Data:
        """`data`, for what needs the examples that the run was fitted on, and cannot do with x alone.

        Arguments: what, in words, at the beginning of a sentence.
        """
        if self._data is None:
            self._require_source(f"{what} needs the training examples")
        return self.data

    def _require_source(self, what: str) -> None:
        if (self.path / PACK).is_file():
            raise RequestError(
                f"{what}, and {self.path} is a pack, which keeps none.",
                "Give the directory of the run that it was packed from.",
            )
        if self.config.in_memory:
            refuse_in_memory(self.path, what, self.columns, self.opened, self.domain.parts is not None)
        require_source(self.path, self.config.where)

    def read(self, source: Any, y: Any = None, z: Any = None, text: Any = None) -> Data:
        """The full data set of a source, split as in this run; refused unless it is what the run was fitted on."""
        data = load(source, y=y, **self.config.data.beside(z=z, text=text))
        if data.sha256 != self.data_info["sha256"]:
            then = sum(self.data_info["split"]["sizes"].values())
            now = sum(map(len, (data.train, data.valid, data.test)))
            refuse_changed(self.path, str(source), then, now, not isinstance(source, str | Path))
        return data

    def relink(self, source: str, text: str | None = None) -> Data:
        """Tell the run where its data is now, which is read from there from then on; refused where it is other data.

        Arguments: text, where the table of the texts of its pictures is, if that was moved.
        """
        with self.lock():
            found = self.read(source, text=text)
            options = self.config.data if text is None else replace(self.config.data, text=str(Path(text).absolute()))
            self.write_config(replace(self.config, where=found.source, in_memory=False, data=options))
        return found

    def forget(self) -> None:
        """Drop the model held in memory, so that the next use reads the weights on disk."""
        self._model = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second process out while this one writes; what another has changed until now is read again."""
        if self._is_held:
            yield
            return
        with only_one(self.path):
            self._is_held = True
            try:
                self._refresh()
                yield
            finally:
                self._is_held = False

    def _refresh(self) -> None:
        found = RunConfig.of_json(read_record(self.path / "config.json", CONFIG, ConfigFile))
        if found.to_json() != json.loads(json.dumps(self.config.to_json())):
            self.config = found
        self.forget()

    def write_config(self, config: RunConfig) -> None:
        write_json(self.path / "config.json", config.to_json())
        self.config = config

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Keep what the run came to. The report of what was before goes first: none speaks of another result."""
        with writing(self.report_path):
            self.report_path.unlink(missing_ok=True)
        write_json(self.path / "result.json", result)

    def write_diagnosis(self, diagnosis: Mapping[str, Any]) -> None:
        write_json(self.path / "diagnosis.json", {**diagnosis, "phase": self.number})

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    def write_report(self, page: str) -> Path:
        write_atomic(self.report_path, page.encode())
        return self.report_path

    def write_scores(
        self, valid: Tensor, test: Tensor, test_without_labels: Tensor, whole: Tensor | None = None
    ) -> None:
        """Keep log p(x) of the judged examples: of validation to rank new ones among, of test to show and to compare.

        Arguments: valid, as `score` computes it; test, what the result is the mean of; test_without_labels, the same
        unless that is log p(x|label); whole, [M] which of the former have no gaps, where some have: rows without gaps
        are ranked among these.
        """
        kept = {"valid": valid, "test": test, "test_without_labels": test_without_labels}
        kept |= {} if whole is None else {WHOLE: whole.byte()}
        write_scores(self.path / SCORES, self.scoring(), kept, self.seal)

    def write_weights(self, model: Model) -> None:
        """Keep the weights of the end of the present phase."""
        save_weights(self.path / WEIGHTS, model, sealed(self.seal))
        self.forget()

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self.path / "state", checkpoint)

    def add_continuation(self, step: int) -> None:
        """Note that training goes on from a step."""
        row = {"phase": self.number, "from_step": step, "at": round(time.time(), 3)}
        found = {"format": CONTINUATIONS, "continuations": [*self.continuations, row]}
        write_json(self.path / "continuations.json", found)

    def log(self, row: Mapping[str, Any]) -> None:
        append_metrics(self._metrics, row)

    def sync_metrics(self) -> int:
        """Bring metrics.jsonl to the disk, and say how many bytes it has: a checkpoint counts on them."""
        return sync_metrics(self._metrics)

    def cut_metrics(self, size: int) -> None:
        """Drop the rows after a checkpoint; they are made again."""
        cut_metrics(self._metrics, size)

    def drop_metrics(self) -> None:
        with writing(self._metrics):
            self._metrics.unlink(missing_ok=True)

    def write_pack(self, out: Path, pack: Mapping[str, Any]) -> None:
        """Write what encode, score, sample and decode need into a new folder, and pack.json beside it.

        Scores are written where the run has any: they rank new rows, and are needed for nothing else.
        """
        for name in filter(lambda name: (self.path / name).is_file(), (WEIGHTS, SCORES, TEXTS)):
            write_atomic(out / name, read_plain(self.path / name))
        if not self._standing(out).agrees:  # another process has written one of them in the meantime
            raise RequestError(f"{self.path} holds scores of other weights than its own.", self._completed)
        write_json(out / "data.json", self.data_info | {"source": Path(self.data_info["source"]).name})
        write_json(out / "config.json", self.config.slim().to_json())
        write_json(out / PACK, pack)

    @property
    def pack_bytes(self) -> int:
        """The size of what `write_pack` copies."""
        held = (self.path / name for name in (WEIGHTS, SCORES, TEXTS))
        return sum(path.stat().st_size for path in held if path.is_file())

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"
