"""The verbs that make runs: fit, resume, demo; and pack."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..languages import Tongue, checked, speaking
from .app import (
    SEEDS,
    Epochs,
    Json,
    Lang,
    Minutes,
    Plugin,
    RunPath,
    SkipBroken,
    Source,
    Steps,
    argument,
    count,
    option,
    switch,
    verb,
)
from .shared import answer, load_plugin, merged, open_run, print_json

if TYPE_CHECKING:
    from ..api import Run
    from ..fitting.prepare import Fitting


@verb("unveil fit mnist --minutes 10 model.latent=40")
def fit(
    source: Source,
    keys: Annotated[list[str] | None, argument("KEY=VALUE", "Settings; see unveil list keys.")] = None,
    out: Annotated[Path | None, option("RUN", "Directory of the run; default runs/SOURCE-MODEL-N.")] = None,
    model: Annotated[
        str | None, option("NAME", "Name of the model; default auto: vae, of tables the best of a few.")
    ] = None,
    objective: Annotated[str | None, option("NAME", "Name of the objective; default elbo.")] = None,
    latent: Annotated[int | None, count("D", "Number of latents.")] = None,
    size: Annotated[str | None, option("S", "Resize images to S×S pixels.")] = None,
    skip_broken: SkipBroken = False,
    text: Annotated[str | None, option("TABLE", "Texts of pictures: first column file, then texts.")] = None,
    condition: Annotated[str | None, option("label", "Fit p(x|z, label): the model is given the labels.")] = None,
    epochs: Epochs = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Annotated[int | None, count("N", "Seed of weights, order and noise.", show_default="0", **SEEDS)] = None,
    plugin: Plugin = None,
    dry_run: Annotated[
        bool, switch("--dry-run", "Print the settings, or what columns were taken for; write nothing.")
    ] = False,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Fit a model to data. This makes a run: a directory with weights, result and report."""
    started = time.perf_counter()
    checked(lang)
    load_plugin(plugin)
    from ..api import carry_out
    from ..fitting.prepare import prepare
    from ..output.streams import say
    from ..settings.keys import Key, parse

    flags = {
        "model": model, "objective": objective, "model.latent": latent, "model.condition": condition,
        "train.epochs": epochs, "train.steps": steps,
        "train.minutes": minutes, "seed": seed, "data.size": size, "data.skip_broken": "true" if skip_broken else None,
        "data.text": text,
    }  # fmt: skip
    options = merged(flags, keys or [])
    chosen = parse(Key("seed", int, 0, ""), options.pop("seed", "0"))
    fitting = prepare(source, out=out, seed=chosen, options=options, started=started)
    if dry_run:
        with speaking(Tongue(lang)):
            say(fitting.lines)
            show_settings(fitting, as_json)
    else:
        show_run(carry_out(fitting, show=True, lang=lang), as_json)


@verb("unveil resume runs/digits-vae-1 --epochs 50")
def resume(
    run: RunPath,
    epochs: Epochs = None,
    steps: Steps = None,
    minutes: Minutes = None,
    data: Annotated[str | None, option("SOURCE", "The data, if the run was fitted on an array in memory.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Go on with a run. A stopped run continues; a finished one is trained further, with a new budget."""
    parts = load_plugin(plugin)
    from ..api import resume as resume_run

    how: dict[str, Any] = {"epochs": epochs, "steps": steps, "minutes": minutes, "data": data, "parts": parts}
    show_run(resume_run(run, show=True, **how), as_json)


@verb("unveil relink runs/x-vae-1 moved/x.npz")
def relink(
    run: RunPath,
    source: Source,
    text: Annotated[str | None, option("TABLE", "Where the table of the texts of its pictures is.")] = None,
    plugin: Plugin = None,
) -> None:
    """Tell a run where its data is now. It is the same data in another place, and is read from there from then on."""
    found = open_run(run, plugin).store.relink(source, text)
    answer(f"{run} reads its {len(found.train) + len(found.valid) + len(found.test):,} examples from {found.source}")


@verb("unveil demo")
def demo() -> None:
    """Fit the embedded handwritten digits. This takes about a minute; every setting is its default."""
    from ..api import fit as fit_source

    show_run(fit_source("digits", show=True), as_json=False)


@verb("unveil pack runs/digits-vae-1 -o digits-model")
def pack(
    run: RunPath, out: Annotated[Path, option("DIR", "A new folder.", "-o", "--out")], plugin: Plugin = None
) -> None:
    """Pack a fitted model for use elsewhere. There, unveil.load(DIR) needs only torch, numpy and safetensors."""
    found = open_run(run, plugin)
    from ..api import pack as pack_run

    path = pack_run(found, out)
    size = sum(file.stat().st_size for file in path.iterdir())
    answer(f"{size / 1e6:.1f} MB in {path}; in Python: unveil.load({str(path)!r})")


def show_settings(fitting: Fitting, as_json: bool) -> None:
    """What a dry run prints on standard output: the settings, or of a mixed table what its columns were taken for."""
    from ..output.columns_table import columns_json, print_columns

    settings, table = fitting.config.to_json(), fitting.data.table
    if table is None:
        print_json(settings)
    elif as_json:
        print_json(settings | {"table": columns_json(table)})
    else:
        print_columns(table)


def show_run(run: Run, as_json: bool) -> None:
    """What a fit prints on standard output: its result as JSON, or where the report is."""
    if as_json:
        print_json({"format": run.result["format"], "run": str(run.path)} | run.result)
    else:
        answer(str(run.store.report_path))
