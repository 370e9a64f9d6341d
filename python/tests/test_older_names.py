"""What programs for the client of the older Shoots do: they change one import, and go on."""

import json
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from server_process import ServerProcess
from shoots_client import BucketDeleteMode, BucketNotEmptyError, DataFusionError, PutMode, ShootsClient


def frame(start: int = 0, rows: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=rows, freq="s"),
            "number": range(start, start + rows),
            "text": [f"t{n}" for n in range(rows)],
        }
    )


def test_a_frame_comes_back_and_positional_arguments_are_those_of_the_older_client(client: ShootsClient) -> None:
    client.put("readings", frame(), PutMode.REPLACE, "plant", 3)
    assert_frame_equal(client.get("readings", "select * from readings", "plant"), frame())
    assert_frame_equal(client.get(name="readings", sql=None, bucket="plant"), frame())


def test_modes_do_what_they_did(client: ShootsClient) -> None:
    client.put("readings", frame())
    with pytest.raises(FileExistsError, match="readings"):
        client.put("readings", frame())
    client.put("readings", frame(), mode=PutMode.APPEND)
    assert client.get("readings")["number"].tolist() == [*range(10), *range(10)]
    client.put(name="readings", dataframe=frame(5), mode=PutMode.REPLACE)
    assert_frame_equal(client.get("readings"), frame(5))
    assert [mode.value for mode in (PutMode.ERROR, PutMode.APPEND, PutMode.REPLACE)] == ["error", "append", "replace"]


def test_missing_things_are_file_not_found(client: ShootsClient) -> None:
    client.put("readings", frame())
    calls: list[Callable[[], object]] = [
        lambda: client.get("absent"),
        lambda: client.get("readings", bucket="plant"),
        lambda: client.delete("absent"),
        lambda: client.list("plant"),
        lambda: client.delete_bucket("plant"),
        lambda: client.resample(source="absent", target="x", sql="select * from absent"),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError):
            call()


def test_bad_sql_is_a_datafusion_error(client: ShootsClient) -> None:
    client.put("readings", frame())
    with pytest.raises(DataFusionError, match="elsewhere"):
        client.get("readings", sql="select * from elsewhere")


def test_listings_tell_names_and_schemas(client: ShootsClient) -> None:
    client.put("inside", frame(), bucket="plant")
    assert client.list() == []
    (listed,) = client.list("plant")
    assert listed["name"] == "inside"
    assert listed["schema"].equals(pa.Schema.from_pandas(frame()), check_metadata=True)
    assert client.buckets() == ["plant"]


def test_answers_as_text_stay_text(client: ShootsClient) -> None:
    client.put("readings", frame(), bucket="plant")
    with pytest.raises(BucketNotEmptyError, match="plant"):
        client.delete_bucket("plant")
    assert json.loads(client.delete("readings", bucket="plant"))["success"] is True
    assert "plant" in client.delete_bucket("plant", mode=BucketDeleteMode.ERROR)
    client.put("readings", frame(), bucket="plant")
    assert "plant" in client.delete_bucket("plant", BucketDeleteMode.DELETE_CONTENTS)
    assert client.ping() == "pong"


def test_resampling_takes_the_same_arguments(client: ShootsClient) -> None:
    client.put("readings", frame(rows=100).drop(columns="text"))
    answer = client.resample(
        source="readings", target="means", rule="10s", time_col="time", aggregation_func="mean", target_bucket="plant"
    )
    assert (answer["source_rows"], answer["target_rows"]) == (100, 10)
    assert client.resample("readings", "late", sql="select * from readings where number >= 96")["target_rows"] == 4
    with pytest.raises(ValueError, match="rule and aggregation_func are required"):
        client.resample("readings", "late")


def test_shutdown_ends_the_server_with_success(server: ServerProcess, client: ShootsClient) -> None:
    assert client.shutdown() == '["shutdown command received"]'
    assert server.wait() == 0


def test_a_token_without_tls_is_refused_as_a_value() -> None:
    with pytest.raises(ValueError, match="unencrypted"):
        ShootsClient("localhost", 8081, token="x")
    with pytest.raises(ValueError, match="root_cert"):
        ShootsClient("localhost", 8081, root_cert="-----BEGIN CERTIFICATE-----")
