"""Networks that read and write texts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..domain.text import END
from ..registry import register

BLOCK = 2**24  # numbers of a table of characters that are looked at at once
GROUPS, WORTH = 4, 8  # groups of texts of like lengths, and rows of one from which on they are worth it


def groups(lengths: Tensor) -> Iterator[tuple[Tensor, int]]:
    """(which rows [n], the longest of them) of groups of texts of like lengths [N]: no short one waits for a long."""
    order = lengths.argsort()
    for rows in order.chunk(GROUPS if len(order) >= WORTH * GROUPS else 1):
        yield rows, int(lengths[rows[-1]])


@register("encoder", "text_reader")
class TextReader(nn.Module):
    """t [B, T] → features [B, F]: a recurrent network from both ends, and the mean of what it says at each character.

    The numbers do not depend on how much room there is after a text, nor on the other texts of a batch.

    References: Schuster & Paliwal, Bidirectional Recurrent Neural Networks (1997); Hochreiter &
    Schmidhuber, Long Short-Term Memory (1997).

    Arguments: num_characters, A; width, units of each direction.
    """

    def __init__(self, num_characters: int, *, width: int = 128) -> None:
        super().__init__()
        self.num_features = 4 * width
        self.embedding = nn.Embedding(num_characters + 1, width)
        self.there = nn.LSTM(width, width, batch_first=True)
        self.back = nn.LSTM(width, width, batch_first=True)

    def forward(self, t: Tensor) -> Tensor:
        lengths = (t != END).sum(-1).clamp(min=1)  # of no character, the end is read
        parts, order = [], []
        for rows, longest in groups(lengths):
            parts.append(self._read(t[rows, :longest].long(), lengths[rows]))
            order.append(rows)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _read(self, t: Tensor, lengths: Tensor) -> Tensor:
        place = torch.arange(t.shape[1], device=t.device)
        turned = (lengths.unsqueeze(-1) - 1 - place).clamp(min=0)  # the first place holds the last character
        known = (place < lengths.unsqueeze(-1)).unsqueeze(-1)
        end = (lengths - 1).view(-1, 1, 1)
        found = []
        for network, read in ((self.there, t), (self.back, t.gather(1, turned))):
            h, _ = network(self.embedding(read))
            last = h.gather(1, end.expand(-1, 1, h.shape[-1])).squeeze(1)
            found += [last, torch.where(known, h, 0.0).sum(1) / lengths.unsqueeze(-1)]
        return torch.cat(found, -1)


class TextWriter(nn.Module):
    """log p(t_i|t_<i, h) of each character of a text t, by a recurrent network told h at each; `step` goes along.

    What tells the next character is compared with the vectors that stand for characters where they are read (Press &
    Wolf, Using the Output Embedding to Improve Language Models, 2017).

    Arguments: num_characters, A; num_features, of h; width, units; dropout, the share of the characters before that are
    hidden while training, so that h is listened to (Bowman et al., Generating Sentences from a Continuous Space, 2016).
    """

    def __init__(self, num_characters: int, num_features: int, *, width: int = 192, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = num_characters + 1  # the number of a character that is hidden
        self.dropout = dropout
        self.embedding = nn.Embedding(num_characters + 2, width)
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(width))
        self.told = nn.Linear(num_features, width)
        self.start = nn.Linear(num_features, 2 * width)
        self.cell = nn.LSTM(width, width, batch_first=True)
        self.said = nn.Linear(num_features, width)
        self.bias = nn.Parameter(torch.zeros(num_characters + 1))

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        """log p of each character of t [N, T] and of its end, given h [N, F]; 0 after the end. [N, T]."""
        t = t.long()
        lengths = ((t != END).sum(-1) + 1).clamp(max=t.shape[1])
        found = torch.zeros(t.shape, device=t.device)
        for rows, longest in groups(lengths):
            told = t[rows, :longest]
            reached = torch.arange(longest, device=t.device) < lengths[rows].unsqueeze(-1)
            places = rows.unsqueeze(-1).expand_as(told)[reached], reached.nonzero()[:, 1]
            found = found.index_put(places, self._log_p(told, h[rows], reached))
        return found

    def _log_p(self, t: Tensor, h: Tensor, reached: Tensor) -> Tensor:
        """log p of the characters that are reached, one after the other, [P]."""
        before = nn.functional.pad(t[:, :-1], (1, 0))
        if self.training and self.dropout:
            before = torch.where(torch.rand(before.shape, device=t.device) < self.dropout, self.hidden, before)
        memory = tuple(m.unsqueeze(0).contiguous() for m in self.begin(h).chunk(2, -1))
        found, _ = self.cell(self.embedding(before) + self.told(h).unsqueeze(1), memory)
        found, target = (found + self.said(h).unsqueeze(1))[reached], t[reached]
        step = max(1, BLOCK // len(self.bias))
        blocks = zip(found.split(step), target.split(step), strict=True)
        return torch.cat([-nn.functional.cross_entropy(self._logits(f), c, reduction="none") for f, c in blocks])

    def begin(self, h: Tensor) -> Tensor:
        """What is remembered before the first character, [N, 2W]."""
        found: Tensor = torch.tanh(self.start(h))
        return found

    def step(self, last: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(the logits of the next character [N, A + 1], what is remembered then), after the character `last` [N]."""
        inputs = self.embedding(last) + self.told(h)
        state = tuple(m.unsqueeze(0).contiguous() for m in memory.chunk(2, -1))
        found, state = self.cell(inputs.unsqueeze(1), state)
        return self._logits(found.squeeze(1) + self.said(h)), torch.cat(state, -1).squeeze(0)

    def _logits(self, found: Tensor) -> Tensor:
        return nn.functional.linear(found, self.embedding.weight[: len(self.bias)], self.bias).float()


def reading_width(num_characters: int) -> int:
    """Units of a network that reads texts, by the size of their alphabet."""
    return int(min(128, max(32, 2 ** round(math.log2(8 * math.sqrt(num_characters))))))
