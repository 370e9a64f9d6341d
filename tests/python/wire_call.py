"""Calls on the wire as a page writes them, `DoGet {…}` or `DoAction tag {…}`, and their answers as text."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.flight as fl

from flight_peer import OPTIONS, Peer
from page import json_fits, line_fits

DATA = Path(__file__).parent.parent / "data"


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """The calls of a block, each with the answers that are shown."""
    for part in re.split(r"^> ", text, flags=re.MULTILINE):
        if part:
            call, *answers = re.split(r"^< ", part, flags=re.MULTILINE)
            yield call.rstrip("\n"), [answer.rstrip("\n") for answer in answers]


def wire_fits(shown: list[str], said: list[str]) -> bool:
    """Whether answers are those that are shown; `…` alone stands for any number of them."""
    if shown and shown[0] == "…":
        shown, said = shown[1:], said[len(said) - len(shown) + 1 :]
    return len(shown) == len(said) and all(map(answer_fits, shown, said))


def answer_fits(shown: str, said: str) -> bool:
    (kind, expected), (said_kind, got) = split_json(shown), split_json(said)
    return line_fits(kind, said_kind) and json_fits(expected, got)


def split_json(answer: str) -> tuple[str, Any]:
    """An answer as the text before its JSON, and that JSON."""
    at = re.search(r"(?:^| )(?=[{\[])", answer)
    return (answer, None) if at is None else (answer[: at.start()], json.loads(answer[at.end() :]))


def exchange(peer: Peer, call: str) -> Iterator[str]:
    """Makes one call, `Name {…}` or `DoAction name {…}`, and gives its answers as text."""
    parsed = re.fullmatch(r"(\w+)(?: ([a-z_]+))?(?: ([{\[].*?[}\]]))?(?: \+ (\d+) rows)?", call, re.DOTALL)
    assert parsed is not None, call
    name, action, body, rows = parsed.groups()
    # One text, whatever lines the page breaks it into.
    body = json.dumps(json.loads(body)) if body else ""
    descriptor = fl.FlightDescriptor.for_path(*json.loads(body)) if body.startswith("[") else None
    try:
        match name:
            case "DoPut":
                table = weather()[: int(rows)] if rows else weather()
                answer = peer.put_batches(json.loads(body), table.schema, table.to_batches())
                yield json.dumps(answer)
            case "DoGet":
                yield described(peer.get_ticket(body))
            case "DoAction":
                for result in peer.client.do_action(fl.Action(action, body.encode()), OPTIONS):
                    yield result.body.to_pybytes().decode()
            case "ListFlights":
                for info in peer.client.list_flights(body.encode(), OPTIONS):
                    path = json.dumps([part.decode() for part in info.descriptor.path])
                    yield f"{path}"
            case "GetSchema":
                schema = peer.client.get_schema(descriptor or fl.FlightDescriptor.for_command(body), OPTIONS)
                yield ", ".join(schema.schema.names)
            case "GetFlightInfo":
                info = peer.client.get_flight_info(
                    descriptor or fl.FlightDescriptor.for_command(body), OPTIONS
                )
                yield f"{info.total_records} rows {info.app_metadata.decode()}"
            case _:
                raise AssertionError(call)
    except fl.FlightServerError as error:
        yield f"error {error.extra_info.decode()}"


def described(table: pa.Table) -> str:
    return f"{table.num_rows} rows of {', '.join(table.column_names)}"


def weather() -> pa.Table:
    """The weather of three months, hour by hour, with what a put is about."""
    options = pyarrow.csv.ConvertOptions(
        include_columns=["time_hour", "origin", "temp", "wind_speed", "precip"],
        column_types={"time_hour": pa.timestamp("ns", "UTC")},
        null_values=["NA"],
    )
    return pyarrow.csv.read_csv(DATA / "weather.csv", convert_options=options)
