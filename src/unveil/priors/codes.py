"""A prior over a grid of codes, one after the other."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.causal import CausalGrid

COLDEST = 1e-6  # a temperature of 0 means the likeliest code


class CodePrior(nn.Module):
    """p(c) = Π_t p(c_t|c_1, …, c_{t−1}) or, with a label, p(c|y); uniform before it has learned anything.

    References: van den Oord et al., Neural Discrete Representation Learning (2017), §3.3; Conditional Image Generation
    with PixelCNN Decoders (2016).

    Arguments:
        num_codes: K, the values of each code.
        cells: (h, w), the grid of codes.
        width: channels.
        depth: gated blocks.
        condition: C, the classes of a label; 0 without.
    """

    def __init__(self, num_codes: int, cells: tuple[int, int], *, width: int, depth: int, condition: int = 0) -> None:
        super().__init__()
        self.num_codes, self.cells, self.condition = num_codes, cells, condition
        self.embed = nn.Embedding(num_codes, width)
        self.grid = CausalGrid(width, cells, width=width, depth=depth, condition=condition)
        self.out = nn.Conv2d(width, num_codes, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, codes: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of each code given those before it, [B, K, h, w]; of the first rows, where those are given.

        Arguments: codes [B, h, w]; y [B].
        """
        given = F.one_hot(y, self.condition).float() if self.condition and y is not None else None
        return self.out(self.grid(self.embed(codes).movedim(-1, 1), given))

    def log_prob(self, codes: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(c) or log p(c|y), [B], of codes [B, n]."""
        grid = codes.unflatten(-1, self.cells)
        return -F.cross_entropy(self(grid, y).float(), grid, reduction="none").flatten(1).sum(1)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Codes [N, n], each from p(c_t|c_<t)^(1/T), normalised."""
        height, width = self.cells
        codes = torch.zeros(num_samples, height, width, dtype=torch.int64, device=self.out.weight.device)
        for row in range(height):
            for column in range(width):
                logits = self(codes[:, : row + 1], y)[:, :, row, column] / max(temperature, COLDEST)
                codes[:, row, column] = torch.multinomial(logits.softmax(-1), 1).squeeze(-1)
        return codes.flatten(1)
