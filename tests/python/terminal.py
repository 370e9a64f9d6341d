"""A command on a terminal of its own, and what stands there when it has ended."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

from server_process import SECONDS

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# How wide the terminal is, in characters.
COLUMNS = 120


def on_terminal(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    """What a command leaves on a terminal of its own, without what it has drawn over."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = b""
    deadline = time.monotonic() + SECONDS
    while select.select([master], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    else:
        process.kill()
    os.close(master)
    process.wait(SECONDS)
    lines = ESCAPE.sub("", said.decode()).replace("\r\n", "\n").splitlines(keepends=True)
    return "".join(line.rpartition("\r")[2] for line in lines)
