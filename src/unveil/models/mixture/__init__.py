"""Mixtures of a few components: the model and its kinds of components, and the mixture over the columns of a table."""

from .mixture import Mixture as Mixture
from .table import TableMixture as TableMixture
