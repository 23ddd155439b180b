"""How good a run is: log p(x) of a split, a diagnosis, a comparison, baselines, and the sentences about them.

It may import planning, runs and what is below them; not use, and nothing above. A new finding is a function in
`findings.py`; a new baseline is a file in `baselines/` and its line in `fit.py`.
"""
