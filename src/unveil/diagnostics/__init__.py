"""What is measured of a fitted model beside log p(x): gap, collapse, islands, structure, quality.

It may import estimators, objectives, the interface of models and what is below them; no run and no family. A new
diagnosis is a file here and a line in `evaluation/diagnose.py`.
"""
