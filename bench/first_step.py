"""Seconds from the command to the first training step, for a source: python bench/first_step.py photos/

Without a source it makes a folder of 2,000 pictures of mixed sizes (100 to 600 pixels, JPEG and PNG) out of the
CIFAR-10 subset in $UNVEIL_DATA and takes that.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

STARTED = time.perf_counter()


def photos(path: Path, count: int = 2000) -> Path:
    """`count` pictures of mixed sizes and both formats."""
    import numpy as np
    from PIL import Image

    from unveil.data import read_array

    rng, x = np.random.default_rng(0), read_array("cifar10")[0]
    for i in range(count):
        size = tuple(int(side) for side in rng.integers(100, 601, size=2))
        Image.fromarray(x[i]).resize(size, Image.Resampling.BICUBIC).save(
            path / f"{i:04d}.{'png' if i % 4 == 0 else 'jpg'}"
        )
    return path


def main(source: Path) -> None:
    from unveil.fitting.events import Progress
    from unveil.fitting.prepare import prepare
    from unveil.report import write_report

    fitting = prepare(str(source), out=Path(tempfile.mkdtemp()) / "run", started=STARTED)
    prepared = time.perf_counter() - STARTED
    for event in fitting.events(write_report):
        if isinstance(event, Progress):
            print(f"{source}: {prepared:.1f} s to plan, {time.perf_counter() - STARTED:.1f} s to the first step")
            return


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = photos(Path(folder))
            STARTED = time.perf_counter()
            main(made)
