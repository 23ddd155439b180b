"""Networks that read and write texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..registry import register

END = 0


@register("encoder", "text_reader")
class TextReader(nn.Module):
    """t [B, T] → features [B, F]: a recurrent network from both ends, and the mean of what it says at each character.

    The numbers do not depend on how much room there is after a text, nor on the other texts of a batch.

    References: Schuster & Paliwal, Bidirectional Recurrent Neural Networks (1997); Cho et al. (2014), for the GRU.

    Arguments: num_characters, A; width, units of each direction.
    """

    def __init__(self, num_characters: int, *, width: int = 128) -> None:
        super().__init__()
        self.num_features = 4 * width
        self.embedding = nn.Embedding(num_characters + 1, width)
        self.there = nn.GRU(width, width, batch_first=True)
        self.back = nn.GRU(width, width, batch_first=True)

    def forward(self, t: Tensor) -> Tensor:
        lengths = (t != END).sum(-1)
        steps = max(1, int(lengths.max()))
        t = t[:, :steps].long()
        place = torch.arange(steps, device=t.device)
        turned = (lengths.unsqueeze(-1) - 1 - place).clamp(min=0)  # the first place holds the last character
        known = (place < lengths.unsqueeze(-1)).unsqueeze(-1)
        parts = []
        for network, order in ((self.there, None), (self.back, turned)):
            h, _ = network(self.embedding(t if order is None else t.gather(1, order)))
            h = torch.where(known, h, 0.0)
            last = h.gather(1, (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, h.shape[-1])).squeeze(1)
            parts += [last, h.sum(1) / lengths.clamp(min=1).unsqueeze(-1)]
        return torch.cat(parts, -1)


class TextWriter(nn.Module):
    """The logits of each character of a text given those before it and h: a GRU that is told h at every character.

    Arguments: num_characters, A; num_features, of h; width, units; dropout, the share of characters before that are
    hidden while training, so that h is listened to (Bowman et al., Generating Sentences from a Continuous Space, 2016).
    """

    def __init__(self, num_characters: int, num_features: int, *, width: int = 192, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = num_characters + 1  # the number of a character that is hidden
        self.dropout = dropout
        self.embedding = nn.Embedding(num_characters + 2, width)
        self.told = nn.Linear(num_features, width)
        self.start = nn.Linear(num_features, width)
        self.cell = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(2 * width, num_characters + 1)

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        """t [N, T] and h [N, F] → [N, T, A + 1]."""
        before = torch.cat([torch.zeros_like(t[:, :1]), t[:, :-1]], -1)
        if self.training and self.dropout:
            before = torch.where(torch.rand(before.shape, device=t.device) < self.dropout, self.hidden, before)
        told = self.told(h).unsqueeze(1)
        found, _ = self.cell(self.embedding(before) + told, self.begin(h).unsqueeze(0))
        return self._logits(found, told)

    def begin(self, h: Tensor) -> Tensor:
        """What is remembered before the first character, [N, W]."""
        found: Tensor = torch.tanh(self.start(h))
        return found

    def step(self, last: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(the logits of the next character [N, A + 1], what is remembered then), after the character `last` [N]."""
        told = self.told(h).unsqueeze(1)
        found, memory = self.cell(self.embedding(last).unsqueeze(1) + told, memory.unsqueeze(0).contiguous())
        return self._logits(found, told).squeeze(1), memory.squeeze(0)

    def _logits(self, found: Tensor, told: Tensor) -> Tensor:
        logits: Tensor = self.out(torch.cat([found, told.expand_as(found)], -1))
        return logits
