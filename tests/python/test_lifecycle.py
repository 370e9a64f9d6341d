"""The server as a program: its settings, its one line of output, its log, and its orderly end."""

import json
import signal
import socket
import threading
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

import server_process
from conftest import StartServer
from flight_peer import OPTIONS, Peer, refused
from sample_columns import assert_same
from server_process import ServerProcess

TABLE = pa.table({"number": [1, 2]})
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def printed(*flags: str, settings: dict[str, str] | None = None) -> dict[str, object]:
    """The settings that these flags and this environment result in."""
    done = server_process.run(*flags, "--print-config", settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    return tomllib.loads(done.stdout)


def test_a_log_that_cannot_be_written_costs_its_lines_and_nothing_else(tmp_path: Path) -> None:
    for form in ("text", "json"):
        server = ServerProcess.start(tmp_path / "buckets", "--log-format", form, log=Path("/dev/full"))
        with Peer(server.address) as peer:
            for _ in range(20):
                peer.put(form, TABLE, mode="append")
            assert peer.get(form).num_rows == 40
        assert server.stop() == 0


def test_one_line_says_where_the_server_listens(server: ServerProcess) -> None:
    assert server.ready_line == f"shoots-server listening on grpc://127.0.0.1:{server.port}\n"
    with Peer(server.address) as peer:
        peer.put("frame", TABLE)
    with Peer(f"grpc://localhost:{server.port}") as peer:
        assert_same(peer.get("frame"), TABLE)
    server.signal(signal.SIGTERM)
    assert server.remaining_output() == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_server_with_success(server: ServerProcess, number: signal.Signals) -> None:
    with Peer(server.address) as peer:
        peer.put("frame", TABLE)
        server.signal(number)
        assert server.wait() == 0
    assert number.name in server.log()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_put_that_is_under_way_is_finished_before_the_end(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server()
    with Peer(server.address) as peer:
        command = fl.FlightDescriptor.for_command(b'{"name":"frame"}')
        writer, reader = peer.client.do_put(command, TABLE.schema, OPTIONS)
        writer.write_table(TABLE)
        server.signal(number)
        server.wait_for_log("stopping")
        assert server.is_running()
        writer.write_table(TABLE)
        writer.done_writing()
        assert json.loads(reader.read().to_pybytes())["rows"] == 4
        writer.close()
    assert server.wait() == 0
    with Peer(start_server().address) as peer:
        assert_same(peer.get("frame"), pa.concat_tables([TABLE, TABLE]))


def test_calls_that_outlast_the_grace_period_are_ended(start_server: StartServer) -> None:
    server = start_server("--shutdown-grace-seconds", "0")
    with Peer(server.address) as peer:
        command = fl.FlightDescriptor.for_command(b'{"name":"frame"}')
        writer, reader = peer.client.do_put(command, TABLE.schema, OPTIONS)
        writer.write_table(TABLE)
        server.signal(signal.SIGTERM)
        assert reader.read() is None
        with pytest.raises(fl.FlightUnavailableError):
            writer.close()
    assert server.wait() == 0
    with Peer(start_server().address) as peer:
        assert peer.listing() == []


def test_no_calls_are_accepted_once_the_server_stops(server: ServerProcess) -> None:
    with Peer(server.address) as peer:
        command = fl.FlightDescriptor.for_command(b'{"name":"frame"}')
        writer, _ = peer.client.do_put(command, TABLE.schema, OPTIONS)
        writer.write_table(TABLE)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        with pytest.raises(fl.FlightUnavailableError), Peer(server.address) as late:
            late.get("frame")
        writer.close()
    assert server.wait() == 0


def test_many_callers_may_ask_for_the_shutdown(server: ServerProcess) -> None:
    def ask() -> None:
        with Peer(server.address) as peer:
            try:
                peer.act("shutdown", {})
            except fl.FlightUnavailableError:
                return

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.wait() == 0


def test_a_taken_port_is_one_clear_line_and_a_failure(bucket_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = server_process.run("--host", "127.0.0.1", "--port", port, "--bucket-dir", str(bucket_dir))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_an_unusable_directory_is_one_clear_line_and_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in [tmp_path / "file", tmp_path / "file" / "buckets"]:
        done = server_process.run("--port", "0", "--log-level", "warn", "--bucket-dir", str(place))
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert str(place) in done.stderr


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "shoots.toml"
    file.write_text('host = "file"\nport = 1\nbucket_dir = "file"\nlog_level = "warn"\n')
    settings = {"SHOOTS_PORT": "2", "SHOOTS_BUCKET_DIR": "environment"}
    defaults = printed()
    assert (defaults["host"], defaults["port"]) == ("localhost", 8081)
    assert defaults["bucket_dir"] == "./buckets"
    result = printed("--config", str(file), "--bucket-dir", "flag", settings=settings)
    expected = {"host": "file", "port": 2, "bucket_dir": "flag", "log_level": "warn"}
    assert result == defaults | expected
    assert printed(settings={"SHOOTS_CONFIG": str(file)})["port"] == 1
    assert printed("--host", "flag", settings={"SHOOTS_HOST": "environment"})["host"] == "flag"


def test_printed_settings_can_be_used_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "shoots.toml"
    done = server_process.run("--print-config", "--bucket-dir", 'a "b"', "--read-only")
    file.write_text(done.stdout)
    again = server_process.run("--print-config", "--config", str(file))
    assert again.stdout == done.stdout
    assert tomllib.loads(done.stdout)["read_only"] is True


def test_flags_may_have_underscores_as_the_older_servers_do(tmp_path: Path) -> None:
    place = str(tmp_path / "here")
    assert printed("--bucket_dir", place, "--log_format=json", "--read_only") == printed(
        "--bucket-dir", place, "--log-format", "json", "--read-only"
    )


def test_mistakes_in_settings_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "shoots.toml"
    for text, fragment in [("prot = 8081\n", "prot"), ('port = "x"\n', "port"), ("port = \n", "1")]:
        file.write_text(text)
        done = server_process.run("--config", str(file))
        assert done.returncode != 0
        assert done.stdout == ""
        assert str(file) in done.stderr
        assert fragment in done.stderr
    for flags, settings, fragment in [
        (["--prot", "1"], {}, "--prot"),
        (["--port", "65536"], {}, "--port"),
        (["--log-format", "xml"], {}, "xml"),
        (["--config", str(tmp_path / "absent.toml")], {}, "absent.toml"),
        ([], {"SHOOTS_PORT": "many"}, "SHOOTS_PORT"),
    ]:
        done = server_process.run(*flags, settings=settings)
        assert done.returncode != 0
        assert fragment in done.stderr


def test_help_and_version_are_printed() -> None:
    done = server_process.run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("shoots-server 0.")
    done = server_process.run("--help")
    assert done.returncode == 0
    for flag in ["--host", "--port", "--bucket-dir", "--config", "--read-only", "SHOOTS_PORT"]:
        assert flag in done.stdout


def test_a_server_for_reading_only_refuses_changes(start_server: StartServer) -> None:
    with Peer(start_server().address) as peer:
        peer.put("frame", TABLE, bucket="bucket")
    with Peer(start_server("--read-only").address) as peer:
        assert_same(peer.get("frame", bucket="bucket"), TABLE)
        assert peer.paths() == [["frame", "bucket"]]
        with refused("ReadOnlyError"):
            peer.put("other", TABLE)
        with refused("ReadOnlyError"):
            peer.put("frame", TABLE, bucket="bucket", mode="append")
        with refused("ReadOnlyError"):
            peer.delete("frame", "bucket")
        with refused("ReadOnlyError"):
            peer.act("delete_bucket", {"name": "bucket", "mode": "delete"})
        assert_same(peer.get("frame", bucket="bucket"), TABLE)


def test_a_log_in_json_is_one_object_a_line(start_server: StartServer) -> None:
    server = start_server("--log-format", "json", "--log-level", "info")
    with Peer(server.address) as peer:
        peer.put('a "quoted"\u2028 name', TABLE)
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.log().split("\n") if line]
    assert all({"timestamp", "level"} <= line.keys() for line in lines)
    put = next(line for line in lines if line.get("span", {}).get("frame"))
    assert put["span"]["frame"] == 'a "quoted"\u2028 name'
    assert put["span"]["call"] == "DoPut"
    assert (put["fields"]["message"], put["fields"]["received_rows"]) == ("answered", 2)


def test_a_log_level_keeps_the_log_short(start_server: StartServer) -> None:
    server = start_server(settings={"SHOOTS_LOG_LEVEL": "warn"})
    with Peer(server.address) as peer:
        peer.put("frame", TABLE)
    assert server.stop() == 0
    assert server.log() == ""


def test_a_store_in_memory_needs_no_directory(tmp_path: Path) -> None:
    server = ServerProcess.start("memory://", log=tmp_path / "log")
    with Peer(server.address) as peer:
        peer.put("frame", TABLE)
        assert_same(peer.get("frame"), TABLE)
    assert server.stop() == 0
