"""The parts of the side-by-side measurement: contenders that run in processes of their own, and what asks them."""
