"""What a fit is really worth: the bracket around log p(x), where the ELBO loses, and what the latent space holds."""

import time
from collections.abc import Callable
from typing import Any

from ..data import Split
from ..diagnostics.aggregate import aggregate
from ..diagnostics.audit import Audit, audit
from ..diagnostics.bracket import bracket
from ..diagnostics.codebook import codebook
from ..diagnostics.collapse import collapse
from ..diagnostics.gap import Gap, gap
from ..diagnostics.quality import quality
from ..diagnostics.structure import structure
from ..diagnostics.syntheticrows import columns_of, learned_column, synthetic
from ..errors import RequestError
from ..files import plain
from ..runs.store import DIAGNOSIS, RunStore
from .effort import Effort
from .findings import suited
from .splits import choose_split, limited, of_one_quantity, said_of_training

GAP, AUDIT = "unveil-gap-1", "unveil-audit-1"
EXAMPLES = 100  # of the bracket, the gap and the audit, which work on every example for a second or so
OF_LATENTS = ("gap", "aggregate", "collapse", "structure")  # parts that ask about z
NO_LATENTS = "{} has no latents, it states p(x) itself."
HEALTHY = "Nothing looks wrong in what was measured."
FOUND_NONE = "The diagnosis found no fault. These numbers are still worth a look."
Progress = Callable[[str], None]
Counted = Callable[[str, int, int], None]


def gap_of(
    run: RunStore, *, limit: int | None = None, seed: int = 0, progress: Counted | None = None, **where: Any
) -> dict[str, Any]:
    """`unveil evaluate --gap`: log p(x) − ELBO = approximation gap + amortisation gap, per example.

    Arguments: limit, examples, 100 unless told; seed; progress, told (part, done, total); where, `data`, `split` or
        `simulate` as for `evaluate_run`.
    """
    return _measured(GAP, gap, run, limit, seed, progress, where)


def audit_of(
    run: RunStore, *, limit: int | None = None, seed: int = 0, progress: Counted | None = None, **where: Any
) -> dict[str, Any]:
    """`unveil evaluate --audit`: log p(x) = ELBO + KL(q‖p(z|x)), each term on its own.

    Arguments: as for `gap_of`.
    """
    return _measured(AUDIT, audit, run, limit, seed, progress, where)


def _measured(
    format: str,
    measure: Callable[..., Gap | Audit],
    run: RunStore,
    limit: int | None,
    seed: int,
    progress: Counted | None,
    where: dict[str, Any],
) -> dict[str, Any]:
    split, source, name = choose_split(run, **where, limit=limit, seed=seed)
    few = of_one_quantity(run.model, limited(split, name, limit or EXAMPLES, seed))
    found = measure(run.model, few, seed=seed, limit=len(few), progress=progress)
    head = {"format": format, "source": source, "split": name, "drawn_from": len(split), "seed": seed}
    told = f"{len(few):,} of {len(split):,} examples, drawn from all over them with seed {seed}"
    seen = said_of_training(run, where.get("data"), name, len(split))
    lines = [*([seen] if seen else []), *([told] if len(few) < len(split) else []), *found.lines()]
    return {**head, **found.to_json(), "lines": lines, "findings": plain(found.findings())}


def diagnose_run(
    run: RunStore,
    *,
    limit: int | None = None,
    seed: int = 0,
    target: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """`unveil diagnose`: bracket, gap, aggregate posterior, collapse, sample quality and structure, on the test split.

    Of a table also its synthetic rows. What a model does not allow is null, and `why` says so. Writes diagnosis.json,
    which the report shows.

    Arguments:
        limit: examples of bracket and gap, 100 unless told.
        seed: of all noise.
        target: the column of a table that is learned from synthetic rows; the label, or the last one of few levels,
            unless told.
        progress: told what begins.
    """
    run.require_present()
    if target is not None:
        learned_column(run.data, target)
    chosen = choose_split(run, limit=limit, seed=seed)
    with run.lock():
        return _diagnosed(run, chosen, limit, seed, target, progress or (lambda name: None))


def _diagnosed(
    run: RunStore,
    split: tuple[Split, str, str],
    limit: int | None,
    seed: int,
    target: str | None,
    told: Progress,
) -> dict[str, Any]:
    started, (chosen, source, name) = time.perf_counter(), split
    model, data = run.model, run.data
    whole = of_one_quantity(model, chosen)
    few = whole.spread(limit or EXAMPLES, seed)
    train = data.train.to(run.device)
    parts: dict[str, Callable[[], Any]] = {
        "bracket": lambda: bracket(model, few, seed=seed, progress=told),
        "gap": lambda: gap(model, few, seed=seed, limit=len(few)),
        "aggregate": lambda: aggregate(model, whole, seed=seed),
        "collapse": lambda: collapse(model, whole, metrics=run.metrics, seed=seed),
        **({"codebook": lambda: codebook(model, whole, seed=seed)} if model.codebook_size else {}),
        "quality": lambda: quality(model, train, whole, seed=seed),
        "structure": lambda: structure(model, data, seed=seed),
    }
    if columns_of(data) is not None:
        parts["synthetic"] = lambda: synthetic(model, data, target=target, seed=seed)
    asked = {name: part for name, part in parts.items() if model.groups or name not in OF_LATENTS}
    found, why = _measure(asked, told)
    why |= {name: NO_LATENTS.format(run.config.model_name) for name in parts if name not in asked}
    effort = Effort.of(run)
    findings = plain([suited(finding, effort) for part in found.values() for finding in part.findings()])
    remarks = found["quality"].remarks() if "quality" in found else []
    diagnosis = {
        "format": DIAGNOSIS,
        "source": source,
        "split": name,
        "num_examples": len(few),
        "drawn_from": len(whole),
        "seed": seed,
        **{name: found[name].to_json() if name in found else None for name in parts},
        "findings": findings,
        "sentences": [finding["sentence"] for finding in findings] or _nothing_found(run, remarks),
        "why": why,
        "seconds": round(time.perf_counter() - started, 3),
    }
    run.write_diagnosis(diagnosis)
    return diagnosis


def _nothing_found(run: RunStore, remarks: list[str]) -> list[str]:
    """What to say where no part of the diagnosis has a finding: all is well only where the result says so, too."""
    said = [f["sentence"] for f in run.result["findings"]]
    if not remarks and not said:
        return [HEALTHY]
    return [FOUND_NONE, *remarks, *(["The result of the fit says more:", *said] if said else [])]


def _measure(parts: dict[str, Callable[[], Any]], told: Progress) -> tuple[dict[str, Any], dict[str, str]]:
    """What each part found, and why a part could not be measured of this model."""
    found, why = {}, {}
    for name, measure in parts.items():
        told(name)
        try:
            found[name] = measure()
        except RequestError as error:
            why[name] = str(error)
    return found, why
