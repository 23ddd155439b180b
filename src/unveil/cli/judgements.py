"""The verbs that judge runs: evaluate, diagnose, score, compare, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import RequestError
from ..languages import Tongue, checked, speaking
from .app import (
    MINUTES,
    SEEDS,
    Json,
    Lang,
    Limit,
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
from .shared import answer, merged, open_run, print_json, refuse_beside

if TYPE_CHECKING:
    from ..api import Run


@verb("unveil evaluate runs/digits-vae-1 --estimator sandwich --simulate 500")
def evaluate(
    run: RunPath,
    keys: Annotated[list[str] | None, argument("KEY=VALUE", "estimator.KEY=…; see unveil list estimators.")] = None,
    data: Annotated[str | None, option("SOURCE", "Judge this data instead of a split.")] = None,
    split: Annotated[str, option("NAME", "Part of the data: train, valid or test.", show_default=True)] = "test",
    simulate: Annotated[int | None, count("N", "Judge N examples drawn from the model; their z are known.")] = None,
    estimator: Annotated[str | None, option("NAME", "Name (unveil list estimators); default: the run's own.")] = None,
    num_samples: Annotated[int | None, count("K", "Number of draws, or chains, per example.")] = None,
    limit: Limit = None,
    precision: Annotated[str | None, option("NAME", "float32, or bf16 for the decoder; its effect is stated.")] = None,
    gap: Annotated[bool, switch("--gap", "Split log p(x) - ELBO: family of q, and encoder.")] = False,
    audit: Annotated[bool, switch("--audit", "Check log p(x) = ELBO + KL(q||p(z|x)), term by term.")] = False,
    joint: Annotated[bool, switch("--joint", "Of pictures and texts: both, each, one given the other.")] = False,
    seed: Seed = 0,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Judge a run on held-out data. Prints log p(x) in nats per example, its errors, and whether it is a bound."""
    options = merged({}, keys or [])
    if gap or audit:
        asked = {"estimator": estimator, "num_samples": num_samples, "keys": options, "precision": precision}
        refuse_beside(f"with {'--gap' if gap else '--audit'}", audit=gap and audit, **asked)
    if joint:
        asked = {"estimator": estimator, "simulate": simulate, "keys": options, "precision": precision}
        refuse_beside("with --joint", gap=gap, audit=audit, **asked)
    found = open_run(run, plugin)
    where: dict[str, Any] = {"data": data, "split": split, "simulate": simulate, "limit": limit, "seed": seed}
    if joint:
        from ..evaluation.jointly import evaluate_jointly
        from ..output.counting import counting
        from ..output.descriptions import print_jointly

        del where["simulate"]
        with counting("examples") as progress:
            figures = evaluate_jointly(found.store, num_samples=num_samples, progress=progress, **where)
        print_json(figures) if as_json else print_jointly(figures)
        return
    if gap or audit:
        from ..evaluation.diagnose import audit_of, gap_of
        from ..output.counting import naming
        from ..output.streams import print_lines

        with naming() as tell:
            told = (gap_of if gap else audit_of)(found.store, progress=tell, **where)
        print_json(told) if as_json else print_lines(told["lines"])
        return
    from ..output.counting import counting
    from ..output.result_table import print_result

    how = {"estimator": estimator, "num_samples": num_samples, "options": options, "precision": precision or "float32"}
    with counting("examples") as progress:
        result = found.evaluate(progress=progress, **how, **where)
    print_json(result) if as_json else print_result(result)


