"""Resampling by time, compared with pandas bin by bin over drawn cases, and what is refused."""

import os
import warnings
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from conftest import StartServer
from flight_peer import Peer, refused
from resample_oracle import Case, difference, draw, table_of
from server_process import ServerProcess

CASES = int(os.environ.get("SHOOTS_RESAMPLE_CASES", "300"))
FIRST = int(os.environ.get("SHOOTS_RESAMPLE_SEED", "0"))


def put(peer: Peer, case: Case) -> None:
    table = table_of(case)
    fields = {"index": ["t"]} if case.indexed else {}
    rows = -(-table.num_rows // case.puts)
    for start in range(0, table.num_rows, rows):
        mode = "append" if start else "replace"
        peer.put("drawn", table.slice(start, rows), mode=mode, **(fields if not start else {}))


def as_sql(case: Case) -> str:
    """The same as a call in a query."""

    def constant(value: object) -> str:
        if isinstance(value, str):
            return "'" + value + "'"
        if isinstance(value, list):
            return "[" + ", ".join(constant(one) for one in value) + "]"
        return str(value).lower()

    functions = case.functions
    if isinstance(functions, dict):
        functions = [[column, *([given] if isinstance(given, str) else given)] for column, given in functions.items()]
    options = "".join(f", {key} => {constant(value)}" for key, value in case.options.items())
    call = f"resample('drawn', '{case.rule}', {constant(functions)}, time_col => 't'{options})"
    return f"select * from {call}"


def resampled(peer: Peer, case: Case) -> pa.Table:
    lists = isinstance(case.functions, dict) and any(
        isinstance(given, list) and len(given) == 1 for given in case.functions.values()
    )
    if case.seed % 3 == 0 and not lists:
        return peer.sql("drawn", as_sql(case))
    return peer.get("drawn", resample=case.request)


def test_drawn_cases_are_as_pandas_has_them(peer: Peer) -> None:
    impossible = 0
    failures: list[str] = []
    for seed in range(FIRST, FIRST + CASES):
        case = draw(seed)
        put(peer, case)
        got = resampled(peer, case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = difference(case, got)
            except (ValueError, OverflowError) as error:
                # Midnights that do not exist or exist twice: pandas gives up on some, the server on none.
                if "DST" not in str(error) and "mbiguous" not in str(error) and "nonexistent" not in str(error):
                    raise
                impossible += 1
                continue
        if found is not None:
            failures.append(f"{found}\n{case}")
    print(f"{CASES} cases, {impossible} of which pandas cannot do, {len(failures)} differences")
    assert not failures, f"{len(failures)} differences, the first:\n" + "\n\n".join(failures[:5])
    assert impossible < CASES / 20
