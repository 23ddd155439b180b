"""Models without latents: the chain rule in one order of the values, and over the columns of a table in any order."""

from .any_order import AnyOrder as AnyOrder
from .autoregressive import Autoregressive as Autoregressive
from .rule import ChainRule as ChainRule
