"""What goes in over pyarrow comes out: every type, however the rows are cut, and all metadata."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from flight_peer import Peer, refused
from sample_columns import EVERYTHING, UNSUPPORTED, as_table, assert_same, categorical, comparable


def test_every_type_comes_back_as_it_was(peer: Peer) -> None:
    for name, make in EVERYTHING.items():
        put = as_table(make())
        result = peer.put(name, put)
        assert result["rows"] == put.num_rows, name
        assert_same(peer.get(name), put)
        assert peer.schema(name).equals(put.schema, check_metadata=True), name


def test_all_types_fit_into_one_frame(peer: Peer) -> None:
    columns = {name: make().take(pa.array([0, 1, 0, None])) for name, make in EVERYTHING.items()
               if name not in UNTAKEABLE}
    put = pa.table(columns)
    peer.put("wide", put)
    assert_same(peer.get("wide"), put)


# What pyarrow cannot take rows from.
UNTAKEABLE = {"no categories", "list_view", "large_list_view"}


@pytest.mark.parametrize("make", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_slices_hold_their_rows_and_no_others(peer: Peer, make: Callable[[], pa.Array]) -> None:
    whole = as_table(make())
    last = whole.num_rows - 1
    peer.put("slice", whole.slice(last, 1))
    peer.put("slice", whole.slice(0, last), mode="append")
    assert_same(peer.get("slice"), pa.concat_tables([whole.slice(last, 1), whole.slice(0, last)]))
