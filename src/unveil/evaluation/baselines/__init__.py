"""Simple models that honestly try to win: `fit.py` names them, a file each fits them, `search.py` picks their size."""
