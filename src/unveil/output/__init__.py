"""What a terminal shows and a file receives: progress, sentences, tables, pictures.

It may import trials, fitting and what is below them; not the report. A new form of a result is a function in
`exports.py`; a new line of progress is a method of `Display`.
"""
