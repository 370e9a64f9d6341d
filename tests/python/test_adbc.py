"""ADBC's Flight SQL driver, and pandas and Polars on top of it."""

from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_manager import dbapi

from flight_peer import Peer
from sample_columns import EVERYTHING, assert_same
from server_process import ServerProcess

Connect = Callable[..., dbapi.Connection]

COOKIES = adbc_driver_flightsql.DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value
HEADER = adbc_driver_flightsql.DatabaseOptions.RPC_CALL_HEADER_PREFIX.value

NUMBERS = pa.table(
    {
        "n": pa.array([1, 2, 3], pa.int32()),
        "time": pa.array([1, 2, 3], pa.timestamp("ns")),
        "word": ["x", "y", None],
    }
)


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Connect]:
    """Connections to `server`, with these options."""
    opened: list[dbapi.Connection] = []

    def connect(**options: str) -> dbapi.Connection:
        connection = flight_sql.connect(server.address, db_kwargs=options, autocommit=True)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Connect, peer: Peer) -> dbapi.Connection:
    """A connection to a server with three rows in `my_frame`, and one in `nyc/other`."""
    peer.put("my_frame", NUMBERS)
    peer.put("other", pa.table({"k": [1.5]}), bucket="nyc")
    return connect()


def ask(connection: dbapi.Connection, sql: str, parameters: Any = None) -> pa.Table:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def test_queries_are_answered_with_the_types_of_the_frame(connection: dbapi.Connection, peer: Peer) -> None:
    columns = {title: make().slice(0, 2) for title, make in EVERYTHING.items()}
    everything = pa.table(columns)
    peer.put("everything", everything)
    got = ask(connection, "select * from everything")
    # The driver's Arrow has no field for what pyarrow calls an extension type it does not know.
    for name in ["int8", "uint64", "large_string", "duration[ns]"]:
        assert_same(got.select([name]), everything.select([name]))
    with connection.cursor() as cursor:
        cursor.execute("select n, word from my_frame order by n desc")
        assert cursor.fetchone() == (3, None)
        assert cursor.fetchall() == [(2, "y"), (1, "x")]
    assert ask(connection, "explain select n from my_frame").num_rows > 0


def test_frames_are_named_with_bucket_and_catalog_or_without(connection: dbapi.Connection) -> None:
    for name in ["nyc.other", '"nyc"."other"', "shoots.nyc.other"]:
        assert ask(connection, f"select k from {name}").to_pydict() == {"k": [1.5]}
    for name in ["my_frame", "MY_FRAME", '"".my_frame', '"shoots".""."my_frame"']:
        assert ask(connection, f"select max(n) as n from {name}").to_pydict() == {"n": [3]}


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("select n from my_frame where n > $1", [1], [2, 3]),
        ("select n from my_frame where n > ? and word = ?", [0, "y"], [2]),
        ("select n from my_frame where time >= ? limit ?", ["1970-01-01T00:00:00.000000002", 1], [2]),
        ("select n from my_frame where word is not distinct from $1", [None], [3]),
        ("select n from my_frame where word = $1 or n = $2 order by n", ["x", 3], [1, 3]),
    ],
)
def test_values_take_the_places_of_parameters(
    connection: dbapi.Connection, sql: str, parameters: list[Any], expected: list[int]
) -> None:
    assert ask(connection, sql, parameters)["n"].to_pylist() == expected


def test_a_query_runs_for_each_row_of_parameters(connection: dbapi.Connection) -> None:
    rows = pa.record_batch([pa.array([3, 9, 1]), pa.array(["c", None, "a"])], ["0", "1"])
    got = ask(connection, "select n, $2 as mark from my_frame where n = $1", rows)
    assert got.to_pydict() == {"n": [3, 1], "mark": ["c", "a"]}
    named = pa.record_batch([pa.array([2])], ["which"])
    assert ask(connection, "select n from my_frame where n = $which", named)["n"].to_pylist() == [2]


def test_a_statement_is_prepared_once_and_run_often(connection: dbapi.Connection) -> None:
    sql = "select n from my_frame where n = ?"
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare(sql)
        assert schema is not None
        assert schema.types == [pa.int32()]
        for n in [2, 3, 2]:
            cursor.execute(sql, [n])
            assert cursor.fetchall() == [(n,)]
        assert cursor.adbc_execute_schema("select n, word from my_frame").names == ["n", "word"]


@pytest.mark.parametrize(
    ("sql", "parameters", "words"),
    [
        ("select nope from my_frame", None, "nope"),
        ("select * from nothing", None, "nothing"),
        ("selec 1", None, "selec"),
        ("select ?, ?", [1], "2 parameters"),
        ("select ?", [1, 2], "2 values were given"),
        ("select ?", None, "no value was given"),
        ("drop table my_frame", None, "only queries"),
        ("insert into my_frame select * from my_frame", None, "only queries"),
        ("copy my_frame to '/tmp/x'", None, "only queries"),
    ],
)
def test_mistakes_are_told_in_the_servers_words(
    connection: dbapi.Connection, sql: str, parameters: list[Any] | None, words: str
) -> None:
    with pytest.raises(dbapi.ProgrammingError, match=words):
        ask(connection, sql, parameters)


