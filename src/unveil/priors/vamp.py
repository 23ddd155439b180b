"""The VampPrior: a mixture of the posteriors of learned inputs."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions.real_latents import LatentMixture
from ..errors import RequestError, at_least
from ..registry import register
from .base import Prior


@register("prior", "vamp")
class Vamp(Prior):
    """p(z) = Σ_c w_c q(z|u_c) with learned inputs u_c, started from training examples.

    The aggregate posterior (1/N) Σ_n q(z|x_n), the best p(z) for a bound, with C inputs for N. In evaluation the
    components are computed once for the weights they came from; wherever weights may have a gradient, at every call.
    The inputs are not kept inside the range of the data. q of another family than diagonal Gaussians costs memory
    N·C·D.

    References: Tomczak & Welling, VAE with a VampPrior (2018), eq. 9.

    Arguments:
        num_components: C, the number of components.
        learned_weights: learn w, instead of 1/C each.
    """

    shares_encoder = True
    weights: Tensor
    inputs: nn.Parameter

    def __init__(self, num_latents: int, *, num_components: int = 200, learned_weights: bool = False) -> None:
        super().__init__(num_latents)
        at_least(1, "prior.num_components", num_components)
        self.num_components = num_components
        self._infer: Callable[[Tensor], Distribution] | None = None
        self._kept: tuple[tuple[tuple[int, int], ...], Distribution] | None = None
        if learned_weights:
            self.weights = nn.Parameter(torch.zeros(num_components))
        else:
            self.register_buffer("weights", torch.zeros(num_components), persistent=False)

    def attach(self, infer: Callable[[Tensor], Distribution], shape: tuple[int, ...]) -> None:
        self._infer = infer  # bound, so that a copy of the model copies what it is bound to; never a submodule
        self.inputs = nn.Parameter(torch.zeros(self.num_components, *shape))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        repeats = -(-self.num_components // len(x))
        order = torch.cat([torch.randperm(len(x), device=x.device) for _ in range(repeats)])
        self.inputs.copy_(x[order[: self.num_components]])

    def forward(self, y: Tensor | None = None) -> LatentMixture:
        return LatentMixture(self.weights, self._components())

    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """z [N, D], each t times as far from the mean of its component."""
        try:
            return self(y).tempered((num_samples,), temperature)
        except NotImplementedError as error:
            raise RequestError(
                f"The temperature is {temperature}, and the components of this prior have no mean in closed form.",
                "Use a temperature of 1, or the posterior diagonal_gaussian.",
            ) from error

    def train(self, mode: bool = True) -> Vamp:
        self._kept = None
        return super().train(mode)

    def _components(self) -> Distribution:
        if self._infer is None:
            raise RequestError("The prior 'vamp' is made of a model's q(z|x); build it as a part of a model.")
        # a sampler holds all weights, and gives a gradient to z alone: then the components may be kept
        if self.training or (torch.is_grad_enabled() and any(p.requires_grad for p in self._model.parameters())):
            return self._infer(self.inputs)
        state = self._state()
        if self._kept is None or self._kept[0] != state:
            self._kept = (state, self._infer(self.inputs))
        return self._kept[1]

    def _state(self) -> tuple[tuple[int, int], ...]:
        """Where each tensor of the model lies and how often it was written: any change of weights changes it."""
        return tuple((t.data_ptr(), t._version) for t in (*self._model.parameters(), *self._model.buffers()))

    @property
    def _model(self) -> nn.Module:
        return cast(nn.Module, cast(MethodType, self._infer).__self__)
