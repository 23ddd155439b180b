"""Blocks of rows: every row once, all blocks of one size."""

from __future__ import annotations

import pytest
import torch

from unveil.data.rowblocks import ROWS, blocks


@pytest.mark.parametrize(("num_rows", "limit"), [(0, None), (1, None), (128, None), (300, None), (300, 7), (300, 999)])
def test_every_row_is_kept_once_and_the_last_one_fills_up(num_rows: int, limit: int | None) -> None:
    found, count = list(blocks(num_rows, limit)), min(num_rows, limit or num_rows)
    assert torch.cat([torch.arange(0), *(block.own for block in found)]).tolist() == list(range(count))
    assert all(len(block.rows) == ROWS and bool((block.rows[block.keep :] == count - 1).all()) for block in found)
    assert [block.first for block in found] == list(range(0, count, ROWS))
    assert [block.done for block in found][-1:] == [count][: len(found)]
