"""Groups of work. Each starts its rivals afresh, on empty folders."""

from . import large, many, queries, small
from .group import Group

GROUPS: dict[str, type[Group]] = {
    "large": large.Large,
    "wide": large.Wide,
    "texts": large.Texts,
    "small": small.Small,
    "queries": queries.Queries,
    "listing": many.Listing,
    "appends": many.Appends,
}
