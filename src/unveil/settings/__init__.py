"""What a person may choose: options with their defaults, keys, and the choices that are checked against both.

It may import the parts (models, objectives, estimators) and what is below them; it knows no run and no data. A new
option is a field of `options.py`; a new argument of a part is a key by itself.
"""
