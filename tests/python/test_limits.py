"""What is too large, or too much at once, as pyarrow sees it: the setting is named, the server goes on."""

import pyarrow as pa
import pyarrow.flight as fl

from conftest import StartServer
from flight_peer import OPTIONS, Peer, refused

ROWS = 1_000_000


def test_a_compressed_batch_is_measured_by_what_it_becomes(start_server: StartServer) -> None:
    server = start_server("--max-batch-bytes", "1000000")
    table = pa.table({"n": pa.array([0] * ROWS, pa.int64())})
    descriptor = fl.FlightDescriptor.for_command('{"name": "a"}')
    for codec in ["lz4", "zstd"]:
        write = pa.ipc.IpcWriteOptions(compression=codec)
        options = fl.FlightCallOptions(timeout=60, write_options=write)
        with Peer(server.address) as peer:
            writer, _ = peer.client.do_put(descriptor, table.schema, options)
            with refused("LimitError", "max_batch_bytes is 1000000", f"{8 * ROWS} bytes"):
                writer.write_table(table)
                writer.close()
            small = table.slice(0, 100_000)
            name = f"small {codec}"
            command = fl.FlightDescriptor.for_command(f'{{"name": "{name}"}}')
            writer, _ = peer.client.do_put(command, table.schema, options)
            writer.write_table(small)
            writer.close()
            assert peer.get(name) == small


def test_a_message_beyond_the_limit_names_the_setting(start_server: StartServer) -> None:
    server = start_server("--max-message-bytes", "100000")
    table = pa.table({"n": pa.array(range(ROWS), pa.int64())})
    with Peer(server.address) as peer:
        with refused("LimitError", "max_message_bytes is 100000"):
            peer.put("a", table)
        with refused("LimitError", "max_message_bytes is 100000"):
            peer.get("x" * 200_000)
        with refused("LimitError", "max_message_bytes is 100000"):
            list(peer.client.do_action(fl.Action("describe", b"x" * 200_000), OPTIONS))
        assert peer.put("a", table.slice(0, 1000))["rows"] == 1000


def test_a_connection_beyond_the_limit_is_told_so(start_server: StartServer) -> None:
    server = start_server("--max-connections", "1")
    with Peer(server.address) as first:
        assert first.put("a", pa.table({"n": [1]}))["rows"] == 1
        # Without an option of its own a client of this process shares the connection of the first.
        own = [("grpc.use_local_subchannel_pool", 1)]
        second = fl.connect(server.address, generic_options=own)
        with second, refused("LimitError", "max_connections is 1"):
            list(second.do_action(fl.Action("ping", b""), OPTIONS))
        assert first.get("a").num_rows == 1
