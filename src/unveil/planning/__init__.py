"""From "auto" to numbers, once, before the first step: batch, speed, steps, stages, judging.

It may import runs, settings and what is below them; it writes nothing. A new choice that a clock or a probe makes is
a field of `settings.phase.Phase`, set in `plan.py` from a timing in `measure.py`.
"""
