"""Upkeep: what the server does by itself, asked for outright, and questions about what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ..results import (
    CompactedFrame,
    ExpiredFrame,
    PurgeResult,
    Retention,
    RetentionResult,
    SweepResult,
    Usage,
    VerifyResult,
)
from ..values import AsOf, given, state
from .base import Bucket, Calls, located


class Upkeep(Calls):
    """Calls about what is stored. With `dry_run`, they only say what they would do."""

    def compact(
        self, name: str | None = None, bucket: Bucket = None, *, dry_run: bool = False, timeout: float | None = None
    ) -> list[CompactedFrame]:
        """Joins small segments of a frame, or of all of a bucket. No row and no order changes."""
        answer = self._act("compact", timeout, name=name, bucket=bucket, dry_run=dry_run or None)
        return cast(list[CompactedFrame], answer["frames"])

    def retention(self, name: str | None = None, bucket: Bucket = None) -> RetentionResult:
        """How long versions of a frame, or of a bucket's frames, are kept.

        >>> client.set_retention({"keep_versions": 60}, "prices")["effective"]
        {'keep_versions': 60, 'keep_tagged': True}
        >>> _ = client.set_retention(None, "prices")
        >>> client.retention("prices")["effective"]["keep_versions"]
        10
        """
        return cast(RetentionResult, self._act("retention", safe=True, name=name, bucket=bucket))

    def set_retention(self, rule: Retention | None, name: str | None = None, bucket: Bucket = None) -> RetentionResult:
        """Sets how long versions are kept, as a whole; `None` takes the rule back."""
        fields = located(given({"name": name, "bucket": bucket}))
        return cast(RetentionResult, self._connection.act("retention", {**fields, "set": rule}))

    def expire(
        self, name: str | None = None, bucket: Bucket = None, *, dry_run: bool = False, timeout: float | None = None
    ) -> list[ExpiredFrame]:
        """Lets versions expire that no rule keeps."""
        answer = self._act("expire", timeout, name=name, bucket=bucket, dry_run=dry_run or None)
        return cast(list[ExpiredFrame], answer["frames"])

    def forget(
        self, name: str, versions: Iterable[AsOf], bucket: Bucket = None, *, dry_run: bool = False
    ) -> list[ExpiredFrame]:
        """Gives up chosen versions, whatever the rules say: those with rows that must not be there."""
        said = [state(version) for version in versions]
        answer = self._act("forget", name=name, bucket=bucket, versions=said, dry_run=dry_run or None)
        return cast(list[ExpiredFrame], answer["frames"])

    def sweep(
        self, name: str | None = None, bucket: Bucket = None, *, dry_run: bool = False, timeout: float | None = None
    ) -> SweepResult:
        """Removes what only expired versions needed, once the time for readers has passed."""
        return cast(SweepResult, self._act("sweep", timeout, name=name, bucket=bucket, dry_run=dry_run or None))

    def purge(self, name: str, bucket: Bucket = None, *, dry_run: bool = False) -> PurgeResult:
        """Removes a frame with all its history for good.

        >>> client.purge("prices", dry_run=True)["dry_run"]
        True
        """
        return cast(PurgeResult, self._act("purge", name=name, bucket=bucket, dry_run=dry_run or None))

    def verify(
        self,
        name: str | None = None,
        bucket: Bucket = None,
        *,
        all_buckets: bool = False,
        sample: float | None = None,
        timeout: float | None = None,
    ) -> VerifyResult:
        """Checks stored objects of a frame, a bucket or all of them: whether they are there, and as they were written.

        `sample` is the share of the segments whose bytes are read.

        >>> client.verify("prices")["ok"]
        True
        """
        answer = self._act(
            "verify",
            timeout,
            safe=True,
            name=name,
            bucket=bucket,
            all_buckets=all_buckets or None,
            sample=sample,
        )
        return cast(VerifyResult, answer)

    def usage(self, bucket: Bucket = None, *, all_buckets: bool = False) -> Usage:
        """What a bucket takes up, or each of them.

        >>> client.usage()["buckets"][0]["rows"]
        5
        """
        return cast(Usage, self._act("usage", safe=True, bucket=bucket, all_buckets=all_buckets or None))
