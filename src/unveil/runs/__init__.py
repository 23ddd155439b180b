"""The directory of a run: `store.py` alone reads and writes its files.

It may import settings, train and what is below them; no verb. A new file of a run is a property and a `write_…` in
`store.py`; a new choice to keep is a field of `config.py`.
"""
