"""TLS and tokens, as Python clients bring them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_manager import dbapi
from shoots import ShootsClient

from authority import Authority
from conftest import StartServer
from server_process import ServerProcess, run

SECRET = "a secret for tests that is long enough"
NUMBERS = pa.table({"n": [1, 2, 3]})
ROOT_CERTIFICATES = adbc_driver_flightsql.DatabaseOptions.TLS_ROOT_CERTS.value
AUTHORIZATION = adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value


def token(*flags: str, secret: str = SECRET) -> str:
    done = run("token", *flags, settings={"SHOOTS_SECRET": secret})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(start_server: StartServer, authority: Authority, tmp_path: Path) -> ServerProcess:
    """An encrypted server that wants tokens, with the frame `a` in the buckets `one` and `two`."""
    certificate, key = authority.sign(tmp_path)
    flags = ["--cert-file", str(certificate), "--key-file", str(key)]
    server = start_server(*flags, settings={"SHOOTS_SECRET": SECRET})
    assert server.address.startswith("grpc+tls://")
    with connect(server, authority) as client:
        for bucket in ["one", "two"]:
            put(client, bearer(token("--admin")), name="a", bucket=bucket)
    return server


def connect(server: ServerProcess, authority: Authority) -> fl.FlightClient:
    return fl.FlightClient(server.address, tls_root_certs=authority.certificate)


def bearer(token: str) -> fl.FlightCallOptions:
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])


def put(client: fl.FlightClient, options: fl.FlightCallOptions, **command: str) -> None:
    descriptor = fl.FlightDescriptor.for_command(json.dumps(command))
    writer, reader = client.do_put(descriptor, NUMBERS.schema, options)
    with writer:
        writer.write_table(NUMBERS)
        writer.done_writing()
        reader.read()


def get(client: fl.FlightClient, options: fl.FlightCallOptions, **ticket: str) -> pa.Table:
    return client.do_get(fl.Ticket(json.dumps(ticket)), options).read_all()


def older(server: ServerProcess, authority: Authority, token: str | None) -> ShootsClient:
    certificate = authority.certificate.decode()
    return ShootsClient(server.host, server.port, True, certificate, token)


def test_the_older_client_shows_its_token_and_works(server: ServerProcess, authority: Authority) -> None:
    client = older(server, authority, token("--admin"))
    frame = pd.DataFrame({"n": [1, 2]})
    client.put("b", frame, bucket="one")
    assert client.get("b", bucket="one").equals(frame)
    assert sorted(client.buckets()) == ["one", "two"]
    client.delete("b", bucket="one")
    assert [listed["name"] for listed in client.list("one")] == ["a"]
    client.client.close()


def test_the_older_client_tells_a_forged_token_from_one_of_another_kind(
    server: ServerProcess, authority: Authority
) -> None:
    with pytest.raises(fl.FlightServerError, match="InvalidSignatureError"):
        older(server, authority, token("--admin", secret="another secret"))
    with pytest.raises(fl.FlightUnauthenticatedError):
        older(server, authority, "nonsense")
    client = older(server, authority, None)
    with pytest.raises(fl.FlightUnauthenticatedError, match="needs a token"):
        next(client.client.list_flights())
    client.client.close()


class Handler(fl.ClientAuthHandler):  # type: ignore[misc]
    """What the newer client does: shows the token, and sends what comes back with every call."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.shown = token.encode()
        self.token = b""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        outgoing.write(self.shown)
        self.token = incoming.read()

    def get_token(self) -> bytes:
        return self.token


def test_a_handshake_and_its_header_let_a_caller_in(server: ServerProcess, authority: Authority) -> None:
    with connect(server, authority) as client:
        client.authenticate(Handler(token("--read", "one")))
        nothing = fl.FlightCallOptions()
        assert get(client, nothing, name="a", bucket="one").num_rows == 3
        with pytest.raises(fl.FlightUnauthorizedError, match="bucket two"):
            get(client, nothing, name="a", bucket="two")
        with pytest.raises(fl.FlightUnauthorizedError, match="write grant"):
            put(client, nothing, name="b", bucket="one")
        paths = [info.descriptor.path for info in client.list_flights()]
        assert paths == [[b"a", b"one"]]


def test_a_name_and_a_password_do_too(server: ServerProcess, authority: Authority) -> None:
    with connect(server, authority) as client:
        good = token("--write", "one")
        header = client.authenticate_basic_token("anybody", good)
        assert header == (b"authorization", f"Bearer {good}".encode())
        options = fl.FlightCallOptions(headers=[header])
        put(client, options, name="b", bucket="one")
        assert get(client, options, name="b", bucket="one").equals(NUMBERS)
        for bad in ["nonsense", token("--admin", secret="another secret")]:
            with pytest.raises(fl.FlightUnauthenticatedError):
                client.authenticate_basic_token("anybody", bad)
            with pytest.raises(fl.FlightUnauthenticatedError):
                get(client, bearer(bad), name="a", bucket="one")


def test_a_server_of_another_authority_is_not_trusted(server: ServerProcess) -> None:
    with connect(server, Authority()) as client, pytest.raises(fl.FlightUnavailableError):
        get(client, bearer(token("--admin")), name="a", bucket="one")


@pytest.fixture
def database(server: ServerProcess, authority: Authority) -> Iterator[dbapi.Connection]:
    """A connection of ADBC that may read bucket `one` and write to bucket `mine`."""
    options = {
        ROOT_CERTIFICATES: authority.certificate.decode(),
        AUTHORIZATION: f"Bearer {token('--read', 'one', '--write', 'mine', '--subject', 'ada')}",
    }
    with flight_sql.connect(server.address, db_kwargs=options, autocommit=True) as connection:
        yield connection


def test_adbc_sees_and_does_what_its_token_allows(database: dbapi.Connection) -> None:
    cursor = database.cursor()
    cursor.execute("select n from one.a order by n")
    assert cursor.fetchall() == [(1,), (2,), (3,)]
    cursor.execute("select n from one.a where n > ?", [2])
    assert cursor.fetchall() == [(3,)]
    for sql in ["select * from two.a", 'select * from "".a', "select * from history('two.a')"]:
        with pytest.raises(dbapi.Error, match="may not read"):
            cursor.execute(sql)
    catalog = database.adbc_get_objects(depth="tables").read_all().to_pylist()
    schemas = [schema["db_schema_name"] for schema in catalog[0]["catalog_db_schemas"]]
    assert schemas == ["one"]
    cursor.adbc_ingest("b", NUMBERS, mode="create", db_schema_name="mine")
    cursor.execute("select count(*), max(author) from history('mine.b')")
    assert cursor.fetchone() == (1, "ada")
    with pytest.raises(dbapi.Error, match="may not write to bucket one"):
        cursor.adbc_ingest("b", NUMBERS, mode="create", db_schema_name="one")
    cursor.close()


def test_adbc_takes_a_token_for_a_password(server: ServerProcess, authority: Authority) -> None:
    options = {ROOT_CERTIFICATES: authority.certificate.decode(), "username": "ada"}
    options["password"] = token("--read", "one")
    with (
        flight_sql.connect(server.address, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from one.a")
        assert cursor.fetchone() == (3,)
