"""A distribution over one example that is made of parts, independent of each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from .event import Shape, Unchecked


class Parts(Unchecked):
    """Elementwise distributions of several modalities as one over all their values, batch shape [..., D].

    Arguments:
        parts: elementwise distributions with batch shapes [..., *shape of the modality].
        shapes: the shape of each modality.
    """

    def __init__(self, parts: Sequence[Distribution], shapes: Sequence[tuple[int, ...]]) -> None:
        self.parts, self.shapes = list(parts), list(shapes)
        self._sizes = [torch.Size(shape).numel() for shape in shapes]
        lead = self.parts[0].batch_shape[: len(self.parts[0].batch_shape) - len(shapes[0])]
        super().__init__(torch.Size((*lead, sum(self._sizes))), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of each value, [..., D]."""
        pieces = value.split(self._sizes, -1)
        own = zip(self.parts, pieces, self.shapes, strict=True)
        return self._joined([p.log_prob(x.reshape(*x.shape[:-1], *shape)) for p, x, shape in own])

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self._joined([p.sample(sample_shape) for p in self.parts])

    @property
    def mean(self) -> Tensor:
        """The mean of each modality, [..., D]; of a text the likeliest characters one after the other."""
        return self._joined([p.mean for p in self.parts])

    def _joined(self, values: Sequence[Tensor]) -> Tensor:
        flat = [v.flatten(v.ndim - len(shape)) for v, shape in zip(values, self.shapes, strict=True)]
        return torch.cat(flat, -1)
