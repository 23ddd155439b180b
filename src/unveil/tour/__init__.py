"""The study notes as one page that a person can read, run and play with, in two languages.

`chapters/` holds one file for each chapter, `words` the blocks that it is made of, `figures` and `svg` its pictures,
`running` the code that is shown and run, `formulas` where each formula of the notes is, `page` the HTML. It may import
everything up to `api` and `report`. A new chapter is one file with a function `chapter(share)`, entered in
`chapters.ORDER`.
"""

from .make import check_tour, write_tour

__all__ = ["check_tour", "write_tour"]
