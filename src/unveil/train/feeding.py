"""Where the batches of a stage come from: data beside the model, or on the host and copied one step ahead."""

import functools
from collections.abc import Callable

import torch

from ..batch import Batch
from ..data import Split
from ..ops import keyed
from .order import rows_of


class Feed:
    """The batch of every (noise, step): examples by their order, a fresh binarization where there is one.

    Data on the model's device is indexed there and draws from the generator that the caller has keyed. Data that is
    kept on the host draws from a stream of its own, ("batch", noise, step), so that a batch can be made before its step
    begins and is the same whether it was or not.

    Arguments:
        data: the training split.
        batch_size: examples per batch.
        device: of the model.
    """

    def __init__(self, data: Split, batch_size: int, device: torch.device) -> None:
        self.data, self.batch_size, self.device = data, batch_size, device
        self.is_near = data.x.device == device
        self._copy = _copy_aside(device)
        self._ahead: tuple[tuple[int, int], Callable[[], Batch]] | None = None

    def batch(self, noise: int, step: int) -> Batch:
        """The batch of update number `step` under the seed `noise`."""
        if self.is_near:
            return self._draw(noise, step)
        if self._ahead is None or self._ahead[0] != (noise, step):
            self.prepare(noise, step)
        assert self._ahead is not None
        take, self._ahead = self._ahead[1], None
        return take()

    def prepare(self, noise: int, step: int) -> None:
        """Begin the copy of a batch that will be asked for next; what is near needs none."""
        if self.is_near:
            return
        with keyed("batch", noise, step):
            batch = self._draw(noise, step)
        self._ahead = ((noise, step), self._copy(batch))

    def _draw(self, noise: int, step: int) -> Batch:
        return self.data.batch(rows_of(step, self.batch_size, len(self.data), noise, self.data.x.device))


def _copy_aside(device: torch.device) -> Callable[[Batch], Callable[[], Batch]]:
    """A function that begins a copy and returns one that waits for it; on CUDA beside what is being computed."""
    if device.type != "cuda":
        return lambda batch: lambda: batch.to(device)
    stream = torch.cuda.Stream(device)

    def begin(batch: Batch) -> Callable[[], Batch]:
        pinned = batch.map(torch.Tensor.pin_memory)
        with torch.cuda.stream(stream):
            there = pinned.map(lambda held: held.to(device, non_blocking=True))

        def take() -> Batch:
            present = torch.cuda.current_stream(device)
            present.wait_stream(stream)
            return there.map(functools.partial(_in_use, present))

        return take

    return begin


def _in_use(stream: torch.cuda.Stream, held: torch.Tensor) -> torch.Tensor:
    """`held`, whose memory is not given away by the stream that asked for it while this one reads it."""
    held.record_stream(stream)
    return held
