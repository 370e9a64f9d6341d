"""What all calls stand on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import EllipsisType
from typing import Any, TypeAlias

from ..connection import Connection
from ..values import given

Bucket: TypeAlias = "str | None"
"""The name of a bucket; `None` is the default bucket, which has none."""
NewBucket: TypeAlias = "str | EllipsisType | None"
"""The bucket to go to: `...` is the one that the frame is in, `None` the default bucket."""
Metadata: TypeAlias = "Mapping[str, Any] | None"
"""Facts that a commit carries for programs: JSON."""


class Calls:
    """Something that calls a server."""

    _connection: Connection

    def _act(self, action: str, timeout: float | None = None, *, safe: bool = False, **fields: Any) -> Any:
        """Does an action with the fields that say anything. A `safe` one only reads, and may be repeated."""
        return self._connection.act(action, given(fields), timeout, safe=safe)


def new_request_id() -> str:
    """A name for one change, under which the server does it once."""
    return uuid.uuid4().hex


def moved(**buckets: NewBucket) -> dict[str, str | None]:
    """The fields of the buckets that were said, in which `None` is the default bucket."""
    return {field: bucket for field, bucket in buckets.items() if not isinstance(bucket, EllipsisType)}