def test_sql_only_reads(connection: dbapi.Connection) -> None:
    with connection.cursor() as cursor:
        with pytest.raises(dbapi.NotSupportedError, match="SQL only reads"):
            cursor.executescript("delete from my_frame")
        with pytest.raises(dbapi.NotSupportedError, match="SQL only reads"):
            cursor.executemany("select n from my_frame where n = ?", [[1], [2]])
    with pytest.raises(dbapi.NotSupportedError):
        connection.adbc_connection.set_autocommit(False)
    assert ask(connection, "select count(*) as n from my_frame")["n"].to_pylist() == [3]


def test_everything_there_is_can_be_listed(connection: dbapi.Connection) -> None:
    def objects(depth: Any, **filters: Any) -> Any:
        return connection.adbc_get_objects(depth=depth, **filters).read_all().to_pylist()

    assert [catalog["catalog_name"] for catalog in objects("catalogs")] == ["shoots"]
    (catalog,) = objects("db_schemas")
    assert [schema["db_schema_name"] for schema in catalog["catalog_db_schemas"]] == ["", "nyc"]
    (catalog,) = objects("tables")
    tables = {
        schema["db_schema_name"]: [
            (table["table_name"], table["table_type"]) for table in schema["db_schema_tables"]
        ]
        for schema in catalog["catalog_db_schemas"]
    }
    assert tables == {"": [("my_frame", "TABLE")], "nyc": [("other", "TABLE")]}
    (catalog,) = objects("all", db_schema_filter="", table_name_filter="my_frame")
    (schema,) = catalog["catalog_db_schemas"]
    (table,) = schema["db_schema_tables"]
    assert [column["column_name"] for column in table["table_columns"]] == ["n", "time", "word"]
    assert table["table_constraints"] in (None, [])
    assert connection.adbc_get_table_types() == ["TABLE"]
    assert connection.adbc_get_info()["vendor_name"] == "Shoots"


def test_columns_of_a_frame_are_told(connection: dbapi.Connection) -> None:
    assert connection.adbc_get_table_schema("my_frame").equals(NUMBERS.schema)
    assert connection.adbc_get_table_schema("other", db_schema_filter="nyc").names == ["k"]
    with pytest.raises(dbapi.ProgrammingError):
        connection.adbc_get_table_schema("nothing")


def test_rows_are_ingested_in_every_mode(connection: dbapi.Connection, peer: Peer) -> None:
    rows = pa.table({"x": [1, 2], "y": ["a", "b"]})

    def ingest(mode: Any, **where: Any) -> int:
        with connection.cursor() as cursor:
            return cursor.adbc_ingest("target", rows, mode=mode, **where)

    with pytest.raises(dbapi.ProgrammingError, match="no frame target"):
        ingest("append")
    for mode, total in [("create", 2), ("append", 4), ("replace", 2), ("create_append", 4)]:
        assert ingest(mode) == 2
        assert peer.get("target").num_rows == total, mode
    with pytest.raises(dbapi.ProgrammingError, match="exists already"):
        ingest("create")
    assert peer.act("describe", {"name": "target"})["version"] == 4
    assert ingest("create", catalog_name="shoots", db_schema_name="new bucket") == 2
    assert_same(peer.get("target", bucket="new bucket"), rows)
    with pytest.raises(dbapi.ProgrammingError, match="catalog"):
        ingest("create", catalog_name="elsewhere")
    with pytest.raises(dbapi.ProgrammingError, match="temporary"):
        ingest("create", temporary=True)


def test_an_ingestion_that_fails_halfway_changes_nothing(connection: dbapi.Connection, peer: Peer) -> None:
    schema = pa.schema({"x": pa.int64()})

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(3):
            yield pa.record_batch([pa.array(range(start, start + 1000))], schema=schema)
        raise RuntimeError("the source is gone")

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with connection.cursor() as cursor, pytest.raises(dbapi.Error):
        cursor.adbc_ingest("halfway", reader, mode="create_append")
    assert ["halfway"] not in peer.paths()


def test_a_table_without_rows_is_told_apart(connection: dbapi.Connection, peer: Peer) -> None:
    """The driver sends nothing at all then, not even the command."""
    empty = pa.table({"a": pa.array([], pa.int64())})
    with connection.cursor() as cursor, pytest.raises(dbapi.ProgrammingError, match="at least one row"):
        cursor.adbc_ingest("new", empty, mode="create")
    assert ["new"] not in peer.paths()


