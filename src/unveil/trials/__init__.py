"""What fits again to learn something: remedies for collapse, and the rate–distortion curve.

It may import fitting and what is below it. A new remedy is a function in `remedies.py`; a new sweep is a file beside
`sweep.py`.
"""
