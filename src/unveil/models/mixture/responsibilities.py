"""The posterior of a latent with a few values."""

from torch import Tensor
from torch.distributions import Categorical

from ...model import Posterior
from ...terms import expand_samples


class Responsibilities(Posterior):
    """p(z|x), the share r_bc of component c in example b.

    Arguments: log_r [B, C]. There is no mean: component 2 is not the middle of 1 and 3.
    """

    def __init__(self, log_r: Tensor) -> None:
        self.log_r = log_r

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        z = (Categorical(logits=self.log_r, validate_args=False).sample((num_samples,)),)
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        return picked(self.log_r.detach() if hold else self.log_r, z[0]).unsqueeze(-1)


def picked(log_p: Tensor, z: Tensor) -> Tensor:
    """log_p [B, C] at z [K, B] → [K, B]."""
    return expand_samples(log_p, z.shape[0]).gather(-1, z.unsqueeze(-1)).squeeze(-1)
