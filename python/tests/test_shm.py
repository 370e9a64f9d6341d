"""Rows from memory that is shared with the server: the same as over the connection, for as long as they are used."""

import gc
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from server_process import SECONDS, ServerProcess
from shoots_client import NotFoundError, Progress, ShootsClient, shm

ROWS = 10_000
TIMES = pd.date_range("2024-01-01", periods=ROWS, freq="min", name="time")
FRAME = pd.DataFrame(
    {
        "price": np.arange(ROWS) / 4,
        "size": np.arange(ROWS),
        "small": np.arange(ROWS, dtype="int8"),
        "symbol": pd.Categorical(list("ab") * (ROWS // 2), categories=["b", "a", "never"]),
        "text": [f"text {n % 100}" if n % 3 else None for n in range(ROWS)],
        "flag": np.arange(ROWS) % 2 == 0,
        "when": TIMES.tz_localize("UTC"),
    },
    index=TIMES,
)

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where servers share files."""
    return tmp_path / "shm"


@pytest.fixture
def sharing(start_server: StartServer, place: Path) -> ServerProcess:
    """A server that shares all rows, however few."""
    return start_server(f"--shm-dir={place}", "--shm-min-bytes=0")


def connect(server: ServerProcess, shared_memory: bool | None = None) -> ShootsClient:
    return ShootsClient(server.host, server.port, timeout=SECONDS, shared_memory=shared_memory)


def files(place: Path) -> list[Path]:
    return sorted(file for file in place.glob("*/*") if file.name != "lock")


def mapped(place: Path) -> int:
    """How many files this process has mapped."""
    gc.collect()
    return len(re.findall(re.escape(str(place)), Path("/proc/self/maps").read_text()))


@pytest.mark.parametrize("part", [{}, {"columns": ["text", "price"]}, {"tail": 7}, {"start": "2024-01-02"}])
def test_rows_are_the_same_as_over_the_connection(sharing: ServerProcess, place: Path, part: dict[str, object]) -> None:
    with connect(sharing) as client, connect(sharing, shared_memory=False) as sent:
        client.put("a", FRAME)
        client.put("a", FRAME.assign(symbol=FRAME["symbol"].cat.set_categories(["new", "a", "b"])), "append")
        table = client.get("a", as_="arrow", **part)  # type: ignore[call-overload]
        assert mapped(place) == len(files(place)) == 1
        other = sent.get("a", as_="arrow", **part)  # type: ignore[call-overload]
        assert mapped(place) == 1
        assert table.equals(other)
        assert table.schema.equals(other.schema, check_metadata=True)
        table.validate(full=True)
        assert_frame_equal(client.get("a", **part), sent.get("a", **part))  # type: ignore[call-overload]
        assert client.get("a", as_="polars", **part).equals(sent.get("a", as_="polars", **part))  # type: ignore[call-overload]


def test_arrow_and_polars_use_the_memory_as_it_is(sharing: ServerProcess, place: Path) -> None:
    with connect(sharing) as client:
        client.put("a", FRAME)
        before = pa.total_allocated_bytes()
        table = client.get("a", as_="arrow")
        assert table.nbytes > 100 * ROWS // 4
        assert pa.total_allocated_bytes() - before < table.nbytes // 10
        frame = client.get("a", as_="polars")
        addresses = {
            column: frame[column].to_arrow().buffers()[1].address for column in ("price", "size", "small", "time")
        }
        ranges = [
            (int(line.split("-")[0], 16), int(line.split("-")[1].split()[0], 16))
            for line in Path("/proc/self/maps").read_text().splitlines()
            if str(place) in line
        ]
        for column, address in addresses.items():
            assert any(begin <= address < end for begin, end in ranges), column


def test_rows_outlive_the_client_and_the_server_and_no_longer_than_they_are_used(
    sharing: ServerProcess, place: Path
) -> None:
    with connect(sharing) as client:
        client.put("a", FRAME)
        table = client.get("a", as_="arrow")
        column = table["price"]
        polars = client.get("a", as_="polars", columns=["size"])
    assert sharing.stop() == 0
    assert not place.exists() or not list(place.iterdir())
    del table
    assert mapped(place) == 2
    assert column.to_pylist() == FRAME["price"].tolist()
    assert polars["size"].to_list() == list(range(ROWS))
    del column, polars
    assert mapped(place) == 0


@pytest.mark.parametrize("columns", [None, ["price"], ["size"], ["flag"], ["symbol"], ["when"], ["small", "text"]])
def test_frames_of_pandas_can_be_written_to(sharing: ServerProcess, columns: list[str] | None) -> None:
    with connect(sharing) as client, connect(sharing, shared_memory=False) as sent:
        client.put("a", FRAME)
        shared, other = (one.get("a", columns=columns) for one in (client, sent))
        for frame in (shared, other):
            for position in range(frame.shape[1]):
                frame.iloc[0, position] = frame.iloc[1, position]
                frame.iloc[2:4, position] = frame.iloc[4, position]
        assert_frame_equal(shared, other)
        # What one changes is nobody else's.
        again = client.get("a", columns=columns)
        expected = FRAME if columns is None else FRAME[columns].reset_index(drop=True)
        assert_frame_equal(again, expected)


def test_what_is_used_is_not_removed_to_make_room(start_server: StartServer, place: Path) -> None:
    server = start_server(f"--shm-dir={place}", "--shm-min-bytes=0", "--shm-bytes=1000000")
    with connect(server) as client:
        for name in "abc":
            client.put(name, FRAME)
        held = client.get("a", as_="arrow")
        for name in "bcb":
            client.get(name, as_="arrow")
            gc.collect()
        assert mapped(place) == 1
        assert sum(file.stat().st_size for file in files(place)) <= 1_000_000
        assert held["price"].to_pylist() == FRAME["price"].tolist()


def test_files_of_other_users_are_not_used(sharing: ServerProcess, place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    with connect(sharing) as client:
        client.put("a", FRAME)
        client.get("a")
        os.chown(files(place)[0], 12345, -1)
        for _ in range(2):
            table = client.get("a", as_="arrow")
            assert mapped(place) == 0
            assert table.num_rows == ROWS
            assert not client._connection.shares_memory


def test_files_that_others_have_removed_are_no_obstacle(sharing: ServerProcess, place: Path) -> None:
    with connect(sharing) as client:
        client.put("a", FRAME)
        client.get("a")
        files(place)[0].unlink()
        table = client.get("a", as_="arrow")
        assert (table.num_rows, mapped(place)) == (ROWS, 1)
        assert client._connection.shares_memory
        shutil.rmtree(next(place.iterdir()))
        assert client.get("a", as_="arrow").equals(table)


def test_what_a_server_tells_is_opened_with_care(tmp_path: Path) -> None:
    with pytest.raises(shm.GoneError):
        shm.locked(str(tmp_path / "gone.arrows"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(__file__)
    for path in ("no/such/folder.arrows", "pipe", "link", ""):
        with pytest.raises(shm.OutOfReachError):
            shm.locked(str(tmp_path / path))


@pytest.mark.parametrize("said", ["0", "off", "False"])
def test_the_environment_can_say_no(
    sharing: ServerProcess, place: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("SHOOTS_SHARED_MEMORY", said)
    with connect(sharing) as client:
        client.put("a", FRAME)
        client.get("a")
        assert files(place) == []
    with connect(sharing, shared_memory=True) as client:
        client.get("a")
        assert len(files(place)) == 1


def test_errors_progress_and_batches_are_as_ever(sharing: ServerProcess, place: Path) -> None:
    with connect(sharing) as client:
        client.put("a", FRAME)
        told: list[Progress] = []
        client.get("a", progress=told.append)
        assert (told[-1].done, told[-1].total) == (ROWS, ROWS)
        assert sum(piece.num_rows for piece in client.iter_batches("a", tail=5)) == 5
        assert client.get_many(["a"], as_="arrow")["a"].num_rows == ROWS
        assert client.sql("select count(*) as n from a")["n"].tolist() == [ROWS]
        assert len(files(place)) == 1
        with pytest.raises(NotFoundError):
            client.get("b")
        empty = client.put("empty", FRAME.iloc[:0])
        assert empty["rows"] == 0
        assert client.get("empty").columns.tolist() == FRAME.columns.tolist()
