"""The command line: each verb is one library call, and everything heavy is imported inside the verbs."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import Interrupted, RequestError, WorkError, nearest

if TYPE_CHECKING:
    from .run import Run

ERROR = "unveil-error-1"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer shows only its descendants
KINDS = (
    "models", "objectives", "estimators", "priors", "posteriors", "likelihoods", "encoders", "decoders", "sources",
)  # fmt: skip
HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(  # plain help: markup would swallow the brackets of E[x|z] and x.npz[:name]
    name="unveil", add_completion=False, context_settings=HELP, pretty_exceptions_enable=False, rich_markup_mode=None
)


def verb(example: str, **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function as a verb, with an example under its help."""
    return app.command(epilog=f"Example: {example}", context_settings=HELP, **settings)


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help, show_default=False)


def option(metavar: str, help: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, **{"show_default": False} | settings)


def switch(name: str, help: str) -> Any:
    return typer.Option(name, help=help)


def output(name: str, formats: str) -> Any:
    return option("FILE", f"{name}, or {formats}.", "-o", "--out")


RunPath = Annotated[Path, argument("RUN", "The directory of a run.")]
Source = Annotated[
    str, argument("SOURCE", "A name (unveil list sources), a folder of images, x.npy, x.npz[:name] or t.csv.")
]
OptionalSource = Annotated[str | None, argument("SOURCE", "New x; by default test examples.")]
Plugin = Annotated[Path | None, option("FILE.py", "Your own parts; this file is run.")]
Json = Annotated[bool, switch("--json", "One JSON object on standard output.")]
Epochs = Annotated[str | None, option("N", "Train for N passes over the data.")]
Steps = Annotated[str | None, option("N", "Train for N updates.")]
Minutes = Annotated[str | None, option("M", "End within about M minutes.")]
Seed = Annotated[str, option("N", "Of everything random.", show_default=True)]
Table = Annotated[Path, output("name.csv", ".npz, .npy, .parquet")]
Picture = Annotated[Path, output("name.png", ".npz, .npy, .csv for the numbers")]


