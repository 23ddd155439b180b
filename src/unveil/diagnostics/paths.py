"""Paths from one example to another, and how evenly E[x|z] changes along them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import Split
from ..files import Plain
from ..model import Model, device_of
from ..ops import keyed
from .codes import group_means

PAIRS, STEPS = 64, 16
Way = Callable[[Tensor, Tensor, Tensor], Tensor]  # (z₀ [B, D], z₁ [B, D], t [T, 1, 1]) → [T, B, D]


@dataclass(frozen=True)
class Paths(Plain):
    """Decoded paths between 64 pairs of test examples in 16 steps, m_t = E[x|z_t], z_0 and z_1 posterior means.

    jump = max_t ‖m_{t+1} − m_t‖ / mean_t ‖m_{t+1} − m_t‖: 1 where x changes evenly, 16 where it changes all at once;
    length = Σ_t ‖m_{t+1} − m_t‖ / ‖m_1 − m_0‖: 1 on the straight line in x, more where the path wanders.

    Medians over the pairs. A linear decoder gives 1 and 1 on straight paths: small numbers say that the decoder is
    smooth there, not that what lies between two examples looks like one.

    References: White, Sampling Generative Networks (2016), section 2.1, for the spherical path.

    Arguments:
        straight_jump, straight_length: along z_t = (1 − t) z_0 + t z_1.
        spherical_jump, spherical_length: along z_t = (sin((1 − t)ω) z_0 + sin(tω) z_1) / sin ω, ω their angle.
    """

    straight_jump: float
    straight_length: float
    spherical_jump: float
    spherical_length: float


@torch.no_grad()
def decoded_paths(model: Model, test: Split, scale: Tensor, *, seed: int = 0) -> Paths | None:
    """`Paths` of a model whose z is real, else None (also where no step changes E[x|z] at all).

    Where the model is conditioned on labels, a path keeps the label of its first example.

    Arguments:
        scale: [D_x] or [], what x is divided by before distances are taken.
        seed: of the pairs.
    """
    count = min(PAIRS, len(test) // 2)
    if "pathwise" not in model.gives or not count:
        return None
    with keyed("paths", seed):
        rows = torch.randperm(len(test))[: 2 * count].to(test.x.device)
        ends = test.expected(rows).to(device_of(model))
        z, y = group_means(model, ends), model.label(ends)
    label = None if y is None else y[:count]
    straight, spherical = (evenness(walk(model, z, label, way), scale) for way in (line, sphere))
    return None if straight is None or spherical is None else Paths(*straight, *spherical)


def line(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """(1 − t) z_0 + t z_1."""
    return (1 - t) * z0 + t * z1


def sphere(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """(sin((1 − t)ω) z_0 + sin(tω) z_1) / sin ω; a straight line where the two point the same or the opposite way."""
    cosine = torch.nn.functional.cosine_similarity(z0, z1, dim=-1).clamp(-1, 1).unsqueeze(-1)
    omega = cosine.double().acos().to(z0.dtype)
    sine = omega.sin()
    arc = (((1 - t) * omega).sin() * z0 + (t * omega).sin() * z1) / sine.clamp(min=1e-6)
    return torch.where(sine > 1e-3, arc, line(z0, z1, t))


def walk(model: Model, z: tuple[Tensor, ...], y: Tensor | None, way: Way) -> Tensor:
    """E[x|z_t] [T, B, D_x] between the first B rows of z (groups of 2B) and the others; a t of every path at a time."""
    count, found = len(z[0]) // 2, []
    for t in torch.linspace(0, 1, STEPS + 1):
        at = t.to(z[0]).reshape(1, 1, 1)
        groups = (way(g[:count].flatten(1), g[count:].flatten(1), at)[0].reshape(g[:count].shape) for g in z)
        found.append(model.decode(tuple(groups), y).mean.flatten(1).float().cpu())
    return torch.stack(found)


def evenness(means: Tensor, scale: Tensor) -> tuple[float, float] | None:
    """The medians of jump and length over the paths [T, B, D_x] that lead anywhere."""
    u = means / scale
    step, whole = (u[1:] - u[:-1]).norm(dim=-1), (u[-1] - u[0]).norm(dim=-1)  # [T − 1, B], [B]
    leads = whole > 1e-6 * max(1e-30, float(u.abs().max()))
    if not bool(leads.any()):
        return None
    step, whole = step[:, leads], whole[leads]
    return float((step.amax(0) / step.mean(0)).median()), float((step.sum(0) / whole).median())
