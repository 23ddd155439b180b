"""The command line: each verb is one library call; everything heavy is imported inside the verbs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

app = typer.Typer(name="unveil", add_completion=False, no_args_is_help=True)


@app.callback()
def unveil() -> None:
    """Train, judge and use deep latent-variable models."""


@app.command()
def fit(
    source: str,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    out: Annotated[str | None, typer.Option()] = None,
    steps: Annotated[str | None, typer.Option()] = None,
    minutes: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Fit a model to data."""
    from .fitting import prepare
    from .terminal import follow

    options = dict(key.split("=", 1) for key in keys or [])
    options |= {f"train.{k}": v for k, v in (("steps", steps), ("minutes", minutes)) if v is not None}
    follow(prepare(source, out=out, options=options), show=True)


def main() -> int:
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
