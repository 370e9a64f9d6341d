"""Rows in memory that is shared with the server: a file that both have mapped, of which nothing is copied.

A server that is started with `--shm-dir` writes rows into such a file when a client on its machine asks for it. A
reader holds a shared lock on the file for as long as it has it mapped: what is locked is not removed to make room. The
system lets go of the lock when the last table that uses the file is gone, or the program ends.
"""

from __future__ import annotations

import ipaddress
import json
import mmap
import os
import stat
import sys
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

if sys.platform != "win32":
    import fcntl

VARIABLE = "SHOOTS_SHARED_MEMORY"
"""The environment variable that says whether memory is shared, where the program does not."""


class OutOfReachError(Exception):
    """The file cannot be opened here: it is another user's, or in another container."""


class GoneError(Exception):
    """The file was removed just now."""


def is_possible(host: str, wanted: bool | None) -> bool:
    """Whether to ask a server for shared memory: it is on this machine, as far as its address tells.

    >>> is_possible("127.0.0.1", True), is_possible("frames.example", True), is_possible("localhost", False)
    (True, False, False)
    """
    if wanted is None:
        wanted = os.environ.get(VARIABLE, "").lower() not in ("0", "false", "no", "off")
    return wanted and sys.platform != "win32" and is_this_machine(host)


def is_this_machine(host: str) -> bool:
    """Whether a name or address is one of the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def may_be_shared(ticket: Mapping[str, Any]) -> bool:
    """Whether a ticket asks for rows as they are stored."""
    return "name" in ticket and not {"sql", "diff", "resample"} & ticket.keys()


def mapped(told: bytes) -> pa.Table:
    """The rows of the file that the server has told."""
    path = json.loads(told)["shm"]["path"]
    with pa.ipc.open_stream(pa.py_buffer(locked(path))) as reader:
        return reader.read_all()


def locked(path: str) -> mmap.mmap:
    """The file in memory, locked for as long as it is there."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        # Where its folder is, it was there a moment ago.
        if isinstance(error, FileNotFoundError) and os.path.isdir(os.path.dirname(path)):
            raise GoneError from error
        raise OutOfReachError from error
    try:
        about = os.fstat(file)
        # Only its owner could change the file or cut it short.
        if about.st_uid != os.geteuid() or not stat.S_ISREG(about.st_mode):
            raise OutOfReachError
        fcntl.flock(file, fcntl.LOCK_SH)
        if os.fstat(file).st_nlink == 0:
            raise GoneError
        # The mapping has a descriptor of its own, with the same lock.
        return mmap.mmap(file, 0, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise OutOfReachError from error
    finally:
        os.close(file)