def test_a_server_that_only_reads_takes_no_rows(
    peer: Peer, start_server: Callable[..., ServerProcess]
) -> None:
    peer.put("kept", NUMBERS)
    server = start_server("--read-only")
    with flight_sql.connect(server.address, autocommit=True) as connection, connection.cursor() as cursor:
        with pytest.raises(dbapi.Error, match="read-only"):
            cursor.adbc_ingest("frame", NUMBERS)
        cursor.execute("select 1 as one")
        assert cursor.fetchall() == [(1,)]


def test_a_session_has_a_bucket_if_its_client_keeps_cookies(
    connection: dbapi.Connection, connect: Connect, peer: Peer
) -> None:
    assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("shoots", "")
    with pytest.raises(dbapi.ProgrammingError, match="cookie"):
        connection.adbc_current_db_schema = "nyc"
    keeping = connect(**{COOKIES: "true"})
    keeping.adbc_current_db_schema = "nyc"
    assert keeping.adbc_current_db_schema == "nyc"
    assert ask(keeping, "select k from other").num_rows == 1
    with keeping.cursor() as cursor:
        cursor.adbc_ingest("ingested", NUMBERS)
    assert ["ingested", "nyc"] in peer.paths()
    keeping.adbc_current_catalog = "shoots"
    with pytest.raises(dbapi.Error):
        keeping.adbc_current_catalog = "elsewhere"
    keeping.adbc_current_db_schema = ""
    assert ask(keeping, "select n from my_frame").num_rows == 3
    fixed = connect(**{f"{HEADER}cookie": "shoots-schema=nyc"})
    assert ask(fixed, "select k from other").num_rows == 1


def test_a_query_without_end_can_be_cancelled(connection: dbapi.Connection, peer: Peer) -> None:
    peer.put("big", pa.table({"n": range(3000)}))
    endless = "select a.n from big a, big b, big c where a.n + b.n > c.n"
    with connection.cursor() as cursor:
        cursor.execute(endless)
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        cursor.adbc_cancel()
        with pytest.raises((OSError, dbapi.Error), match="ancel"):
            reader.read_all()
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(endless)
            assert cursor.fetch_record_batch().read_next_batch().num_rows > 0
    # The queries that nobody reads leave their places to others.
    assert ask(connection, "select count(*) as n from big")["n"].to_pylist() == [3000]


def test_any_server_on_the_store_delivers_a_partition(
    connection: dbapi.Connection, start_server: Callable[..., ServerProcess]
) -> None:
    with connection.cursor() as cursor:
        (partition,), schema = cursor.adbc_execute_partitions("select n from my_frame order by n")
        assert schema is not None
        assert schema.names == ["n"]
    elsewhere = start_server()
    with flight_sql.connect(elsewhere.address, autocommit=True) as other, other.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == [(1,), (2,), (3,)]


def test_pandas_reads_and_writes(connection: dbapi.Connection, peer: Peer) -> None:
    got = pd.read_sql("select n, word from my_frame where n < 3", connection)
    expected = pd.DataFrame({"n": pd.array([1, 2], "int32"), "word": ["x", "y"]})
    pd.testing.assert_frame_equal(pd.DataFrame(got), expected, check_dtype=False)
    written = pd.DataFrame({"a": [1.5, 2.5]})
    assert written.to_sql("written", connection, index=False) == 2
    pd.testing.assert_frame_equal(peer.get("written").to_pandas(), written)


def test_polars_reads_and_writes(connection: dbapi.Connection, peer: Peer) -> None:
    got = pl.read_database("select n, word from my_frame", connection)
    assert got.to_dict(as_series=False) == {"n": [1, 2, 3], "word": ["x", "y", None]}
    options = {"parameters": [1]}
    got = pl.read_database("select n from my_frame where n > ?", connection, execute_options=options)
    assert got["n"].to_list() == [2, 3]
    assert got.schema == {"n": pl.Int32}
    pl.DataFrame({"a": [1, 2]}).write_database("written", connection)
    assert peer.get("written").to_pydict() == {"a": [1, 2]}


def test_a_handle_too_large_to_send_is_refused_when_it_is_made(connection: dbapi.Connection) -> None:
    rows = pa.record_batch([pa.array(["x" * 1000] * 6000)], ["0"])
    with pytest.raises(dbapi.Error, match="bind fewer rows"):
        ask(connection, "select $1", rows)
    assert ask(connection, "select 1 as one").to_pydict() == {"one": [1]}


def test_limits_hold_here_too(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--query-seconds", "1")
    endless = "select count(*) from range(100000000) a, range(100000000) b where a.value + b.value < 0"
    with flight_sql.connect(server.address, autocommit=True) as connection:
        with pytest.raises(dbapi.Error, match="query"):
            ask(connection, endless)
        assert ask(connection, "select 1 as one").num_rows == 1
