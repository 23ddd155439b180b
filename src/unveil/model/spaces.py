"""Where z moves: the coordinates of samplers and grids, and the ODE that carries z to noise."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Transform


class Coordinates:
    """The space of u, z = T(u), in which samplers and grids move for one batch. Here T is the identity."""

    def to_z(self, u: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        """z groups [K, B, …] and log|det ∂z/∂u| [K, B], of u groups [K, B, …]."""
        return u, u[0].new_zeros(u[0].shape[:2])

    def to_u(self, z: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """u groups [K, B, …] of z groups [K, B, …]."""
        return z


class OneTransform(Coordinates):
    """z_L = T(u_L) of the top group; those below, where there are any, are as they are.

    Arguments: transform: T, with events [D].
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def to_z(self, u: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        *below, top = u
        both = getattr(self.transform, "call_and_ladj", None)  # zuko's have it: one pass of the network instead of two
        if both is not None:
            z, log_det = both(top)
            return (*below, z), log_det
        z = self.transform(top)
        return (*below, z), self.transform.log_abs_det_jacobian(top, z)

    def to_u(self, z: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (*z[:-1], self.transform.inv(z[-1]))


@dataclass(frozen=True)
class Flow:
    """The ODE dz/dτ = v(z, τ), which is another model of x.

    At τ = start z lies close to x; at τ = end the density of z is known.

    Arguments: start, end; draw(K) gives z [K, B, …] from q(z|x) and log q [K, B]; velocity(z [N, …], τ), rows in the
    order of the examples, over and over; log_px_z(z [K, B, …]) [K, B]; log_end(z [K, B, …]) [K, B], the density at the
    end.
    """

    start: float
    end: float
    draw: Callable[[int], tuple[Tensor, Tensor]]
    velocity: Callable[[Tensor, float], Tensor]
    log_px_z: Callable[[Tensor], Tensor]
    log_end: Callable[[Tensor], Tensor]
