"""p(t|h) of a text, character by character."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Categorical

from ..domain.text import END
from .event import Shape, Unchecked

Step = tuple[Tensor, Tensor]  # logits of the next character [N, A + 1], and what is remembered


class Characters(Unchecked):
    """log p(t|h) = Σ_i log p(t_i|t_<i, h) over the characters of a text and its end, elementwise, batch shape [..., T].

    After the end there is nothing to tell: those places have log p = 0. A text of T characters has no end of its own,
    so Σ_t p(t|h) = 1 over all texts of at most T characters.

    Arguments:
        h: [..., F], what the text is told of.
        length: T.
        log_p: from t [N, T] and h [N, F] to log p of each character given those before it, [N, T].
        begin, step: for drawing: what is remembered at the start, from h [N, F]; and from it and the character before
            [N] (0 at the start) the next logits and what is remembered then.
    """

    def __init__(
        self,
        h: Tensor,
        length: int,
        log_p: Callable[[Tensor, Tensor], Tensor],
        begin: Callable[[Tensor], Tensor],
        step: Callable[[Tensor, Tensor, Tensor], Step],
    ) -> None:
        self.h, self.length, self._log_p, self._begin, self._step = h, length, log_p, begin, step
        super().__init__(torch.Size((*h.shape[:-1], length)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        t = value.expand(torch.broadcast_shapes(value.shape, self.batch_shape)).long()
        h = self.h.expand(*t.shape[:-1], -1)
        flat = t.reshape(-1, self.length)
        return self._log_p(flat, h.reshape(len(flat), -1)).view(t.shape)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self._drawn(sample_shape, lambda logits: Categorical(logits=logits, validate_args=False).sample())

    @property
    @torch.no_grad()
    def mean(self) -> Tensor:
        """The text whose every character is the likeliest after those before it, [..., T]."""
        return self._drawn(torch.Size(), lambda logits: logits.argmax(-1))

    def _drawn(self, sample_shape: Shape, pick: Callable[[Tensor], Tensor]) -> Tensor:
        lead = torch.Size((*sample_shape, *self.batch_shape[:-1]))
        h = self.h.expand(*lead, -1).reshape(-1, self.h.shape[-1])
        t = h.new_zeros(len(h), self.length, dtype=torch.long)
        memory, last = self._begin(h), t.new_zeros(len(h))
        for i in range(self.length):
            logits, memory = self._step(last, h, memory)
            on = torch.ones_like(last, dtype=torch.bool) if i == 0 else last != END
            last = torch.where(on, pick(logits.float()), END)
            t[:, i] = last
            if not bool((last != END).any()):
                break
        return t.to(h.dtype).view(*lead, self.length)