def show_version(asked: bool) -> None:
    if asked:
        from . import __version__

        typer.echo(f"unveil {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="Start with: unveil demo. The word --debug, anywhere, shows where an error came from.",
)
def unveil(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, judge and use deep latent-variable models: variational auto-encoders and their relatives."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# -- the verbs --------------------------------------------------------------------------------------------------------


@verb("unveil fit mnist --minutes 10 model.latent=40")
def fit(
    source: Source,
    keys: Annotated[list[str] | None, argument("KEY=VALUE", "Any key of: unveil list keys.")] = None,
    out: Annotated[Path | None, option("RUN", "Directory; default runs/SOURCE-MODEL-N.")] = None,
    model: Annotated[str | None, option("NAME", "Default vae.")] = None,
    objective: Annotated[str | None, option("NAME", "Default elbo.")] = None,
    latent: Annotated[str | None, option("D", "Number of latents.")] = None,
    size: Annotated[str | None, option("S", "Of images: S×S pixels.")] = None,
    skip_broken: Annotated[bool, switch("--skip-broken", "Leave out broken images.")] = False,
    condition: Annotated[str | None, option("label", "Fit p(x|z, label).")] = None,
    epochs: Epochs = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Annotated[str | None, option("N", "Of weights, order, noise.", show_default="0")] = None,
    plugin: Plugin = None,
    dry_run: Annotated[bool, switch("--dry-run", "Print what would be done; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a model to data. Makes a run: weights, result, report."""
    started = time.perf_counter()
    load_plugin(plugin)
    from .console import say
    from .fitting import prepare
    from .terminal import follow

    flags = {
        "model": model, "objective": objective, "model.latent": latent, "model.condition": condition,
        "train.epochs": epochs, "train.steps": steps,
        "train.minutes": minutes, "seed": seed, "data.size": size, "data.skip_broken": "true" if skip_broken else None,
    }  # fmt: skip
    options = merged({name: value for name, value in flags.items() if value is not None}, keys or [])
    number = whole(options.pop("seed", "0"), "--seed")
    fitting = prepare(source, out=out, seed=number, options=options, started=started)
    if dry_run:
        say(fitting.lines)
        print_json(fitting.config)
    else:
        show_run(follow(fitting, show=True), as_json)


@verb("unveil resume runs/digits-vae-1 --epochs 50")
def resume(
    run: RunPath,
    epochs: Epochs = None,
    steps: Steps = None,
    minutes: Minutes = None,
    data: Annotated[str | None, option("SOURCE", "The data, if it was an array in memory.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Go on with a run. From where it was stopped, or, with a new budget, from its best weights."""
    parts = load_plugin(plugin)
    from .fitting import resume as resume_run

    budget = {"epochs": epochs, "steps": steps, "minutes": minutes}
    show_run(resume_run(run, show=True, data=data, parts=parts, **budget), as_json)


@verb("unveil evaluate runs/digits-vae-1 --estimator iwae --num-samples 500")
def evaluate(
    run: RunPath,
    data: Annotated[str | None, option("SOURCE", "Judge these x instead of a split.")] = None,
    split: Annotated[str, option("NAME", "train, valid or test.", show_default=True)] = "test",
    estimator: Annotated[str | None, option("NAME", "unveil list estimators; default the run's own.")] = None,
    num_samples: Annotated[str | None, option("K", "Draws per example.")] = None,
    limit: Annotated[str | None, option("N", "Only the first N examples.")] = None,
    seed: Seed = "0",
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Judge a run on held-out data. Gives log p(x) in nats per example, with its side and its errors."""
    numbers = {
        "num_samples": None if num_samples is None else whole(num_samples, "--num-samples", 1),
        "limit": None if limit is None else whole(limit, "--limit", 1),
        "seed": whole(seed, "--seed"),
    }
    found = open_run(run, plugin)
    from .console import print_result
    from .terminal import counting

    with counting("examples") as progress:
        result = found.evaluate(data=data, split=split, estimator=estimator, progress=progress, **numbers)
    print_json(result) if as_json else print_result(result)


@verb("unveil score runs/digits-vae-1 new.npz -o scores.csv")
def score(
    run: RunPath,
    source: Source,
    out: Table,
    seed: Seed = "0",
    plugin: Plugin = None,
) -> None:
    """Give every x its log p(x). With its error and its percentile among validation examples, a row per example."""
    from .tables import TABLES, check_target, write_table

    check_target(out, TABLES, source)
    number = whole(seed, "--seed")
    found = open_run(run, plugin)
    from .terminal import counting

    with counting("examples") as progress:
        scores = found.score(source, seed=number, progress=progress)
    remarked(scores.notes)
    columns = scores.columns()
    write_table(out, columns, {name: columns[name] for name in ("log_px", "stderr", "percentile", "row")})
    typer.echo(f"{len(scores.log_px):,} scores in {out}")


@verb("unveil encode runs/digits-vae-1 new.npz -o z.csv")
def encode(run: RunPath, source: Source, out: Table, plugin: Plugin = None) -> None:
    """Embed x. Gives the posterior mean and standard deviation of every latent (.npy: the mean)."""
    from .tables import TABLES, check_target, write_table

    check_target(out, TABLES, source)
    z = open_run(run, plugin).encode(source)
    remarked(z.notes)
    write_table(out, z.columns(), {"mean": z.mean, "stddev": z.stddev})
    typer.echo(f"{len(z.mean):,} encodings of {z.mean.shape[1]} latents in {out}")


@verb("unveil impute runs/t-vae-1 t.csv -o full.csv")
def impute(
    run: RunPath,
    source: Source,
    out: Annotated[Path, output("full.csv", ".parquet, .npz, .npy")],
    draws: Annotated[str, option("M", "Imputations, numbered in a column draw.", show_default=True)] = "1",
    mean: Annotated[bool, switch("--mean", "The mean of what is missing, not a draw.")] = False,
    num_samples: Annotated[str | None, option("K", "Draws of z per row; 500, images 100.")] = None,
    seed: Seed = "0",
    plugin: Plugin = None,
) -> None:
    """Fill in what is missing of x. Draws from p(x_missing|x_observed); what is observed stays as it is."""
    from .tables import TABLES, check_target, write_completed

    check_target(out, TABLES, source)
    count = None if num_samples is None else whole(num_samples, "--num-samples", 1)
    numbers = {"draws": whole(draws, "--draws", 1), "seed": whole(seed, "--seed")}
    opened = open_run(run, plugin)
    from .imputing import complete
    from .terminal import counting

    with counting("rows") as progress:
        found = complete(opened, source, num_samples=count, mean=mean, progress=progress, **numbers)
    write_completed(out, found)
    remarked(found.notes)
    typer.echo(f"{len(found.raw.x):,} rows in {out}, {len(found.rows):,} of them completed")


@verb("unveil sample runs/digits-vae-1 -o grid.png -n 100")
def sample(
    run: RunPath,
    out: Picture,
    num_samples: Annotated[str, option("N", "How many.", "-n", "--num-samples", show_default=True)] = "64",
    temperature: Annotated[str, option("T", "Scales the spread of p(z).", show_default=True)] = "1.0",
    seed: Seed = "0",
    mean: Annotated[bool, switch("--mean", "The mean of p(x|z) instead of a draw from it.")] = False,
    plugin: Plugin = None,
) -> None:
    """Draw new x from a run."""
    count, number, spread = whole(num_samples, "-n", 1), whole(seed, "--seed"), positive(temperature, "--temperature")
    found = open_to_draw(run, out, plugin)
    from .tables import write_x

    x = found.sample(count, temperature=spread, seed=number, mean=mean)
    write_x(out, x, found.domain, found.columns)
    typer.echo(f"{len(x):,} samples in {out}")


@verb("unveil reconstruct runs/digits-vae-1 -o pairs.png")
def reconstruct(
    run: RunPath,
    out: Picture,
    source: OptionalSource = None,
    num_examples: Annotated[str, option("N", "How many.", "-n", "--num-examples", show_default=True)] = "16",
    plugin: Plugin = None,
) -> None:
    """Show x and its reconstruction. That is E[x|z] at the posterior mean z, below each x."""
    count = whole(num_examples, "-n", 1)
    found = open_to_draw(run, out, plugin, source)
    from .tables import write_pairs

    x, again = found.reconstruct(source, num_examples=count)
    write_pairs(out, x, again, found.domain, found.columns)
    typer.echo(f"{len(x):,} reconstructions in {out}")


@verb("unveil interpolate runs/digits-vae-1 -o paths.png --spherical")
def interpolate(
    run: RunPath,
    out: Picture,
    source: OptionalSource = None,
    num_paths: Annotated[str, option("N", "How many pairs.", "-n", "--num-paths", show_default=True)] = "8",
    num_steps: Annotated[str, option("S", "Points along each path.", show_default=True)] = "10",
    spherical: Annotated[bool, switch("--spherical", "Along the great circle, not the line.")] = False,
    plugin: Plugin = None,
) -> None:
    """Decode paths between examples. In straight lines between their posterior means, or great circles."""
    sizes = {"num_paths": whole(num_paths, "-n", 1), "num_steps": whole(num_steps, "--num-steps", 2)}
    found = open_to_draw(run, out, plugin, source)
    from .tables import write_paths

    x = found.interpolate(source, spherical=spherical, **sizes)
    write_paths(out, x, found.domain, found.columns)
    typer.echo(f"{len(x):,} paths of {x.shape[1]} steps in {out}")


@verb("unveil report runs/digits-vae-1 --open")
def report(
    run: RunPath,
    open: Annotated[bool, switch("--open", "Open it in the browser.")] = False,
    plugin: Plugin = None,
) -> None:
    """Write report.html again. One file that opens without a network; prints its path."""
    typer.echo(str(open_run(run, plugin).report(open=open)))


@verb("unveil compare runs/digits-vae-1 runs/digits-vae-2 -o compare.html")
def compare(
    runs: Annotated[list[Path], argument("RUN RUN …", "Two or more runs on the same data.")],
    out: Annotated[Path | None, option("FILE.html", "Table and curves as a page.", "-o", "--out")] = None,
    csv: Annotated[Path | None, option("FILE.csv", "The table.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same data. One table, the differences paired example by example, and their curves."""
    from .tables import check_target

    for path, endings in ((out, (".html",)), (csv, (".csv",))):
        if path is not None:
            check_target(path, endings)
    opened = [open_run(run, plugin) for run in runs]
    from .comparing import compare as compare_runs

    found = compare_runs(opened)
    if csv is not None:
        from .tables import write_records

        write_records(csv, [row.columns() for row in found.rows])
    if out is not None:
        from .report.comparison import write_comparison

        write_comparison(found, out)
    if as_json:
        print_json(found.to_json())
    else:
        from .console import print_comparison

        print_comparison(found)


@verb("unveil pack runs/digits-vae-1 -o digits-model")
def pack(
    run: RunPath,
    out: Annotated[Path, option("DIR", "A new folder.", "-o", "--out")],
    plugin: Plugin = None,
) -> None:
    """Pack a fitted model for use elsewhere. unveil.load(DIR) then needs torch, numpy and safetensors alone."""
    found = open_run(run, plugin)
    from .packing import pack as pack_run

    path = pack_run(found, out)
    size = sum(file.stat().st_size for file in path.iterdir())
    typer.echo(f"{size / 1e6:.1f} MB in {path}; in Python: unveil.load({str(path)!r})")


@verb("unveil list objectives", name="list")
def list_(
    kind: Annotated[str | None, argument("KIND", f"{', '.join(KINDS)}, runs or keys.")] = None,
    plugin: Plugin = None,
) -> None:
    """List parts, runs or keys. Without KIND, the names of everything there is to choose from."""
    if kind is not None and kind not in (*KINDS, "runs", "keys"):
        raise RequestError(f"There is no list of {kind!r}.", nearest(kind, (*KINDS, "runs", "keys")))
    load_plugin(plugin)
    from . import console

    if kind is None:
        console.print_overview(KINDS)
    elif kind == "runs":
        console.print_runs(Path("runs"))
    elif kind == "keys":
        console.print_keys()
    else:
        console.print_parts(kind.removesuffix("s"))


@verb("unveil demo")
def demo() -> None:
    """Fit the embedded handwritten digits. With every default, in about a minute."""
    from .fitting import fit as fit_source

    show_run(fit_source("digits", show=True), as_json=False)


# -- what the verbs share ---------------------------------------------------------------------------------------------


def merged(flags: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Flags and KEY=VALUE words as one set of options; a key that came twice with two values is refused."""
    from .fitting import dotted

    options = dict(flags)
    for word in keys:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise RequestError(f"{word!r} is neither an option nor KEY=VALUE.", "An example: model.latent=16")
        name = dotted(name)
        if options.get(name, value) != value:
            raise RequestError(f"{name} came as {options[name]!r} and as {value!r}; give one of them.")
        options[name] = value
    return options


def whole(text: str, name: str, at_least: int = 0) -> int:
    """The whole number that a flag was given."""
    if not (text.isascii() and text.isdigit() and int(text) >= at_least):
        raise RequestError(f"{name} came as {text!r}; it takes a whole number from {at_least} upwards.")
    return int(text)


def positive(text: str, name: str) -> float:
    """The positive number that a flag was given."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise RequestError(f"{name} came as {text!r}; it takes a positive number.")
    return value


def open_run(path: Path, plugin: Path | None) -> Run:
    """A run with the user's own parts."""
    parts = load_plugin(plugin)
    from .run import Run

    return Run.load(path, parts=parts)


def open_to_draw(path: Path, out: Path, plugin: Path | None, source: str | None = None) -> Run:
    """A run whose x can be written to `out`."""
    from .tables import ARRAYS, check_picture, check_target

    check_target(out, ARRAYS, source)
    run = open_run(path, plugin)
    check_picture(out, run.domain)
    return run


def load_plugin(path: Path | None) -> dict[str, Any]:
    """Run a file that the user named on the command line; its modules by class name, what it registers by its name."""
    if path is None:
        return {}
    if path.suffix != ".py" or not path.is_file():
        raise RequestError(f"--plugin came as {str(path)!r}; it takes an existing Python file such as my_parts.py.")
    import importlib.util

    from torch import nn

    name = f"unveil_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RequestError(f"{path} could not be run: {type(error).__name__}: {error}.") from error
    return {k: v for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, nn.Module)}


def show_run(run: Run, as_json: bool) -> None:
    """What a fit prints on standard output: its result as JSON, or where the report is."""
    if as_json:
        print_json({"format": run.result["format"], "run": str(run.path)} | run.result)
    else:
        typer.echo(str(run.path / "report.html"))


def remarked(notes: Sequence[str]) -> None:
    """What there is to say of a result, on standard error."""
    from .console import say

    say(notes)


def print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


# -- the one place where errors end -----------------------------------------------------------------------------------


class Failure:
    """What to tell of an error: exit status, a sentence, a hint."""

    def __init__(self, exit: int, message: str, hint: str = "") -> None:
        self.exit, self.message, self.hint = exit, " ".join(message.split()), " ".join(hint.split())

    def tell(self, as_json: bool) -> None:
        from .console import say

        say(filter(None, (f"Error: {self.message}", self.hint)))
        if as_json:
            print_json({"format": ERROR, "error": {"exit": self.exit, "message": self.message, "hint": self.hint}})


class Terminated(KeyboardInterrupt):
    """SIGTERM came where nothing else was listening for it."""


def failure(error: BaseException) -> Failure:
    """The exit status and the words for any error."""
    match error:
        case RequestError():
            return Failure(2, error.message, error.hint)
        case Interrupted():
            return Failure(128 + error.signum, error.message, error.hint)
        case WorkError():
            return Failure(1, error.message, error.hint)
        case Terminated():
            return Failure(128 + signal.SIGTERM, "Stopped by SIGTERM.")
        case KeyboardInterrupt() | typer.Abort():
            return Failure(130, "Stopped by Ctrl-C.")
        case UsageError():
            return usage_failure(error)
        case OSError() if error.errno == errno.ENOSPC:
            return Failure(1, f"There is no space left on the disk{of_file(error)}.", "Make room and try again.")
        case PermissionError() | FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return Failure(2, f"{error.strerror}{of_file(error)}.")
        case _ if is_memory(error):
            return Failure(1, "There is not enough memory.", "Try a smaller train.batch_size or model.width.")
    told = f"{type(error).__name__}: {error}".rstrip(": .")
    return Failure(1, f"Something unexpected happened: {told[:300]}.", "The same command with --debug shows where.")


def of_file(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch says so in words."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(s in str(error) for s in ("out of memory", "can't allocate memory"))
    )


def usage_failure(error: Any) -> Failure:
    """A command line that does not parse, with the nearest option or command."""
    context, wrong = error.ctx, getattr(error, "option_name", "")
    here = context.command_path if context is not None else "unveil"
    if wrong and type(error).__name__ == "NoSuchOption" and context is not None:
        names = [name for parameter in context.command.params for name in parameter.opts if name.startswith("-")]
        near = nearest(wrong, [*names, "--debug"])
        hint = f"{near} " if near.startswith("Did you mean") else ""
        return Failure(2, f"{here} has no option {wrong}.", f"{hint}All of them: {here} --help")
    return Failure(2, error.format_message(), f"How it is used: {here} --help")


@contextmanager
def sigterm_stops() -> Iterator[None]:
    """Meet SIGTERM with an exception, so that files are closed and the exit status says so."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit status.

    Arguments: arguments, without the program's name; default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in words, "--json" in words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with sigterm_stops():
            return carry_out([word for word in words if word != "--debug"])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that closing it says nothing either
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        told = failure(error)
        told.tell(as_json)
        return told.exit


def carry_out(words: list[str]) -> int:
    """Parse and run; `typer`'s own handler is not used, since it knows neither our errors nor our exit statuses."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("unveil", words) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
