"""Addresses, errors, time limits, and calls that are made again."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from relay import Relay

from server_process import SECONDS, ServerProcess
from shoots_client import (
    CallTimeoutError,
    InvalidRequestError,
    NotFoundError,
    PutMode,
    SchemaError,
    ShootsClient,
    ShootsError,
    UnavailableError,
)

TABLE = pa.table({"a": [1, 2, 3]})


def through(relay: Relay, **settings: object) -> ShootsClient:
    return ShootsClient("127.0.0.1", relay.port, **{"timeout": SECONDS, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost:8081", "the scheme http:// is not known"),
        ("localhost", "no scheme"),
        ("grpc://user:secret@localhost", "credentials"),
        ("grpc://localhost:8081/frames", "must end after the port"),
        ("grpc://localhost:99999", "1 to 65535"),
        ("grpc://", "host must be"),
    ],
)
def test_urls_that_lead_nowhere_are_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        ShootsClient.from_url(url)
    assert "secret" not in str(refused.value)


def test_settings_that_do_not_go_together_are_refused() -> None:
    for settings, problem in [
        ({"port": 0}, "port must be"),
        ({"host": "grpc://localhost", "port": 1}, "give it to ShootsClient.from_url"),
        ({"port": 1, "timeout": 0}, "timeout must be more than 0"),
        ({"port": 1, "retries": -1}, "retries must be 0 or more"),
        ({"port": 1, "tls": True, "client_cert": "-----BEGIN "}, "go together"),
        ({"port": 1, "tls": True, "root_cert": "/etc/ca.pem"}, "must be PEM"),
    ]:
        with pytest.raises(ValueError, match=problem):
            ShootsClient(**({"host": "localhost"} | settings))  # type: ignore[operator]


def test_a_token_that_no_header_can_hold_is_refused_and_not_told() -> None:
    with pytest.raises(ValueError, match="the end of a line") as refused:
        ShootsClient("localhost", 1, token="secret\n", allow_insecure_token=True)
    assert "secret" not in str(refused.value)


def test_a_client_tells_where_it_leads_and_never_its_token() -> None:
    with ShootsClient("::1", 8081, tls=True, token="hunter2", timeout=5) as client:
        assert repr(client) == "ShootsClient.from_url('grpc+tls://[::1]:8081', token='…', timeout=5)"


def test_certificates_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(ValueError, match="root_cert must be PEM"):
        ShootsClient("localhost", 8081, tls=True, root_cert=path)
    with pytest.raises(FileNotFoundError):
        ShootsClient("localhost", 8081, tls=True, root_cert=tmp_path / "absent.pem")


def test_nobody_at_the_address_is_a_connection_error_that_says_so() -> None:
    with ShootsClient("127.0.0.1", 9, retries=0) as client, pytest.raises(ConnectionError, match=r"no server answers"):
        client.ping()


def test_errors_are_of_the_kind_that_the_server_tells(client: ShootsClient) -> None:
    client.put("frame", TABLE)
    with pytest.raises(NotFoundError, match="absent"):
        client.describe("absent")
    with pytest.raises(InvalidRequestError, match="nane"):
        client.get("frame", columns=["nane"])
    with pytest.raises(SchemaError, match="a"):
        client.put("frame", pa.table({"a": ["x"]}), PutMode.APPEND)
    for error in (NotFoundError, InvalidRequestError, SchemaError):
        assert issubclass(error, ShootsError)


def test_values_that_cannot_be_sent_are_refused_before_anything_is(client: ShootsClient) -> None:
    client.put("frame", TABLE)
    with pytest.raises(ValueError, match="finite"):
        client.get("frame", sql="select $1", parameters=[float("nan")])
    with pytest.raises(TypeError, match="cannot be sent"):
        client.get("frame", start=object())
    with pytest.raises(TypeError, match="give a list"):
        client.sql("select $1", parameters="x")
    with pytest.raises(ValueError, match="as_ must be"):
        client.get("frame", as_="numpy")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="batch_size must be a whole number of rows, 1 or more"):
        client.put("frame", TABLE, "append", batch_size=0)
    with pytest.raises(ValueError, match="not a valid PutMode; use error, append, replace, update, upsert"):
        client.put("frame", TABLE, "neither")
    for unfit in (0, -1, float("nan"), "5"):
        with pytest.raises(InvalidRequestError, match="timeout must be more than 0 seconds"):
            client.get("frame", timeout=unfit)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="name is missing"):
        client.put(None, TABLE)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="metadata cannot be sent as JSON"):
        client.put("other", TABLE, metadata={"limit": float("inf")})
    with pytest.raises(TypeError, match="metadata must be a dictionary"):
        client.put("other", TABLE, metadata="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="5 is no name, and no list of names"):
        client.put("other", TABLE, index=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="frames must be a dictionary"):
        client.put_many([TABLE])  # type: ignore[arg-type]
    assert list(client.get_many("frame")) == ["frame"]
    assert not client.exists("other")
    with pytest.raises(TypeError, match="does not take nane"):
        client.pull("origin", nane="x")  # type: ignore[call-arg]


def test_a_call_ends_after_its_time(server: ServerProcess) -> None:
    with Relay(server) as relay, through(relay) as client:
        client.put("frame", TABLE)
        relay.swallow_answers()
        with pytest.raises(TimeoutError, match="did not answer in time"):
            client.get("frame", timeout=0.3)
        assert issubclass(CallTimeoutError, TimeoutError)


def test_reads_are_made_again_when_nobody_answers(server: ServerProcess, client: ShootsClient) -> None:
    client.put("frame", TABLE)
    with Relay(server) as relay:
        relay.refuse(1)
        with through(relay, retries=10) as patient:
            assert patient.get("frame", as_="arrow").equals(TABLE)
        assert relay.refused == 1
    with Relay(server) as relay:
        relay.refuse(1000)
        with through(relay, retries=0) as impatient, pytest.raises(UnavailableError):
            impatient.get("frame")


def test_a_stream_that_breaks_is_read_once_more(server: ServerProcess, client: ShootsClient) -> None:
    rows = pa.table({"a": range(500_000)})
    client.put("frame", rows)
    with Relay(server) as relay, through(relay, retries=5) as patient:
        assert patient.ping() == "pong"
        before = relay.received
        got: list[pa.Table] = []
        get = threading.Thread(target=lambda: got.append(patient.get("frame", as_="arrow")))
        relay.stop_after(1_000_000)
        get.start()
        deadline = time.monotonic() + SECONDS
        while relay.received < before + 1_000_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        relay.cut()
        get.join(SECONDS)
    assert got[0].equals(rows)


def test_changes_without_a_name_are_made_once_only(server: ServerProcess, client: ShootsClient) -> None:
    client.put("frame", TABLE)
    with Relay(server) as relay:
        relay.refuse(1)
        with through(relay, retries=5) as patient, pytest.raises(UnavailableError):
            patient.tag("frame", "here")


def test_a_put_whose_answer_got_lost_is_sent_again_and_applied_once(
    server: ServerProcess, client: ShootsClient
) -> None:
    client.put("frame", TABLE)
    with Relay(server) as relay, through(relay, retries=5) as patient:
        assert patient.ping() == "pong"
        relay.swallow_answers()
        answers: list[int] = []
        put = threading.Thread(target=lambda: answers.append(patient.put("frame", TABLE, "append")["version"]))
        put.start()
        deadline = time.monotonic() + SECONDS
        while client.describe("frame")["rows"] == 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        relay.cut()
        put.join(SECONDS)
    assert answers == [2]
    assert client.describe("frame")["rows"] == 6
    assert len(client.log("frame")) == 2


def test_a_named_change_is_done_once_however_often_it_is_asked(client: ShootsClient) -> None:
    client.put("frame", TABLE)
    first = client.put("frame", TABLE, "append", request_id="once")
    assert client.put("frame", TABLE, "append", request_id="once")["version"] == first["version"]
    assert client.describe("frame")["rows"] == 6


def test_threads_share_a_client(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    with ShootsClient(server.host, server.port, timeout=SECONDS) as client:
        frames = {f"frame {n}": pd.DataFrame({"n": range(n, n + 100)}) for n in range(12)}
        client.put_many(frames, at_once=6)
        got = client.get_many(list(frames), at_once=6)
    assert {name: frame["n"].tolist() for name, frame in got.items()} == {n: f["n"].tolist() for n, f in frames.items()}


def test_a_client_that_is_closed_says_so(server: ServerProcess) -> None:
    client = ShootsClient(server.host, server.port)
    client.close()
    client.close()
    for call in (
        client.ping,
        client.list,
        lambda: client.get("frame"),
        lambda: client.put("frame", pa.table({"a": [1]})),
    ):
        with pytest.raises(InvalidRequestError, match=r"this client of grpc://.* is closed; make another one"):
            call()


FORKED = """
import os, sys
from shoots_client import ShootsClient

def in_child(call):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)

host, port = sys.argv[1], int(sys.argv[2])
client = ShootsClient(host, port)
client.ping()
in_child(client.ping)
in_child(lambda: ShootsClient(host, port).ping())
print(client.ping())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_a_forked_process_is_told_that_its_connection_does_not_work_and_does_not_wait_for_ever(
    server: ServerProcess,
) -> None:
    command = [sys.executable, "-c", FORKED, server.host, str(server.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    *refused, answer = ended.stdout.splitlines()
    assert answer == "pong"
    assert len(refused) == 2
    for line in refused:
        assert line.startswith("InvalidRequestError this process was forked from one with a connection to grpc://")
        assert 'multiprocessing.get_context("spawn")' in line


def test_a_url_of_another_scheme_is_told_those_that_are_known() -> None:
    with pytest.raises(
        ValueError, match=r"the scheme http:// is not known; use grpc://host:port or grpc.tls://host:port"
    ):
        ShootsClient.from_url("http://frames.example")
    with pytest.raises(ValueError, match="the URL has no scheme"):
        ShootsClient.from_url("frames.example")
