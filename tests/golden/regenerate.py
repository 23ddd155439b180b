"""Write the golden curves anew: `python tests/golden/regenerate.py [NAME …]`, from an environment that has unveil.

Do so only after a change that is meant to change the numbers, and say in the commit why they moved.
"""

from __future__ import annotations

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from curves import CURVES, write

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CURVES:
        write(name)
        print(f"{name}.txt written")
