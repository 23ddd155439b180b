"""What a fitted model is for: encode, score, sample, impute, show, pack.

It may import planning, runs and what is below them; not evaluation, and nothing above. A new verb is one function in
a file here, one line in `api.Run` and one command in `cli/`.
"""
