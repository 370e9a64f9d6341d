"""The tables: medians in milliseconds, ratios, memory, and what was not offered."""

import rivals
from measurements import Measurements


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float | None) -> str:
    """Three digits that count, and an empty cell for nothing."""
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def times(measured: Measurements, titles: list[str]) -> str:
    """Median milliseconds."""

    def row(work: str) -> list[str]:
        medians = [measured.median(work, title) for title in titles]
        return [work, *(number(None if median is None else median * 1e3) for median in medians)]

    works = [work for work, seconds in measured.seconds.items() if seconds]
    return table(["median milliseconds", *titles], [row(work) for work in works])


def ratios(measured: Measurements, titles: list[str]) -> str:
    """Rivals over this project's server, and this project's server over the ceilings."""
    others = [title for title in titles if title not in (rivals.OURS, *rivals.CEILINGS)]
    ceilings = [title for title in titles if title in rivals.CEILINGS]
    head = [f"{title} / {rivals.OURS}" for title in others]
    head += [f"{rivals.OURS} / {title}" for title in ceilings]

    def row(work: str) -> list[str]:
        cells = [ratio(measured, work, title, rivals.OURS) for title in others]
        return [
            work,
            *(number(cell) for cell in cells + [ratio(measured, work, rivals.OURS, c) for c in ceilings]),
        ]

    works = [work for work in measured.seconds if measured.median(work, rivals.OURS) is not None]
    return table(["ratio", *head], [row(work) for work in works])


def ratio(measured: Measurements, work: str, above: str, below: str) -> float | None:
    """How many times as long one took as another."""
    pair = measured.median(work, above), measured.median(work, below)
    return None if pair[0] is None or pair[1] is None else pair[0] / pair[1]


def memory(measured: Measurements, titles: list[str]) -> str:
    """Megabytes of the process that does the work."""
    rows = [
        [moment, *(number(held[title] / 1e6 if title in held else None) for title in titles)]
        for moment, held in measured.memory.items()
    ]
    return table(["megabytes", *titles], rows)


def reasons(measured: Measurements) -> str:
    """Why cells are empty."""
    lines = [
        f"- {work}: {title}: {reason}"
        for work, by_title in measured.reasons.items()
        for title, reason in by_title.items()
    ]
    return "\n".join(lines)
