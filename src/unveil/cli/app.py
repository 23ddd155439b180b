"""The application and what every verb's signature is made of."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..legible import readable

KINDS = (
    "models", "objectives", "estimators", "priors", "posteriors", "likelihoods", "encoders", "decoders", "sources",
)  # fmt: skip
MINUTES = {"min": 0.001, "max": 1e6}  # what an option in minutes takes: more than none, and no infinity
MOST = 2**31 - 1  # of what is counted
SEEDS = {"min": 0, "max": 2**63 - 1}
HELP = {"help_option_names": ["-h", "--help"]}


class Command(TyperCommand):
    """A verb whose help is in the characters of standard output."""

    def get_help(self, ctx: Any) -> str:
        return readable(super().get_help(ctx), sys.stdout.encoding or "utf-8")


class Group(TyperGroup):
    """The verbs, with help as theirs."""

    def get_help(self, ctx: Any) -> str:
        return readable(super().get_help(ctx), sys.stdout.encoding or "utf-8")


app = typer.Typer(  # plain help: markup would swallow the brackets of E[x|z] and x.npz[:name]
    name="unveil",
    cls=Group,
    add_completion=False,
    context_settings=HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def verb(example: str, **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function as a verb, with an example under its help."""
    return app.command(cls=Command, epilog=f"Example: {example}", context_settings=HELP, **settings)


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help, show_default=False)


def option(metavar: str, help: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, **{"show_default": False} | settings)


def count(metavar: str, help: str, *names: str, **settings: Any) -> Any:
    """An option that takes a whole number, from 1 upwards unless `min` says otherwise."""
    return option(metavar, help, *names, **{"min": 1, "max": MOST} | settings)


def switch(name: str, help: str) -> Any:
    return typer.Option(name, help=help)


def output(name: str, formats: str) -> Any:
    return option("FILE", f"Output file: {name}, or {formats}.", "-o", "--out")


RunPath = Annotated[Path, argument("RUN", "The directory of a run.")]
Source = Annotated[
    str, argument("SOURCE", "A name (unveil list sources), a folder of images, x.npy, x.npz[:name] or t.csv.")
]
OptionalSource = Annotated[str | None, argument("SOURCE", "New x; default: test examples.")]
Plugin = Annotated[Path | None, option("FILE.py", "Run this file of your own parts; see docs/en/how-to/plugins.md.")]
Json = Annotated[bool, switch("--json", "Print one JSON object on standard output.")]
Lang = Annotated[str, option("CODE", "Language of what is said: en or zh.", show_default=True)]
Epochs = Annotated[int | None, count("N", "Train for N passes over the data.")]
Steps = Annotated[int | None, count("N", "Train for N updates.")]
Minutes = Annotated[float | None, option("M", "End the whole command in about M minutes.", **MINUTES)]
Limit = Annotated[int | None, count("N", "Use only N examples, drawn from all over them.")]
Seed = Annotated[int, count("N", "Seed of all random numbers.", show_default=True, **SEEDS)]
SkipBroken = Annotated[bool, switch("--skip-broken", "Leave out images that cannot be read.")]
SafeCsv = Annotated[bool, switch("--safe-csv", "Put an apostrophe before text that a spreadsheet would run.")]
Table = Annotated[Path, output("name.csv", ".npz, .npy, .parquet")]
Picture = Annotated[Path, output("name.png", ".npz, .npy, .csv for the numbers")]


def show_version(asked: bool) -> None:
    if asked:
        from .. import __version__

        print(f"unveil {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="Start with: unveil demo. Add --debug to any command to see where an error comes from.",
)
def unveil(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, judge and use deep latent-variable models: variational auto-encoders and their relatives."""
    if context.invoked_subcommand is None:
        print(context.get_help())
