"""What all calls stand on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import EllipsisType
from typing import Any, TypeAlias

from ..connection import Connection
from ..values import given

Bucket: TypeAlias = "str | None"
"""The name of a bucket; `None` is the default bucket, which has none. A frame can also be named as `"bucket/name"`."""
NewBucket: TypeAlias = "str | EllipsisType | None"
"""The bucket to go to: `...` is the one that the frame is in, `None` the default bucket."""
Metadata: TypeAlias = "Mapping[str, Any] | None"
"""Facts that a commit carries for programs: JSON."""


class Calls:
    """Something that calls a server."""

    _connection: Connection

    def _act(self, action: str, timeout: float | None = None, *, safe: bool = False, **fields: Any) -> Any:
        """Does an action with the fields that say anything. A `safe` one only reads, and may be repeated."""
        return self._connection.act(action, located(given(fields)), timeout, safe=safe)


PLACES = [("name", "bucket"), ("source", "source_bucket"), ("target", "target_bucket"), ("new_name", "new_bucket")]
"""The fields of requests that name a frame, each with the one that names its bucket."""


def located(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, in which `bucket/name` has become a bucket and a name.

    >>> located({"name": "market/trades", "limit": 3})
    {'name': 'trades', 'limit': 3, 'bucket': 'market'}
    >>> located({"name": "trades", "bucket": "market"})
    {'name': 'trades', 'bucket': 'market'}
    """
    said = dict(fields)
    for frame, place in PLACES:
        name = said.get(frame)
        if isinstance(name, str) and "/" in name and said.get(place) is None:
            said[place], said[frame] = name.split("/", 1)
    return said


def new_request_id() -> str:
    """A name for one change, under which the server does it once."""
    return uuid.uuid4().hex


def moved(**buckets: NewBucket) -> dict[str, str | None]:
    """The fields of the buckets that were said, in which `None` is the default bucket."""
    return {field: bucket for field, bucket in buckets.items() if not isinstance(bucket, EllipsisType)}
