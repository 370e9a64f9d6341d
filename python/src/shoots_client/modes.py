"""The words that say what a put or a deletion does with what is there."""

from enum import StrEnum
from typing import Never


class Mode(StrEnum):
    """A word of several, which an error tells."""

    @classmethod
    def _missing_(cls, value: object) -> Never:
        near = value.lower() if isinstance(value, str) else ""
        meant = f"; did you mean {near!r}?" if near in list(cls) else f"; use {', '.join(cls)}"
        raise ValueError(f"{value!r} is not a valid {cls.__name__}{meant}")


class PutMode(Mode):
    """What a put does with rows that the frame has.

    >>> PutMode("append") is PutMode.APPEND
    True
    """

    ERROR = "error"
    """Refuse if the frame exists."""
    APPEND = "append"
    """Add rows after the last ones, or where the frame's index puts them."""
    REPLACE = "replace"
    """Replace all rows, the columns and the index."""
    UPDATE = "update"
    """Replace the rows in a range of the index."""
    UPSERT = "upsert"
    """Replace the rows with the same key, and add the others."""


class BucketDeleteMode(Mode):
    """What deleting a bucket does with the frames in it."""

    ERROR = "error"
    """Refuse if there are any."""
    DELETE_CONTENTS = "delete"
    """Delete them too."""
