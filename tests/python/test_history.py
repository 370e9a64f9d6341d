"""Indexed frames and their history, as plain pyarrow reaches them."""

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from flight_peer import OPTIONS, Peer, refused

HOUR = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
INDEX = ["time_hour", "origin"]


def weather(hours: range, temperature: float = 0.0) -> pa.Table:
    """Two stations by the hour, in the order of the index."""
    times = [HOUR + dt.timedelta(hours=hour) for hour in hours for _ in range(2)]
    return pa.table(
        {
            "time_hour": pa.array(times, pa.timestamp("ns", "UTC")),
            "origin": ["EWR", "JFK"] * len(hours),
            "temp": [temperature] * len(times),
        }
    )


@pytest.fixture
def frame(peer: Peer) -> dict[str, Any]:
    """A frame of two versions, the second of which lies before the first; what names it in requests."""
    peer.put("weather", weather(range(5, 10)), bucket="nyc", index=INDEX, author="ada", metadata={"feed": [7]})
    peer.put("weather", weather(range(5)), bucket="nyc", mode="append", message="more")
    return {"name": "weather", "bucket": "nyc"}


def test_ranges_follow_the_index(peer: Peer, frame: dict[str, Any]) -> None:
    assert peer.get(**frame).equals(weather(range(10)))
    start, stop = "2013-01-01T03:00:00Z", "2013-01-01T06:00:00Z"
    assert peer.get(**frame, start=start, stop=stop).equals(weather(range(3, 6)))
    assert peer.get(**frame, start=start, stop=stop, closed="right").equals(weather(range(4, 7)))
    assert peer.get(**frame, tail=2).equals(weather(range(9, 10)))
    with refused("InvalidRequestError", "start", "soon"):
        peer.get(**frame, start="soon")


def test_rows_are_corrected_and_deleted(peer: Peer, frame: dict[str, Any]) -> None:
    peer.put(**frame, table=weather(range(2, 4), 1.0), mode="update")
    peer.put(**frame, table=weather(range(3, 5), 2.0).slice(1), mode="upsert")
    temperatures = [0.0] * 4 + [1.0] * 3 + [2.0] * 3 + [0.0] * 10
    assert peer.get(**frame)["temp"].to_pylist() == temperatures
    body = {**frame, "start": "2013-01-01T04:00:00Z", "where": "temp = 0 and ORIGIN = 'JFK'"}
    assert peer.act("delete_rows", body)["rows_removed"] == 5
    with refused("DataFusionError", "No field named tempo"):
        peer.act("delete_rows", {**frame, "where": "tempo = 0"})
    altered = peer.act("alter", {**frame, "rename": {"temp": "temperature"}, "add": [{"name": "dew", "type": "double"}]})
    assert [column["name"] for column in altered["columns"]] == [*INDEX, "temperature", "dew"]
    assert peer.get(**frame)["dew"].null_count == 15


def test_versions_are_named_compared_and_restored(peer: Peer, frame: dict[str, Any]) -> None:
    tagged = peer.act("tag", {**frame, "tag": "eod", "as_of": 2})
    assert (tagged["tag"], tagged["version"]) == ("eod", 2)
    peer.put(**frame, table=weather(range(1), 9.0), mode="replace")
    log = peer.act("log", frame)["commits"]
    first, second = log[-1], log[-2]
    assert (first["author"], first["metadata"], first["rows_added"]) == ("ada", {"feed": [7]}, 10)
    assert (second["message"], second["tags"]) == ("more", ["eod"])
    diff = peer.act("diff", {**frame, "from": "eod"})
    assert (diff["rows_added"], diff["rows_removed"]) == (2, 20)
    rows = peer.get(**frame, diff={"from": "eod"})
    assert rows["_change"].to_pylist().count("removed") == 20
    assert peer.act("restore", {**frame, "as_of": "eod", "message": "undo"})["rows"] == 20
    assert peer.get(**frame).equals(weather(range(10)))
    with refused("FileExistsError", "eod"):
        peer.act("tag", {**frame, "tag": "eod"})
    with refused("FileNotFoundError", "17"):
        peer.act("restore", {**frame, "as_of": 17})


def test_history_is_there_in_sql(peer: Peer, frame: dict[str, Any]) -> None:
    sql = "select count(*) as rows from as_of('weather', 1)"
    assert peer.get(**frame, sql=sql).to_pydict() == {"rows": [10]}
    history = peer.get(**frame, sql="select version, published from history('weather') order by version")
    assert history["version"].to_pylist() == [1, 2]
    assert history.schema.field("published").type == pa.timestamp("ns", "UTC")
    segments = peer.get(**frame, sql="select rows, bytes, hash from segments('weather')")
    described = peer.act("describe", frame)
    assert sum(segments["rows"].to_pylist()) == described["rows"] == 20
    assert sum(segments["bytes"].to_pylist()) == described["bytes"]


@pytest.mark.parametrize(
    "fields",
    [
        {"start": "2013-01-01T02:00:00Z"},
        {"tail": 3, "columns": ["temp"]},
        {"diff": {"from": 1}},
        {"sql": "select * from as_of('weather', 1)"},
    ],
)
def test_what_is_announced_is_what_comes(peer: Peer, frame: dict[str, Any], fields: dict[str, Any]) -> None:
    descriptor = fl.FlightDescriptor.for_command(json.dumps({**frame, **fields}))
    info = peer.client.get_flight_info(descriptor, OPTIONS)
    got = peer.get(**frame, **fields)
    assert info.schema.equals(got.schema, check_metadata=True)
    peer.put(**frame, table=weather(range(1), 9.0), mode="replace")
    pinned = peer.get_ticket(info.endpoints[0].ticket.ticket)
    assert pinned.equals(got)
