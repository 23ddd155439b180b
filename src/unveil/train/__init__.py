"""The loop, stage by stage: order, optimiser, averages, validation, checkpoints, compiling.

It may import objectives, the interface of models and what is below them; it knows no run and no family. A new knob of
a stage is a field of `Stage` in `stage.py`.
"""
