"""Reproduce a number: train each seed as the recipe says, judge it on the test set, put it beside what was stated."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..api import Run, fit, resume
from ..data.rowblocks import ROWS
from ..errors import RequestError, positive
from ..files import write_json
from ..output.counting import counting
from ..output.streams import is_terminal, say
from ..plainfiles import make_folder
from ..records import read_record
from ..runs.paths import check_writable, missing_file
from ..settings.judging import make_estimator
from .base import Recipe, budget_words, find
from .outcome import REPRODUCE, Attempt, Reproduction, ReproductionFile

FILE = "reproduce.json"
Told = Callable[[int, int], None]  # examples judged, of how many


def reproduce(
    name: str,
    *,
    seeds: int | Iterable[int] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    limit: int | None = None,
    out: Path | str | None = None,
    show: bool | None = None,
) -> Reproduction:
    """Train and judge a recipe; what a directory already holds is gone on with, and judged once.

    Every seed that was ever judged in the directory is in the result: none is left out.

    Arguments:
        name: of the recipe.
        seeds: how many, from 0, or which; by default the recipe's.
        steps, minutes: another budget for each seed. The result then says nothing of the number.
        limit: judge only so many test examples, drawn from all over them; likewise.
        out: the directory, by default runs/reproduce-<name>; a run per seed is in it.
        show: progress on standard error; by default where that is a terminal.
    """
    recipe = find(name)
    path = Path("runs") / f"reproduce-{name}" if out is None else Path(out)
    chosen, options = which(seeds, recipe), recipe.options_with(steps, minutes)
    if limit is not None:
        positive(limit, "limit")
    make_estimator(recipe.estimator, recipe.num_samples)
    found = _opened(Reproduction(recipe, path, options, limit))
    for seed in chosen:
        run, wall = trained(recipe, options, path / f"seed-{seed}", seed, show)
        weights = run.store.weights_sha256
        attempt = next((a for a in found.attempts if (a.seed, a.weights) == (seed, weights)), None)
        if attempt is None:
            tell(show, f"Seed {seed}: judging it on the test examples …")
            with counted(show) as progress:
                attempt = judged(recipe, run, seed, limit, wall, progress)
        others = [a for a in found.attempts if a.seed != seed]
        found = replace(found, attempts=tuple(sorted([*others, attempt], key=lambda a: a.seed)))
        write_json(path / FILE, found.to_json())
    return found


def tell(show: bool | None, sentence: str) -> None:
    """A sentence on standard error, where progress is shown."""
    if is_terminal() if show is None else show:
        say([sentence])


@contextmanager
def counted(show: bool | None) -> Iterator[Told | None]:
    """Progress of an estimate: a bar in a terminal; elsewhere, where it is asked for, a line for each tenth of it."""

    def line(done: int, total: int) -> None:
        if done * 10 // total > max(0, done - ROWS) * 10 // total:
            say([f"judged {done:,} of {total:,} test examples"])

    with counting("test examples", show is not False and is_terminal()) as bar:
        yield line if bar is None and show else bar


def which(seeds: int | Iterable[int] | None, recipe: Recipe) -> list[int]:
    """The seeds asked for, each once."""
    if seeds is None:
        return list(recipe.seeds)
    found = list(dict.fromkeys(range(seeds) if isinstance(seeds, int) else seeds))
    if not found or min(found) < 0:
        raise RequestError(f"The seeds came as {seeds}; at least one is needed, and each is a whole number from 0.")
    return found


def _opened(new: Reproduction) -> Reproduction:
    """The reproduction with what its directory holds of it; a directory of anything else is refused."""
    path, options = new.path, dict(new.options)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        check_writable(path)
        make_folder(path)
        write_json(path / FILE, new.to_json())
        return new
    if not (path / FILE).is_file():
        raise RequestError(f"{path} exists and holds no reproduction.", "Choose another --out.")
    held = read_record(path / FILE, REPRODUCE, ReproductionFile)
    if held["recipe"]["name"] != new.recipe.name or held["options"] != options:
        raise RequestError(
            f"{path} holds {held['recipe']['name']} with {budget_words(held['options'])}; it cannot take "
            f"{new.recipe.name} with {budget_words(options)}, or with other options.",
            "Choose another --out.",
        )
    if new.limit is not None and held["limit"] is None and held["seeds"]:
        raise RequestError(
            f"{path} holds seeds judged on the whole test set; a limit of {new.limit:,} would replace them.",
            "Choose another --out, or leave the limit out.",
        )
    kept = (Attempt(**row) for row in held["seeds"])
    fitting = (new.limit, new.recipe.estimator, new.recipe.num_samples)
    return replace(new, attempts=tuple(a for a in kept if (a.limit, a.estimator, a.num_samples) == fitting))


def trained(
    recipe: Recipe, options: Mapping[str, Any], path: Path, seed: int, show: bool | None
) -> tuple[Run, float | None]:
    """The finished run of a seed, and the minutes of the whole fit where all of it happened here."""
    if missing_file(path) is not None:
        tell(show, f"Seed {seed}: training in {path} …")
        start = time.perf_counter()
        run = fit(recipe.data, out=path, seed=seed, options=options, show=show)
        return run, (time.perf_counter() - start) / 60
    run = Run.load(path)
    if len(run.store.config.phases) > 1 or run.store.config.seed != seed:
        raise RequestError(
            f"The run {path} was trained further than the recipe says, or with another seed.", "Choose another --out."
        )
    if run.is_finished:
        tell(show, f"Seed {seed}: trained before, in {path}.")
        return run, None
    tell(show, f"Seed {seed}: going on with {path} …")
    return resume(run, show=show), None


def judged(
    recipe: Recipe, run: Run, seed: int, limit: int | None, wall: float | None, progress: Told | None
) -> Attempt:
    """A run on its test set, as the recipe says."""
    found = run.evaluate(estimator=recipe.estimator, num_samples=recipe.num_samples, limit=limit, progress=progress)
    state = run.store.checkpoint()
    assert state is not None, "a finished run keeps its last checkpoint"
    return Attempt(
        seed=seed,
        run=str(run.path),
        nll=-found["log_px"],
        stderr=found["stderr"],
        stderr_mc=found["stderr_mc"],
        num_examples=found["num_examples"],
        limit=limit,
        num_test=run.data_info["split"]["sizes"]["test"],
        estimator=found["estimator"],
        num_samples=found["num_samples"],
        steps=state.step,
        minutes=state.values["seconds"] / 60,
        wall_minutes=wall,
        judging_minutes=found["seconds"] / 60,
        weights=run.store.weights_sha256,
        versions={"trained": dict(run.store.config.versions), "judged": found["versions"]},
    )
