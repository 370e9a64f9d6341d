"""What pandas makes of a resampling, case by case, and cases drawn at random.

pandas is the oracle: every value comes from `Series.resample` or `groupby`. Where the server differs on
purpose (`docs/resampling.md` has the reasons), this computes what is promised instead, and says so there.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
ZONES = [
    None,
    None,
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]
#: Rules, about how many seconds each is, and what the server may be asked in place of it.
FIXED = {
    "1s": 1, "10s": 10, "7s": 7, "min": 60, "5min": 300, "17min": 1020, "h": 3600, "2h": 7200, "7h": 25200,
    "90min": 5400, "1h30min": 5400, "12h": 43200, "36h": 129600,
}  # fmt: skip
FINE = {"250ms": 0.25, "1500us": 0.0015, "100ns": 1e-7}
DAY = 86400
CALENDAR = {
    "D": DAY, "2D": 2 * DAY, "3D": 3 * DAY, "B": DAY, "W": 7 * DAY, "W-WED": 7 * DAY, "2W-FRI": 14 * DAY,
    "MS": 30 * DAY, "ME": 30 * DAY, "3ME": 91 * DAY, "2MS": 61 * DAY, "QS": 91 * DAY, "QE": 91 * DAY,
    "QE-JAN": 91 * DAY, "QS-FEB": 91 * DAY, "2QE": 182 * DAY, "YS": 365 * DAY, "YE": 365 * DAY,
    "YE-JUN": 365 * DAY, "YS-APR": 365 * DAY,
}  # fmt: skip
DAYS = ["D", "2D", "3D"]
OLDER = {
    "min": "T", "h": "H", "ME": "M", "QE": "Q", "YE": "A", "YE-JUN": "Y-JUN", "10s": "10S", "250ms": "250L",
    "5min": "5T", "QE-JAN": "Q-JAN",
}  # fmt: skip
#: Moments around which clocks are changed, months end, or a year begins.
AROUND = [
    "2024-03-31", "2024-10-27", "2024-11-03", "2018-11-04", "2018-02-18", "2024-02-29", "2023-12-31",
    "2024-04-07",
    "1969-12-31", "2011-04-02", "2024-06-15",
]  # fmt: skip
NUMBERS = [
    "mean",
    "sum",
    "min",
    "max",
    "count",
    "first",
    "last",
    "median",
    "std",
    "var",
    "sem",
    "prod",
    "nunique",
    "quantile",
]
PICKS = ["min", "max", "count", "first", "last", "nunique"]
COLUMNS = {
    "f64": [*NUMBERS, "ohlc"],
    "f32": NUMBERS,
    "i64": [*NUMBERS, "ohlc"],
    "i32": NUMBERS,
    "u8": NUMBERS,
    "bool": NUMBERS,
    "text": PICKS,
    "when": [*PICKS, "mean", "median"],
    "lapse": [*PICKS, "mean", "median", "sum"],
}
ZERO = {"count": 0, "nunique": 0, "sum": 0, "size": 0, "prod": 1}
OHLC = {"open": "first", "high": "max", "low": "min", "close": "last"}


@dataclass
class Case:
    """A frame, and how it is resampled."""

    seed: int
    frame: pd.DataFrame
    unit: str
    rule: str
    functions: Any
    indexed: bool
    puts: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        return {"rule": self.rule, "aggregation_func": self.functions, "time_col": "t", **self.options}

    @property
    def pandas_rule(self) -> str:
        spellings = {older: rule for rule, older in OLDER.items()}
        return spellings.get(self.rule, self.rule)

    def __str__(self) -> str:
        zone = self.frame["t"].dt.tz
        how = f"zone {zone}, unit {self.unit}, indexed {self.indexed}"
        return f"seed {self.seed}: {self.request}, {how}\n{self.frame}"


def draw(seed: int) -> Case:
    """The case of a seed."""
    rng = random.Random(seed)
    zone = rng.choice(ZONES)
    unit = rng.choice(["ns", "ns", "us", "ms", "s"])
    if rng.random() < 0.5:
        rule, seconds = draw_rule(rng, FIXED)
        if unit == "ns" and rng.random() < 0.2:
            rule, seconds = draw_rule(rng, FINE)
    else:
        rule, seconds = draw_rule(rng, CALENDAR)
    frame = draw_frame(rng, zone, unit, seconds)
    options: dict[str, Any] = {}
    if rng.random() < 0.3:
        options["closed"] = rng.choice(["left", "right"])
    if rng.random() < 0.3:
        options["label"] = rng.choice(["left", "right"])
    is_fixed = rule in FIXED or rule in FINE or (rule in DAYS and zone is None)
    if is_fixed and rng.random() < 0.4:
        origin = rng.choice(["epoch", "start", "start_day", "end", "end_day", "2000-01-01T00:00:07Z"])
        options["origin"] = origin
    # Counted from the end and moved, pandas' first bin can begin after the first time.
    from_end = options.get("origin") in ["end", "end_day"]
    if is_fixed and not from_end and rng.random() < 0.3 and rule not in FINE:
        options["offset"] = rng.choice(["3s", "15min", "2h", "-90s"])
    if rng.random() < 0.25:
        options["by"] = rng.choice([["symbol"], ["symbol", "side"]])
    functions = draw_functions(rng)
    if rng.random() < 0.4:
        options["fill"] = rng.choice(["null", "drop", "forward", "backward"])
        if isinstance(functions, dict) and set(functions) <= {"f64", "f32"} and rng.random() < 0.5:
            picks = {"mean", "sum", "min", "max", "first", "last", "median", "count"}
            functions = {"f64": [rng.choice(sorted(picks))]}
            options["fill"] = rng.choice(["linear", -1.5])
    if isinstance(functions, str):
        # A function of all columns goes with those that it can take.
        fitting = [column for column, known in COLUMNS.items() if functions in known]
        if functions != "size":
            options["columns"] = rng.sample(fitting, rng.randint(1, len(fitting)))
    indexed = rng.random() < 0.6
    puts = rng.choice([1, 1, 2, 3])
    rule = OLDER[rule] if rule in OLDER and rng.random() < 0.15 else rule
    return Case(seed, frame, unit, rule, functions, indexed, puts, options)


def draw_rule(rng: random.Random, rules: Mapping[str, float]) -> tuple[str, float]:
    return rng.choice(list(rules.items()))


def draw_functions(rng: random.Random) -> Any:
    form = rng.random()
    if form < 0.3:
        return rng.choice([*NUMBERS, "ohlc", "size"])
    columns = rng.sample(list(COLUMNS), rng.randint(1, 4))
    functions: dict[str, Any] = {}
    for column in columns:
        if rng.random() < 0.5:
            functions[column] = rng.choice(COLUMNS[column])
        else:
            known = COLUMNS[column]
            functions[column] = rng.sample(known, rng.randint(1, min(4, len(known))))
    return functions


def draw_frame(rng: random.Random, zone: str | None, unit: str, seconds: float) -> pd.DataFrame:
    rows = rng.choice([1, 2, 5, 20, 60, 200])
    factor = UNITS[unit]
    base = pd.Timestamp(rng.choice(AROUND)).value + int(rng.uniform(-0.5, 1.5) * DAY * 10**9)
    span = seconds * rng.choice([0.3, 2, 10, 40]) * 10**9
    moments = [base + int(rng.uniform(0, span)) for _ in range(rows)]
    # Not so far away that the bins between could not be counted.
    lengths = [length for length in [seconds, 60, 3600, DAY] if length <= 100 * seconds]
    snap = int(rng.choice(lengths) * 10**9)
    for at in range(rows):
        chance = rng.random()
        if chance < 0.15:
            moments[at] = moments[at] // snap * snap
        elif chance < 0.25:
            moments[at] = rng.choice(moments)
    if rng.random() < 0.3:
        # A gap.
        middle = base + int(span / 2)
        moments = [m if abs(m - middle) > span / 5 else base for m in moments]
    if rng.random() < 0.5:
        moments.sort()
    values = np.array([moment // factor for moment in moments], dtype="int64")
    times = pd.Series(values.view(f"datetime64[{unit}]"))
    if zone is not None:
        times = times.dt.tz_localize("UTC").dt.tz_convert(zone)
    missing = rng.choice([0.0, 0.1, 0.6])
    numbers = np.random.default_rng(rng.getrandbits(32))
    holes = numbers.random(rows) < missing

    def sparse(values: np.ndarray) -> np.ndarray:
        return np.where(numbers.random(rows) < missing, np.nan, values)

    floats = numbers.normal(0, rng.choice([1.0, 100.0]), rows).round(rng.choice([0, 3]))
    whens = numbers.integers(0, 10**18, rows).view("datetime64[ns]")
    lapses = numbers.integers(-(10**15), 10**15, rows).view("timedelta64[ns]")
    return pd.DataFrame(
        {
            "t": times,
            "symbol": [rng.choice(["a", "b", "c", None]) if rng.random() < 0.3 else "a" for _ in range(rows)],
            "side": numbers.integers(0, 2, rows),
            "f64": sparse(floats),
            "f32": sparse(floats).astype("float32"),
            "i64": numbers.integers(-50, 50, rows),
            "i32": numbers.integers(-50, 50, rows).astype("int32"),
            "u8": numbers.integers(0, 255, rows).astype("uint8"),
            "bool": numbers.random(rows) < 0.5,
            "text": [rng.choice(["x", "yy", "", "ß"]) if not hole else None for hole in holes],
            "when": pd.Series(whens).mask(pd.Series(holes)),
            "lapse": pd.Series(lapses).mask(pd.Series(holes)),
        }
    )


def outputs(case: Case) -> list[tuple[str, str | None, str]]:
    """Name, column and function of each result."""
    functions = case.functions
    if functions == "size":
        return [("size", None, "size")]
    if isinstance(functions, str):
        functions = dict.fromkeys(case.options["columns"], functions)
    found: list[tuple[str, str | None, str]] = []
    for column, given in functions.items():
        for function in [given] if isinstance(given, str) else given:
            if function == "ohlc":
                found.extend((f"{column}_{suffix}", column, pick) for suffix, pick in OHLC.items())
            else:
                found.append((column if isinstance(given, str) else f"{column}_{function}", column, function))
    return found


@dataclass
class Result:
    """The times of bins in the unit of the column, the values of `by`, and the results; missing is None."""

    times: list[int]
    keys: dict[str, list[Any]]
    columns: dict[str, list[Any]]


def expected(case: Case) -> Result:
    """What is promised. Raises what pandas raises where its zones are ambiguous."""
    frame = case.frame
    by = case.options.get("by", [])
    arguments = {key: case.options[key] for key in ["closed", "label", "offset"] if key in case.options}
    origin = case.options.get("origin", "start_day")
    if origin.startswith("2"):
        origin = pd.Timestamp(origin)
        origin = origin.tz_localize(None) if frame["t"].dt.tz is None else origin.tz_convert(frame["t"].dt.tz)
    if case.pandas_rule in FIXED or case.pandas_rule in FINE or case.pandas_rule in DAYS:
        arguments["origin"] = origin
    numbered = pd.Series(np.arange(len(frame)), index=pd.DatetimeIndex(frame["t"]))
    bins = numbered.resample(case.pandas_rule, **arguments).agg(list)
    labels = [int(label) for label in bins.index.as_unit(case.unit).asi8]
    rows_of_bin = list(bins)
    fill = case.options.get("fill", "null")
    entries: list[tuple[int, tuple[Any, ...], list[int]]] = []
    if not by:
        entries = [(at, (), rows) for at, rows in enumerate(rows_of_bin)]
    else:
        # All groups share the bins of the whole frame; pandas starts those of each group anew.
        groups: dict[tuple[Any, ...], dict[int, list[int]]] = {}
        for at, rows in enumerate(rows_of_bin):
            for row in rows:
                key = tuple(frame[column].iloc[row] for column in by)
                if not any(pd.isna(part) for part in key):
                    groups.setdefault(key, {}).setdefault(at, []).append(row)
        for key, filled in groups.items():
            entries.extend((at, key, filled.get(at, [])) for at in range(min(filled), max(filled) + 1))
    if fill == "drop":
        entries = [entry for entry in entries if entry[2]]
    columns: dict[str, list[Any]] = {}
    for name, column, function in outputs(case):
        series: dict[tuple[Any, ...], list[tuple[int, Any, bool]]] = {}
        for (at, key, rows), value in zip(
            entries, values(case, column, function, [e[2] for e in entries]), strict=True
        ):
            series.setdefault(key, []).append((at, value, bool(rows)))
        filled_values: dict[tuple[int, tuple[Any, ...]], Any] = {}
        for key, run in series.items():
            for (at, _, _), value in zip(run, fill_run(run, function, fill), strict=True):
                filled_values[at, key] = value
        columns[name] = [filled_values[at, key] for at, key, _ in sorted(entries, key=lambda e: (e[0], e[1]))]
    entries.sort(key=lambda entry: (entry[0], entry[1]))
    keys = {column: [entry[1][at] for entry in entries] for at, column in enumerate(by)}
    return Result([labels[entry[0]] for entry in entries], keys, columns)


def fill_run(run: list[tuple[int, Any, bool]], function: str, fill: Any) -> list[Any]:
    """The values of the bins of one group, with those without rows filled."""
    found = [value for _, value, _ in run]
    if function in ZERO:
        return found
    filled = [at for at, (_, _, has_rows) in enumerate(run) if has_rows]
    for at, (_, _, has_rows) in enumerate(run):
        if has_rows:
            continue
        before = max((other for other in filled if other < at), default=None)
        after = min((other for other in filled if other > at), default=None)
        if fill == "forward" and before is not None:
            found[at] = run[before][1]
        elif fill == "backward" and after is not None:
            found[at] = run[after][1]
        elif fill == "linear" and before is not None and after is not None:
            low, high = run[before][1], run[after][1]
            if low is not None and high is not None:
                found[at] = low + (high - low) * (at - before) / (after - before)
        elif isinstance(fill, float):
            found[at] = fill
    return found


def values(case: Case, column: str | None, function: str, rows: list[list[int]]) -> list[Any]:
    """A function of the rows of each entry; missing is None."""
    if column is None:
        return [len(of_bin) for of_bin in rows]
    if not rows:
        return []
    source = case.frame[column]
    if column in ["when", "lapse"] and function in ["mean", "median"]:
        # Exact; pandas goes by way of a 64-bit float.
        return [exact(source, of_bin, function) for of_bin in rows]
    flat = [row for of_bin in rows for row in of_bin]
    bins = [at for at, of_bin in enumerate(rows) for _ in of_bin]
    # Rows of a bin stand in order of time, as a resampler sorts them.
    order = case.frame["t"].iloc[flat].reset_index(drop=True).sort_values(kind="stable").index
    taken = source.iloc[flat].reset_index(drop=True).iloc[order]
    if column == "f32" and function == "prod":
        # Multiplied with 64 bits; pandas does it with 32, and overflows on the way.
        return [
            1.0 if not of_bin else float(np.float32(np.prod(source.iloc[of_bin].dropna().astype("float64"))))
            for of_bin in rows
        ]
    if column == "bool" and function in ["mean", "median", "std", "var", "sem", "quantile"]:
        taken = taken.astype("float64")
    grouped = taken.groupby(np.array(bins, dtype="int64")[order])
    made = grouped.agg(function) if function != "quantile" else grouped.quantile(0.5)
    made = made.reindex(range(len(rows)))
    empty = ZERO.get(function)
    return [
        (pd.Timedelta(0) if column == "lapse" and function == "sum" else empty)
        if not of_bin
        else None
        if pd.isna(value)
        else value
        for value, of_bin in zip(made, rows, strict=True)
    ]


def exact(source: pd.Series, rows: list[int], function: str) -> Any:
    whole = [int(value.value) for value in source.iloc[rows] if not pd.isna(value)]
    if not whole:
        return None
    if function == "mean":
        found = sum(whole) // len(whole)
    else:
        whole.sort()
        found = (whole[(len(whole) - 1) // 2] + whole[len(whole) // 2]) // 2
    return pd.Timestamp(found) if source.dtype.kind == "M" else pd.Timedelta(found)


def expected_type(column: str | None, function: str, table: pa.Schema) -> pa.DataType:
    """The type of a result: that of pandas, with integers kept where a bin is empty."""
    if function in ["count", "nunique", "size"]:
        return pa.int64()
    source = table.field(column).type
    if function in ["first", "last", "min", "max"] or column in ["when", "lapse", "f32", "f64"]:
        return source
    if function in ["sum", "prod"]:
        return pa.uint64() if column == "u8" else pa.int64()
    return pa.float64()


def table_of(case: Case) -> pa.Table:
    table = pa.Table.from_pandas(case.frame, preserve_index=False)
    # Where all are missing, pandas knows no type.
    texts = [
        pa.field(name, pa.string()) if name in ["text", "symbol"] else table.field(name)
        for name in table.column_names
    ]
    return table.cast(pa.schema(texts, metadata=table.schema.metadata))


def difference(case: Case, got: pa.Table) -> str | None:
    """How what the server gave differs from what is promised."""
    promised = expected(case)
    by = case.options.get("by", [])
    named = outputs(case)
    names = ["t", *by, *[name for name, _, _ in named]]
    if got.column_names != names:
        return f"columns {got.column_names}, expected {names}"
    times = got["t"].cast(pa.int64()).to_pylist()
    if times != promised.times:
        return f"bins {got['t'].to_pylist()}, expected {promised.times}"
    for key in by:
        if got[key].to_pylist() != promised.keys[key]:
            return f"{key}: {got[key].to_pylist()}, expected {promised.keys[key]}"
    schema = table_of(case).schema
    for name, column, function in named:
        expected_of = expected_type(column, function, schema)
        if got.schema.field(name).type != expected_of:
            return f"{name}: type {got.schema.field(name).type}, expected {expected_of}"
        scale = 1.0
        if column in ["f32", "f64"]:
            scale = float(case.frame[column].abs().max())
            scale = 1.0 if pd.isna(scale) else max(scale, 1.0) * len(case.frame)
            scale = scale**2 if function in ["var"] else scale
        found = plain(got[name])
        for at, (one, other) in enumerate(zip(found, promised.columns[name], strict=True)):
            if not same(one, other, (1e-5, 3e-7) if column == "f32" else (1e-9, 1e-15), scale):
                return f"{name}[{at}] at {got['t'][at]}: {one!r}, expected {other!r}"
    return None


def plain(column: pa.ChunkedArray) -> list[Any]:
    """Values to compare; times as nanoseconds."""
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        column = column.cast(pa.int64())
    found: list[Any] = column.to_pylist()
    return [None if isinstance(value, float) and np.isnan(value) else value for value in found]


def same(one: Any, other: Any, tolerance: tuple[float, float], scale: float) -> bool:
    if one is None or other is None:
        return one is None and other is None
    if isinstance(other, (pd.Timestamp, pd.Timedelta)):
        return bool(one == other.value)
    if isinstance(other, (float, np.floating)):
        if np.isinf(other):
            return bool(one == other)
        relative, absolute = tolerance
        return bool(abs(one - other) <= relative * abs(float(other)) + absolute * scale)
    return bool(one == other)
