"""What a person calls: `Run`, a facade over its store with one line a verb, and the functions that make runs.

The rooms below know the store and nothing of this file. A new verb is one function in its room and one line here.
"""

from __future__ import annotations

import inspect
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .data import Data
from .domain import Domain
from .errors import decisions, remark
from .evaluation.compare import Comparison
from .evaluation.compare import compare as compare_stores
from .evaluation.diagnose import diagnose_run
from .evaluation.evaluate import evaluate_run
from .fitting.phases import continue_fitting
from .fitting.prepare import Fitting, prepare
from .languages import Tongue, checked, speaking
from .model import Model
from .objectives import Objective
from .output.progress import follow, shows
from .report import serve_explorer, write_report
from .report.notebook import run_card
from .runs.store import RunStore
from .use.both import describe
from .use.description import Description
from .use.encode import encode
from .use.impute import impute
from .use.neighbours import neighbours
from .use.packed import pack as pack_store
from .use.sample import sample, sample_as_fitted
from .use.score import score
from .use.show import interpolate, reconstruct

Method = TypeVar("Method", bound=Callable[..., Any])


def like(room: Callable[..., Any]) -> Callable[[Method], Method]:
    """Show `help` the arguments and the words of the function that a verb calls."""

    def shown(verb: Method) -> Method:
        first, *others = inspect.signature(room).parameters.values()
        own = [first.replace(name="self", annotation=inspect.Parameter.empty), *others]
        verb.__signature__ = inspect.signature(room).replace(parameters=own)  # type: ignore[attr-defined]
        verb.__doc__ = room.__doc__
        return verb

    return shown


