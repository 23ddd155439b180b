"""The verbs that use runs: encode, neighbours, impute, sample, describe, reconstruct, interpolate."""

from pathlib import Path
from typing import Annotated, Any

from ..errors import RequestError
from .app import (
    Json,
    OptionalSource,
    Picture,
    Plugin,
    RunPath,
    SafeCsv,
    Seed,
    SkipBroken,
    Source,
    Table,
    argument,
    count,
    option,
    switch,
    verb,
)
from .shared import answer, joined, numbers, open_run, open_to_draw, print_json, refuse_beside


@verb("unveil encode runs/digits-vae-1 new.npz -o z.csv")
def encode(run: RunPath, source: Source, out: Table, skip_broken: SkipBroken = False, plugin: Plugin = None) -> None:
    """Embed x. Writes mean and standard deviation of q(z|x) for every latent (.npy: the mean), or the codes."""
    from ..output.exports import TABLES, check_target, write_table
    from ..output.streams import say

    check_target(out, TABLES, source)
    z = open_run(run, plugin).encode(source, skip_broken=skip_broken)
    say(z.notes)
    write_table(out, z.columns(), z.arrays())
    answer(f"{len(z.mean):,} encodings of {z.words} in {out}")


@verb("unveil neighbours runs/digits-vae-1 new.npz -o near.csv")
def neighbours(
    run: RunPath,
    out: Table,
    source: OptionalSource = None,
    k: Annotated[int, count("K", "Training examples per row.", "-k", show_default=True)] = 5,
    skip_broken: SkipBroken = False,
    plugin: Plugin = None,
) -> None:
    """Find the training examples nearest to x in z. Tells which rows are near duplicates of one."""
    from ..output.exports import TABLES, check_target, write_table

    check_target(out, TABLES, source)
    opened = open_run(run, plugin)
    from ..output.counting import counting
    from ..output.streams import say

    with counting("examples") as progress:
        found = opened.neighbours(source, k, skip_broken=skip_broken, progress=progress)
    say(found.notes)
    write_table(out, found.columns(), found.arrays())
    answer(
        f"{k} nearest training examples of each of {len(found.rows):,} rows in {out}; "
        f"{int(found.near_duplicate.sum()):,} rows are near duplicates"
    )


@verb("unveil impute runs/t-vae-1 t.csv -o full.csv")
def impute(
    run: RunPath,
    source: Source,
    out: Table,
    draws: Annotated[int, count("M", "Completed copies; a column draw numbers them.", show_default=True)] = 1,
    mean: Annotated[bool, switch("--mean", "Fill in the mean instead of a draw.")] = False,
    num_samples: Annotated[int | None, count("K", "Draws of z per row; default 500, images 100.")] = None,
    seed: Seed = 0,
    safe_csv: SafeCsv = False,
    plugin: Plugin = None,
) -> None:
    """Fill in missing values. They are draws from p(x_missing|x_observed); observed values stay as they are."""
    from ..output.exports import TABLES, check_target, write_completed

    check_target(out, TABLES, source)
    opened = open_run(run, plugin)
    from ..output.counting import counting
    from ..output.formulas import Formulas
    from ..output.streams import say
    from ..use.impute import complete

    how: dict[str, Any] = {"draws": draws, "mean": mean, "num_samples": num_samples, "seed": seed}
    with counting("rows") as progress:
        found = complete(opened.store, source, progress=progress, **how)
    cells = Formulas(safe_csv)
    write_completed(out, found, cells)
    say((*found.notes, *cells.notes(out)))
    answer(f"{len(found.raw.x):,} rows in {out}, {len(found.rows):,} of them completed")


