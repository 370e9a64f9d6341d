"""Between dataframes and Arrow: the only place where pandas and Polars are known."""

from .incoming import As, form, output, without_copies
from .outgoing import Outgoing, outgoing

__all__ = ["As", "Outgoing", "form", "outgoing", "output", "without_copies"]
