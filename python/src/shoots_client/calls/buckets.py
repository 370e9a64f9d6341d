"""Buckets, and the server itself."""

from __future__ import annotations

from typing import cast

from ..modes import BucketDeleteMode
from .base import Calls


class Buckets(Calls):
    """Calls about buckets and the server."""

    def buckets(self) -> list[str]:
        """The names of the buckets, without the default bucket, which has none.

        >>> _ = client.put("prices", prices, bucket="market")
        >>> client.buckets()
        ['market']
        """
        return cast(list[str], self._act("buckets", safe=True))

    def delete_bucket(self, name: str, mode: BucketDeleteMode | str = BucketDeleteMode.ERROR) -> str:
        """Deletes a bucket. One with frames in it is refused, unless the mode is `DELETE_CONTENTS`.

        The bucket's rule of retention goes with it.

        >>> _ = client.put("prices", prices, bucket="market")
        >>> client.delete_bucket("market")
        Traceback (most recent call last):
          ...
        shoots_client.errors.BucketNotEmptyError: ...
        >>> client.delete_bucket("market", mode="delete")
        '{"message":"..."}'
        """
        return self._connection.text("delete_bucket", {"name": name, "mode": str(BucketDeleteMode(mode))})

    def ping(self) -> str:
        """Asks whether the server answers.

        >>> client.ping()
        'pong'
        """
        return self._connection.text("ping", {}, safe=True)

    def shutdown(self) -> str:
        """Stops the server, once it has ended what it is doing."""
        return self._connection.text("shutdown", {})