@verb("unveil diagnose runs/digits-vae-1")
def diagnose(
    run: RunPath,
    cure: Annotated[bool, switch("--cure", "Try remedies in short fits; compare before and after.")] = False,
    sweep: Annotated[str | None, option("beta", "Fit again for several beta: the rate-distortion curve.")] = None,
    out: Annotated[Path | None, option("FILE.html", "With --sweep: write the curve as a page.", "-o", "--out")] = None,
    steps: Annotated[int | None, count("N", "Updates of each new fit.")] = None,
    minutes: Annotated[float | None, option("M", "Time for all new fits together.", **MINUTES)] = None,
    limit: Annotated[int | None, count("N", "Examples for bracket and gap; default 100.")] = None,
    target: Annotated[str | None, option("COLUMN", "Of a table: what is learned from synthetic rows.")] = None,
    seed: Annotated[int | None, count("N", "Seed of all noise; default 0, of new fits the run's.", **SEEDS)] = None,
    lang: Lang = "en",
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Look for what is wrong. Brackets log p(x), splits the gap, looks for collapse and islands; updates the report."""
    checked(lang)
    if cure and sweep is not None:
        raise RequestError("Both --cure and --sweep came; give one of them.")
    if not (cure or sweep is not None):
        refuse_beside("without --cure or --sweep", steps=steps, minutes=minutes)
    if sweep is None:
        refuse_beside("without --sweep", out=out)
    if cure or sweep is not None:
        refuse_beside(f"with {'--cure' if cure else '--sweep'}", limit=limit, target=target)
    if out is not None:
        from ..output.exports import check_target

        check_target(out, (".html",))
    found = open_run(run, plugin)
    with speaking(Tongue(lang, found.store.names)):
        if cure:
            show_cure(found, as_json, seed=seed, steps=steps, minutes=minutes)
        elif sweep is not None:
            show_sweep(found, sweep, out, as_json, seed=seed, steps=steps, minutes=minutes)
        else:
            show_diagnosis(found, as_json, lang, limit=limit, seed=seed or 0, target=target)


def show_diagnosis(run: Run, as_json: bool, lang: str, **options: Any) -> None:
    """Measure, keep and print what a run is worth, and put it into its report."""
    from ..output.counting import naming
    from ..output.diagnosis_table import print_diagnosis

    with naming() as progress:
        found = run.diagnose(progress=progress, **options)
    path = run.report(lang=lang)
    print_json(found) if as_json else print_diagnosis(found, path)


def show_cure(run: Run, as_json: bool, **options: Any) -> None:
    """Try remedies and print the table of before and after."""
    from ..output.counting import naming
    from ..output.streams import print_tried
    from ..trials.cure import HEADS, cure

    with naming() as progress:
        found = cure(run.store, progress=progress, **options)
    print_json(found.to_json()) if as_json else print_tried(found.rows(), HEADS, found.lines())


def show_sweep(run: Run, name: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Refit along one key and print, or draw, the curve."""
    from ..output.counting import naming
    from ..output.streams import print_tried
    from ..trials.sweep import HEADS, sweep

    with naming() as progress:
        found = sweep(run.store, name, progress=progress, **options)
    if out is not None:
        from ..report.sweep import write_sweep

        write_sweep(found, out)
    print_json(found.to_json()) if as_json else print_tried(found.rows(), HEADS, found.lines())


@verb("unveil score runs/digits-vae-1 new.npz -o scores.csv")
def score(
    run: RunPath,
    source: Source,
    out: Table,
    oddity: Annotated[bool, switch("--oddity", "Add how odd each row is, beyond log p(x).")] = False,
    explain: Annotated[bool, switch("--explain", "Add why: log p of each column given the others.")] = False,
    seed: Seed = 0,
    skip_broken: SkipBroken = False,
    safe_csv: SafeCsv = False,
    plugin: Plugin = None,
) -> None:
    """Give every x its log p(x). Each row has its error, too, and its percentile among validation examples."""
    from ..output.exports import TABLES, check_target, write_table

    check_target(out, TABLES, source)
    found = open_run(run, plugin)
    from ..output.counting import counting
    from ..output.formulas import Formulas
    from ..output.streams import say

    with counting("examples") as progress:
        how: dict[str, Any] = {"seed": seed, "skip_broken": skip_broken, "oddity": oddity, "explain": explain}
        scores = found.score(source, progress=progress, **how)
    say(scores.notes)
    cells = Formulas(safe_csv)
    write_table(out, scores.columns(), scores.arrays(), cells)
    say(cells.notes(out))
    answer(f"{len(scores.log_px):,} scores in {out}")


@verb("unveil compare runs/digits-vae-1 runs/digits-vae-2 -o compare.html")
def compare(
    runs: Annotated[list[Path], argument("RUN RUN …", "Two or more runs on the same data.")],
    out: Annotated[Path | None, option("FILE.html", "Write table, curves and draws as a page.", "-o", "--out")] = None,
    csv: Annotated[Path | None, option("FILE.csv", "Write the table.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same data. Prints one table, with paired differences."""
    from ..output.exports import check_target

    for path, endings in ((out, (".html",)), (csv, (".csv",))):
        if path is not None:
            check_target(path, endings)
    opened = [open_run(run, plugin) for run in runs]
    from ..api import compare as compare_runs
    from ..output.comparison_table import print_comparison

    found = compare_runs(opened)
    if csv is not None:
        from ..output.exports import write_records

        write_records(csv, [row.columns() for row in found.rows])
    if out is not None:
        from ..report.comparison import write_comparison

        write_comparison(found, out)
    print_json(found.to_json()) if as_json else print_comparison(found)


@verb("unveil report runs/digits-vae-1 --open")
def report(
    run: RunPath,
    open: Annotated[bool, switch("--open", "Open it in the browser.")] = False,
    lang: Lang = "en",
    plugin: Plugin = None,
) -> None:
    """Write report.html again. It opens without a network; its path is printed."""
    checked(lang)
    answer(str(open_run(run, plugin).report(open=open, lang=lang)))