class Run:
    """A fitted (or half-fitted) model and what is known of it; loading one executes no stored code.

    Arguments: store, its directory.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = store

    @classmethod
    def load(cls, path: Path | str, **given: Any) -> Run:
        """Open a run.

        Arguments:
            parts: brings the user's own classes back, by slot or class name; a run names them and imports nothing.
            data: the array the run was fitted on, for a run that was fitted on one in memory.
            y, z, text: its labels, known latents and texts, where the run was given any.
        """
        return cls(RunStore.load(path, **given))

    @property
    def path(self) -> Path:
        return self.store.path

    @property
    def config(self) -> dict[str, Any]:
        """config.json: every resolved choice."""
        return self.store.config.to_json()

    @property
    def train(self) -> dict[str, Any]:
        """The resolved training options of the present phase."""
        return self.store.phase.to_json()

    @property
    def data_info(self) -> dict[str, Any]:
        """data.json: fingerprint, split, domain, classes."""
        return self.store.data_info

    @property
    def domain(self) -> Domain:
        return self.store.domain

    @property
    def columns(self) -> list[str] | None:
        """The names of the columns of the table that the run was fitted on, or None."""
        return self.store.columns

    @property
    def is_finished(self) -> bool:
        """Whether training of every phase is over and judged."""
        return self.store.is_finished

    @property
    def result(self) -> dict[str, Any]:
        """result.json: the judged test bound and what goes with it."""
        return self.store.result

    @property
    def diagnosis(self) -> dict[str, Any] | None:
        """diagnosis.json, as `diagnose` wrote it, or None."""
        return self.store.diagnosis

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return self.store.metrics

    @property
    def objective(self) -> Objective:
        return self.store.objective

    @property
    def model(self) -> Model:
        """The fitted model (best averaged weights by the validation bound), in evaluation mode."""
        return self.store.model

    @property
    def data(self) -> Data:
        """The data the run was fitted on, read again where needed; refused when its fingerprint has changed."""
        return self.store.data

    @like(evaluate_run)
    def evaluate(self, **options: Any) -> dict[str, Any]:
        """The bound on log p(x) of a split or of new data; see `unveil.evaluation.evaluate.evaluate_run`."""
        return evaluate_run(self.store, **options)

    @like(diagnose_run)
    def diagnose(self, **options: Any) -> dict[str, Any]:
        """Bracket, gap, islands, collapse, quality and structure; see `unveil.evaluation.diagnose.diagnose_run`."""
        return diagnose_run(self.store, **options)

    @like(encode)
    def encode(self, x: Any, **options: Any) -> Any:
        """Posterior mean and standard deviation of x, or its codes, as x came; see `unveil.use.encode.encode`."""
        return encode(self.store, x, **options)

    @like(score)
    def score(self, x: Any, **options: Any) -> Any:
        """log p(x), its error and its percentile among the validation examples; see `unveil.use.score.score`."""
        return score(self.store, x, **options)

    @like(neighbours)
    def neighbours(self, x: Any = None, k: int = 5, **options: Any) -> Any:
        """The training examples nearest to x in z, and near duplicates; see `unveil.use.neighbours.neighbours`."""
        return neighbours(self.store, x, k, **options)

    @like(impute)
    def impute(self, x: Any, **options: Any) -> Any:
        """x with what is missing drawn from p(x_missing|x_observed), as it came; see `unveil.use.impute.impute`."""
        return impute(self.store, x, **options)

    @like(sample)
    def sample(self, num_samples: int = 64, **options: Any) -> Any:
        """New x from the model, [N, *shape], or a frame; see `unveil.use.sample.sample`."""
        return sample_as_fitted(self.store, num_samples, **options)

    @like(describe)
    def describe(self, x: Any, **options: Any) -> list[Description]:
        """Texts of pictures, likeliest first, with log p(text|picture); see `unveil.use.both.describe`."""
        return describe(self.store, x, **options)

    @like(reconstruct)
    def reconstruct(self, x: Any = None, **options: Any) -> Any:
        """x and the mean of p(x|z) at the posterior mean; see `unveil.use.show.reconstruct`."""
        return reconstruct(self.store, x, **options)

    @like(interpolate)
    def interpolate(self, x: Any = None, other: Any = None, **options: Any) -> np.ndarray:
        """Decoded paths between pairs of examples; see `unveil.use.show.interpolate`."""
        return interpolate(self.store, x, other, **options)

    def resume(self, **options: Any) -> Run:
        """Go on where the run was stopped, or open a new phase with `epochs=`, `steps=` or `minutes=`."""
        return resume(self, **options)

    def relink(self, source: str) -> Data:
        """Tell the run where its data is now: a path to the same data, which is read from there from then on."""
        return self.store.relink(source)

    def report(self, *, open: bool = False, lang: str = "en") -> Path:
        """Write report.html (one file, no network), in English or in Chinese ("zh"), and return its path."""
        checked(lang)
        self.store.require_present()
        with self.store.lock():
            path = write_report(self.store, lang)
        if open:
            webbrowser.open(path.resolve().as_uri())
        return path

    def explore(
        self, *, port: int = 0, open: bool = False, lang: str = "en", tell: Callable[[str], None] = print
    ) -> None:
        """Serve the explorer of z on 127.0.0.1 until Ctrl-C; `tell` is given the address to open."""
        serve_explorer(self.store, port=port, open=open, lang=lang, tell=tell)

    def __repr__(self) -> str:
        state = "finished" if self.is_finished else "unfinished"
        return f"Run({str(self.path)!r}, {self.store.config.model_name}, {state})"

    def _repr_html_(self) -> str:
        return run_card(self.store)


def fit(source: Any, *, show: bool | None = None, lang: str = "en", **options: Any) -> Run:
    """Fit a model to data and return the finished run.

    Arguments:
        source: a name ("digits", "mnist"), a path to .npy or .npz[:name], an array or a tensor.
        show: progress on standard error; by default where that is a terminal.
        lang: of what is shown and of the report, "en" or "zh".
        options: as for `unveil.fitting.prepare.prepare`: out, model, objective, seed, y, z, and any key of
            `unveil list keys` with its dot as a double underscore (`model__latent=16`), or short: latent, epochs,
            steps, minutes.

    Example:
        >>> run = unveil.fit("digits", steps=300)
        >>> run.result["log_px"]
    """
    checked(lang)
    fitting = prepare(source, **options)
    if not shows(show):
        remark(decisions(fitting.data.notes), up=2)
    return carry_out(fitting, show, lang)


def carry_out(fitting: Fitting, show: bool | None = None, lang: str = "en") -> Run:
    """Train, judge and report what was prepared, in one of the languages."""
    with speaking(Tongue(lang, fitting.data.names)):
        return Run(follow(fitting.lines, fitting.events(partial(write_report, lang=lang)), show))


def resume(
    run: Run | Path | str,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    show: bool | None = None,
    data: Any = None,
    parts: Any = None,
) -> Run:
    """Go on where a run was stopped; `epochs`, `steps` or `minutes` open a declared new phase from its best weights."""
    store = _store(run, data=data, parts=parts)
    events = continue_fitting(store, write_report, epochs=epochs, steps=steps, minutes=minutes)
    return Run(follow((), events, show))


def compare(runs: Sequence[Run | Path | str]) -> Comparison:
    """Finished runs (or their directories) judged on the same test examples, the best first; differences are paired.

    See `unveil.evaluation.compare.compare`.
    """
    return compare_stores([_store(run) for run in runs])


def pack(run: Run | Path | str, out: Path | str) -> Path:
    """Write a folder with what encode, score, sample and decode need; `unveil.load` opens it."""
    return pack_store(_store(run), out)


def _store(run: Run | Path | str, **given: Any) -> RunStore:
    return run.store if isinstance(run, Run) else RunStore.load(run, **given)