@verb("unveil sample runs/digits-vae-1 -o grid.png -n 100")
def sample(
    run: RunPath,
    out: Picture,
    keys: Annotated[list[str] | None, argument("KEY=VALUE", "See sample.… in unveil list keys.")] = None,
    num_samples: Annotated[int, count("N", "Number of samples.", "-n", "--num-samples", show_default=True)] = 64,
    temperature: Annotated[str, option("T", "Scales p(z); T,T,…: one for each group.", show_default=True)] = "1.0",
    label: Annotated[str | None, option("NAME", "Draw this class; for a model conditioned on labels.")] = None,
    seed: Seed = 0,
    mean: Annotated[bool, switch("--mean", "Write means E[x|z]; the default of pictures.")] = False,
    draw: Annotated[bool, switch("--draw", "Write draws x ~ p(x|z), with noise; the default of data.")] = False,
    safe_csv: SafeCsv = False,
    where: Annotated[str | None, option("COL=VALUE,…", "Rows of a table with this; also >, <, >=, <=, !=.")] = None,
    text: Annotated[str | None, option("TEXT", "Pictures of this text: E[picture|text] first, then draws.")] = None,
    plugin: Plugin = None,
) -> None:
    """Draw new x from a run. A picture (.png) shows means E[x|z]; arrays and tables hold draws x ~ p(x|z)."""
    spread = numbers(temperature, float, "--temperature")
    own = joined({}, keys or [], lambda name: name.removeprefix("sample."), "steps=50")
    for name in ("num_samples", "temperature", "label", "seed", "mean", "draw"):
        if name in own:
            raise RequestError(f"{name} came as KEY=VALUE; give it as an option: --{name.replace('_', '-')}.")
    if mean:
        refuse_beside("with --mean", draw=draw)
    found = open_to_draw(run, out, plugin)
    from ..output.exports import write_x
    from ..output.formulas import Formulas
    from ..output.streams import say
    from ..runs.given import fitted_forms, fitted_separator
    from ..use.sample import sample as drawn

    means = mean or (out.suffix.lower() == ".png" and not draw)
    how: dict[str, Any] = {"temperature": spread, "label": label, "seed": seed, "mean": means, **own}
    if text is not None:
        pictures = found.sample(num_samples, text=text, where=where, **how)
        write_x(out, pictures, found.domain.picture)
        answer(f"{len(pictures):,} pictures of {text!r} in {out}: the first is their mean")
        return
    x = drawn(found.store, num_samples, where=where, tell=say, **how)
    cells = Formulas(safe_csv)
    forms, separator = fitted_forms(found.store), fitted_separator(found.store)
    write_x(out, x, found.domain, found.columns, forms, not means, cells, separator)
    say(cells.notes(out))
    told = " (means E[x|z]; --draw adds the noise of p(x|z))" if means and not mean and found.model.groups else ""
    answer(f"{len(x):,} samples in {out}{told}")


@verb("unveil describe runs/emoji-joint-1 photo.png -n 5")
def describe(
    run: RunPath,
    source: Source,
    num_texts: Annotated[int, count("N", "Number of texts.", "-n", "--num-texts", show_default=True)] = 5,
    out: Annotated[Path | None, option("FILE", "Write a table (.csv, .npz, .parquet).", "-o", "--out")] = None,
    num_samples: Annotated[int, count("K", "Draws behind each log p(text|picture).", show_default=True)] = 200,
    seed: Seed = 0,
    safe_csv: SafeCsv = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Say what pictures show. Texts of each from p(text|picture), likeliest first, with log p in nats and its error."""
    from ..output.counting import counting
    from ..output.descriptions import print_descriptions, rows_of
    from ..output.exports import TABLES, check_target, write_table
    from ..output.formulas import Formulas

    if out is not None:
        check_target(out, TABLES, source)
    found = open_run(run, plugin)
    with counting("pictures") as progress:
        told = found.describe(source, n=num_texts, num_samples=num_samples, seed=seed, progress=progress)
    if as_json:
        print_json({"format": "unveil-descriptions-1", "pictures": [vars(each) for each in told]})
    elif out is None:
        print_descriptions(told)
    if out is not None:
        cells = Formulas(safe_csv)
        write_table(out, *rows_of(told), cells=cells)
        answer(f"{len(told):,} pictures described in {out}")


@verb("unveil reconstruct runs/digits-vae-1 -o pairs.png")
def reconstruct(
    run: RunPath,
    out: Picture,
    source: OptionalSource = None,
    num_examples: Annotated[int, count("N", "Number of examples.", "-n", "--num-examples", show_default=True)] = 16,
    plugin: Plugin = None,
) -> None:
    """Show x and its reconstruction. Below each x stands E[x|z] at the posterior mean z."""
    found = open_to_draw(run, out, plugin, source)
    from ..output.exports import write_pairs
    from ..runs.given import fitted_forms, fitted_separator

    x, again = found.reconstruct(source, num_examples=num_examples)
    forms, separator = fitted_forms(found.store), fitted_separator(found.store)
    write_pairs(out, x, again, found.domain, found.columns, forms, separator)
    answer(f"{len(x):,} reconstructions in {out}")


@verb("unveil interpolate runs/digits-vae-1 -o paths.png --spherical")
def interpolate(
    run: RunPath,
    out: Picture,
    source: OptionalSource = None,
    other: Annotated[
        str | None, argument("OTHER", "Where paths end: x of as many rows, such as a second picture.")
    ] = None,
    num_paths: Annotated[int, count("N", "Number of pairs.", "-n", "--num-paths", show_default=True)] = 8,
    num_steps: Annotated[int, count("S", "Number of points along each path.", min=2, show_default=True)] = 10,
    spherical: Annotated[bool, switch("--spherical", "Follow the great circle instead of the line.")] = False,
    plugin: Plugin = None,
) -> None:
    """Decode paths between examples. The paths are straight lines between posterior means, or great circles."""
    found = open_to_draw(run, out, plugin, source)
    from ..output.exports import write_paths
    from ..runs.given import fitted_forms, fitted_separator

    x = found.interpolate(source, other, num_paths=num_paths, num_steps=num_steps, spherical=spherical)
    forms, separator = fitted_forms(found.store), fitted_separator(found.store)
    write_paths(out, x, found.domain, found.columns, forms, separator)
    answer(f"{len(x):,} paths of {x.shape[1]} steps in {out}")
