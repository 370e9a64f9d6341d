"""The older Python client, unchanged: every call that it offers and this server answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from shoots import BucketDeleteMode, BucketNotEmptyError, DataFusionError, PutMode, ShootsClient

from conftest import StartServer
from server_process import ServerProcess

WRITERS = 6
PUTS = 8


@pytest.fixture
def client(server: ServerProcess) -> Iterator[ShootsClient]:
    client = connect(server)
    yield client
    client.client.close()


def connect(server: ServerProcess) -> ShootsClient:
    return ShootsClient(server.host, server.port)


def frame(start: int = 0, rows: int = 10) -> pd.DataFrame:
    numbers = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "time": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(numbers, "s"),
            "number": numbers,
            "half": numbers / 2,
            "text": [f"row {number}" for number in numbers],
        }
    )


def names(client: ShootsClient, bucket: str | None = None) -> list[str]:
    return [listed["name"] for listed in client.list(bucket)]


def test_what_is_put_comes_back(client: ShootsClient) -> None:
    put = frame(rows=12_000)
    client.put("readings", put)
    assert_frame_equal(client.get("readings"), put)


def test_batches_of_any_size_make_one_frame(client: ShootsClient) -> None:
    put = frame(rows=100)
    for size in [1, 7, 100, 1_000_000]:
        client.put("readings", put, mode=PutMode.REPLACE, batch_size=size)
        assert_frame_equal(client.get("readings"), put)


def test_mode_error_refuses_an_existing_frame_and_keeps_it(client: ShootsClient) -> None:
    client.put("readings", frame())
    for rows in [1, 100_000]:
        with pytest.raises(FileExistsError, match="readings"):
            client.put("readings", frame(50, rows), mode=PutMode.ERROR)
    assert_frame_equal(client.get("readings"), frame())


def test_mode_append_adds_rows_after_those_that_are_there(client: ShootsClient) -> None:
    client.put("readings", frame(0), mode=PutMode.APPEND)
    client.put("readings", frame(10), mode=PutMode.APPEND)
    assert_frame_equal(client.get("readings"), frame(0, 20))


def test_mode_replace_changes_rows_and_columns(client: ShootsClient) -> None:
    client.put("readings", frame(), mode=PutMode.REPLACE)
    other = pd.DataFrame({"other": [1.5, None]})
    client.put("readings", other, mode=PutMode.REPLACE)
    assert_frame_equal(client.get("readings"), other)


def test_sql_names_the_frame_as_its_user_wrote_it(client: ShootsClient) -> None:
    client.put("MyReadings", frame())
    got = client.get(
        "MyReadings", sql="select number, text from MyReadings where half >= 4 order by number desc"
    )
    assert_frame_equal(got, pd.DataFrame({"number": [9, 8], "text": ["row 9", "row 8"]}))
    summed = client.get("MyReadings", sql='select sum(number) as "sum" from "MyReadings"')
    assert summed["sum"].tolist() == [45]


def test_sql_in_a_bucket_sees_that_buckets_frame(client: ShootsClient) -> None:
    client.put("readings", frame(rows=3))
    client.put("readings", frame(rows=5), bucket="plant")
    counted = client.get("readings", sql="select count(*) as n from readings", bucket="plant")
    assert counted["n"].tolist() == [5]


@pytest.mark.parametrize("sql", ["selec 1", "select nothing from readings", "select * from elsewhere", ""])
def test_bad_sql_is_a_datafusion_error(client: ShootsClient, sql: str) -> None:
    client.put("readings", frame())
    with pytest.raises(DataFusionError, match=r"\w{5}"):
        client.get("readings", sql=sql)


def test_listing_tells_names_and_schemas_of_one_bucket(client: ShootsClient) -> None:
    client.put("inside", frame(), bucket="plant")
    assert client.list() == []
    client.put("outside", frame())
    assert names(client) == ["outside"]
    (listed,) = client.list("plant")
    assert listed["name"] == "inside"
    assert listed["schema"].equals(pa.Schema.from_pandas(frame()), check_metadata=True)


def test_listing_follows_the_regex(client: ShootsClient) -> None:
    for name in ["alpha", "beta", "gamma"]:
        client.put(name, frame(rows=1))
    assert [listed["name"] for listed in client.list(regex="^(a|g)")] == ["alpha", "gamma"]


def test_buckets_outlive_their_last_frame(client: ShootsClient) -> None:
    assert client.buckets() == []
    client.put("readings", frame())
    client.put("readings", frame(), bucket="plant")
    client.put("readings", frame(), bucket="office")
    assert client.buckets() == ["office", "plant"]
    client.delete("readings", bucket="plant")
    assert client.buckets() == ["office", "plant"]
    assert client.list("plant") == []


def test_a_deleted_frame_is_gone_and_its_name_is_free(client: ShootsClient) -> None:
    client.put("readings", frame())
    assert '"success":true' in client.delete("readings").replace(" ", "")
    with pytest.raises(FileNotFoundError, match="readings"):
        client.get("readings")
    client.put("readings", frame(5), mode=PutMode.ERROR)
    assert_frame_equal(client.get("readings"), frame(5))


def test_delete_bucket_refuses_a_full_one_unless_told_otherwise(client: ShootsClient) -> None:
    client.put("one", frame(), bucket="plant")
    client.put("two", frame(), bucket="plant")
    with pytest.raises(BucketNotEmptyError, match="plant"):
        client.delete_bucket("plant")
    assert names(client, "plant") == ["one", "two"]
    client.delete_bucket("plant", mode=BucketDeleteMode.DELETE_CONTENTS)
    assert client.buckets() == []
    with pytest.raises(FileNotFoundError):
        client.get("one", bucket="plant")


def test_delete_bucket_takes_an_empty_one_in_either_mode(client: ShootsClient) -> None:
    for mode in [BucketDeleteMode.ERROR, BucketDeleteMode.DELETE_CONTENTS]:
        client.put("one", frame(), bucket="plant")
        client.delete("one", bucket="plant")
        assert "plant" in client.delete_bucket("plant", mode=mode)
        assert client.buckets() == []


def test_missing_names_are_file_not_found(client: ShootsClient) -> None:
    client.put("readings", frame())
    with pytest.raises(FileNotFoundError, match="absent"):
        client.get("absent")
    with pytest.raises(FileNotFoundError, match="absent"):
        client.get("absent", sql="select * from absent")
    with pytest.raises(FileNotFoundError, match="plant"):
        client.get("readings", bucket="plant")
    with pytest.raises(FileNotFoundError, match="absent"):
        client.delete("absent")
    with pytest.raises(FileNotFoundError, match="plant"):
        client.list("plant")
    for mode in BucketDeleteMode:
        with pytest.raises(FileNotFoundError, match="plant"):
            client.delete_bucket("plant", mode=mode)


def test_ping_answers_pong(client: ShootsClient) -> None:
    assert client.ping() == "pong"


def test_shutdown_ends_the_server_with_success(server: ServerProcess, client: ShootsClient) -> None:
    client.put("readings", frame())
    assert client.shutdown() == '["shutdown command received"]'
    assert server.wait() == 0


def test_frames_survive_a_restart(start_server: StartServer) -> None:
    server = start_server()
    connect(server).put("readings", frame(), bucket="plant")
    assert server.stop() == 0
    client = connect(start_server())
    assert_frame_equal(client.get("readings", bucket="plant"), frame())


def test_clients_that_write_at_once_lose_nothing(server: ServerProcess) -> None:
    def write(writer: int) -> None:
        client = connect(server)
        for put in range(PUTS):
            rows = pd.DataFrame({"writer": writer, "put": put, "row": range(20)})
            client.put("shared", rows, mode=PutMode.APPEND, batch_size=6)
            client.put(f"own {writer}", rows, mode=PutMode.APPEND, bucket="plant")
        client.client.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))

    client = connect(server)
    shared = client.get("shared")
    assert len(shared) == WRITERS * PUTS * 20
    # The rows of a put stay together and in order, and each writer's puts follow each other.
    puts = shared.groupby(shared.index // 20)
    assert all(rows["row"].tolist() == list(range(20)) for _, rows in puts)
    assert all(rows[["writer", "put"]].drop_duplicates().shape == (1, 2) for _, rows in puts)
    for writer, rows in shared[shared["row"] == 0].groupby("writer"):
        assert rows["put"].tolist() == list(range(PUTS))
        own = client.get(f"own {writer}", bucket="plant")
        assert own["put"].tolist() == np.repeat(range(PUTS), 20).tolist()


def test_of_clients_that_create_one_frame_at_once_a_single_one_succeeds(
    server: ServerProcess,
) -> None:
    def create(writer: int) -> bool:
        try:
            connect(server).put("contested", frame(writer))
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as threads:
        created = list(threads.map(create, range(WRITERS)))
    assert created.count(True) == 1
    assert_frame_equal(connect(server).get("contested"), frame(created.index(True)))


def test_resampling_by_sql_puts_the_rows_of_the_query(client: ShootsClient) -> None:
    client.put("readings", frame())
    sql = "select time, number from readings where number >= 6"
    answer = client.resample(source="readings", target="late", sql=sql)
    assert '"target_rows":4' in str(answer).replace(" ", "").replace("'", '"')
    assert client.get("late")["number"].tolist() == [6, 7, 8, 9]
    client.resample(source="readings", target="late", sql=sql, mode=PutMode.APPEND)
    assert len(client.get("late")) == 8
    client.resample(source="readings", target="late", sql=sql, mode=PutMode.REPLACE)
    assert len(client.get("late")) == 4
    with pytest.raises(FileExistsError, match="late"):
        client.resample(source="readings", target="late", sql=sql, mode=PutMode.ERROR)


def test_resampling_by_time_is_what_pandas_makes_of_it_with_the_time_as_a_column(
    client: ShootsClient,
) -> None:
    put = frame(rows=100).drop(columns="text")
    client.put("readings", put)
    arguments = {"source": "readings", "target": "means", "rule": "10s", "time_col": "time"}
    client.resample(**arguments, aggregation_func="mean")
    expected = put.set_index("time").resample("10s").mean().reset_index()
    assert_frame_equal(client.get("means"), expected)
    client.resample(**arguments, aggregation_func="mean", mode=PutMode.APPEND)
    assert len(client.get("means")) == 20
    client.resample(**arguments, aggregation_func="max", mode=PutMode.REPLACE)
    assert client.get("means")["number"].tolist() == list(range(9, 100, 10))
    with pytest.raises(FileExistsError, match="means"):
        client.resample(**arguments, aggregation_func="max", mode=PutMode.ERROR)


def test_resampling_goes_from_bucket_to_bucket(client: ShootsClient) -> None:
    client.put("readings", frame(rows=3).drop(columns="text"))
    client.put("readings", frame(rows=20).drop(columns="text"), bucket="plant")
    buckets = {"source_bucket": "plant", "target_bucket": "office"}
    time = {"rule": "10s", "time_col": "time", "aggregation_func": "count"}
    client.resample(source="readings", target="counts", **time, **buckets)
    assert client.get("counts", bucket="office")["number"].tolist() == [10, 10]
    client.resample(source="readings", target="all", sql="select * from readings", **buckets)
    assert len(client.get("all", bucket="office")) == 20
    with pytest.raises(FileNotFoundError, match="nothing"):
        client.resample(source="nothing", target="all", sql="select * from nothing")
    with pytest.raises(DataFusionError, match="elsewhere"):
        client.resample(source="readings", target="all", sql="select * from elsewhere")
