"""Real data with real questions: flights and weather of New York, over both clients."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pandas.testing import assert_frame_equal
from pyarrow import csv
from shoots import PutMode, ShootsClient

from flight_peer import Peer
from sample_columns import assert_same
from server_process import ServerProcess

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def flights() -> pd.DataFrame:
    frame = pd.read_csv(DATA / "flights.csv", parse_dates=["time_hour"])
    return frame.astype({"carrier": "category", "origin": "category"})


@pytest.fixture
def weather() -> pa.Table:
    missing = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    return csv.read_csv(DATA / "weather.csv", convert_options=missing)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[ShootsClient]:
    client = ShootsClient(server.host, server.port)
    yield client
    client.client.close()


def test_flights_and_weather_come_back_over_either_client(
    client: ShootsClient, peer: Peer, flights: pd.DataFrame, weather: pa.Table
) -> None:
    client.put("flights", flights, bucket="nyc")
    assert_frame_equal(client.get("flights", bucket="nyc"), flights)
    assert_same(peer.get("flights", bucket="nyc"), pa.Table.from_pandas(flights))
    peer.put("weather", weather, bucket="nyc")
    assert_same(peer.get("weather", bucket="nyc"), weather)
    assert_frame_equal(client.get("weather", bucket="nyc"), weather.to_pandas())


def test_the_average_delay_by_carrier_is_what_pandas_says(
    client: ShootsClient, flights: pd.DataFrame
) -> None:
    client.put("flights", flights)
    sql = """
        select carrier, avg(arr_delay) as delay, count(*) as flights
        from flights group by carrier order by carrier
    """
    got = client.get("flights", sql=sql).astype({"carrier": "str"})
    groups = flights.groupby("carrier", observed=True)
    expected = groups.agg(delay=("arr_delay", "mean"), flights=("carrier", "size")).reset_index()
    assert_frame_equal(got, expected.astype({"carrier": "str"}))


def test_frames_are_joined_in_sql(
    client: ShootsClient, peer: Peer, flights: pd.DataFrame, weather: pa.Table
) -> None:
    client.put("flights", flights)
    client.put("airlines", pd.read_csv(DATA / "airlines.csv"))
    peer.put("weather", weather)
    sql = """
        select a.name, max(w.wind_speed) as wind
        from flights f
        join airlines a on a.carrier = f.carrier
        join weather w on w.origin = f.origin and w.time_hour = f.time_hour
        group by a.name order by wind desc, a.name limit 3
    """
    got = client.get("flights", sql=sql)
    airlines = pd.read_csv(DATA / "airlines.csv")
    there = weather.to_pandas()
    there["time_hour"] = there["time_hour"].dt.tz_convert("UTC")
    joined = flights.astype({"carrier": "str", "origin": "str"}).merge(airlines, on="carrier")
    joined = joined.merge(there[["origin", "time_hour", "wind_speed"]], on=["origin", "time_hour"])
    wind = joined.groupby("name")["wind_speed"].max().rename("wind").reset_index()
    expected = wind.sort_values(["wind", "name"], ascending=[False, True]).head(3)
    assert len(got) == 3
    assert_frame_equal(got, expected.reset_index(drop=True))


def test_days_are_appended_one_after_the_other(
    client: ShootsClient, peer: Peer, flights: pd.DataFrame
) -> None:
    for _, day in flights.groupby("day"):
        client.put("flights", day, mode=PutMode.APPEND)
    assert_frame_equal(client.get("flights"), flights)
    first = peer.get("flights", as_of={"version": 1}, columns=["day"])
    assert pc.unique(first["day"]).to_pylist() == [1]
