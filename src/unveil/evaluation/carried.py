"""A few rows that carry the mean: a mean of log p(x) is easily that of one broken row."""

from typing import Any

import numpy as np
from torch import Tensor

from ..data import Split

FAR = 8.0  # robust standard deviations below the median, from which on a row is far out: a Gaussian never has one
SHARE = 0.02  # of the rows, up to which they are a few
COST = (0.1, 0.2)  # nats of the mean, and robust standard deviations, above which they carry it
FEWEST = 20  # rows, below which nobody can say which are far out
NAMED = 3  # rows that are named


def spread_of(log_px: Tensor) -> dict[str, Any]:
    """The median of log p(x) [N], beside its mean."""
    return {"median": float(np.median(log_px.double().numpy()))}


def carried(log_px: Tensor, split: Split) -> dict[str, Any] | None:
    """The few rows far below all others that pull the mean away from them; None where there are none.

    Their cost is what the mean would gain if they stood at the median, Σ (median − log p(x))/N, in nats.
    """
    values, N = log_px.double().numpy(), len(log_px)
    if N < FEWEST:
        return None
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    scale = float(high - low) / 1.349  # of a Gaussian, its standard deviation
    far = np.flatnonzero(values < median - FAR * max(scale, 1e-6))
    cost = float((median - values[far]).sum()) / N
    if not 0 < len(far) <= max(1, SHARE * N) or cost < max(COST[0], COST[1] * scale):
        return None
    worst = far[values[far].argsort()]
    rows = [{"row": int(split.rows[i]), "log_px": float(values[i])} for i in worst[:NAMED].tolist()]
    rest = float(np.delete(values, far).mean())
    return {"num_rows": len(far), "rows": rows, "cost": cost, "mean_of_the_others": rest}


def carried_words(result: dict[str, Any]) -> str:
    """Which rows carry the mean, in a sentence or two; nothing where none do."""
    found = result.get("carried")
    if not found:
        return ""
    named = ", ".join(f"{one['row']:,} ({one['log_px']:,.2f})" for one in found["rows"])
    one = found["num_rows"] == 1
    more = "" if found["num_rows"] <= len(found["rows"]) else " and others"
    return (
        f"{found['num_rows']:,} of {result['num_examples']:,} examples carr{'ies' if one else 'y'} the mean: "
        f"row{'' if one else 's'} {named}{more}. {'It costs' if one else 'They cost'} {found['cost']:.2f} nats of it. "
        f"The median is {result['median']:.2f}, and the mean of the other examples is "
        f"{found['mean_of_the_others']:.2f}. Look at {'this row' if one else 'these rows'} first: "
        f"{'it' if one else 'they'} may be broken, or in other units."
    )
