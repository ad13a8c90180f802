"""From raw measurements to the tables that a person reads."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import mean, median

import psutil

Row = Sequence[object]
STEPS = {"send_ms": "Send → request, ms", "approve_ms": "Approve → answer, ms"}


def machine() -> dict:
    """Where and when the numbers were taken; they mean little without it."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(terse=True),
        "cores": psutil.cpu_count(),
        "load": psutil.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("streamlit", "llama-index-core", "openai")},
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` % of `values` don't exceed, interpolated between neighbours."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def chat(results: dict) -> str:
    """A table per step. The ratio says how many times as long as the first system it takes."""
    head = ["p50", "p95", "rounds 1–5 → last 5", "rounds 11–15 → 21–25", "p50 ratio"]
    tables = []
    for step, title in STEPS.items():
        times = {name: result[step] for name, result in results.items()}
        first = median(_first(times))
        rows = [[name, *_chat_cells(took, first)] for name, took in times.items()]
        tables.append(table([title, *head], rows))
    return "\n\n".join(tables)


def _chat_cells(times: list[float], first: float) -> Row:
    whole = _drift(times, slice(5), slice(-5, None))
    late = _drift(times, slice(10, 15), slice(20, 25))
    middle = median(times)
    return [_ms(middle), _ms(percentile(times, 95)), whole, late, f"{middle / first:.2f}"]


def _drift(times: list[float], early: slice, late: slice) -> str:
    """How the mean changes from `early` to `late`, if the conversation is long enough."""
    if len(times) < 10 or not times[late]:
        return "–"
    before, after = mean(times[early]), mean(times[late])
    return f"{before:.0f} → {after:.0f} ({after / before:.2f}×)"


def start(results: dict) -> str:
    head = ["Start → page usable, s", "median", "range", "ratio", "first send → request, ms"]
    first = median(_first(results)["usable_s"])
    return table(head, [_start_row(name, took, first) for name, took in results.items()])


def _start_row(name: str, took: dict, first: float) -> Row:
    usable = took["usable_s"]
    middle, span = median(usable), f"{min(usable):.2f} – {max(usable):.2f}"
    return [name, f"{middle:.2f}", span, f"{middle / first:.2f}", _ms(median(took["first_ms"]))]


def memory(results: dict) -> str:
    first = _first(results)["after_mb"]
    rows = [
        [name, _mb(used["before_mb"]), _mb(used["after_mb"]), f"{used['after_mb'] / first:.2f}"]
        for name, used in results.items()
    ]
    return table(["Memory of the server, MB", "page open", "after the chat", "ratio"], rows)


def headless(results: dict) -> str:
    times = results["cycle_ms"]
    row = [f"{results['cycles_per_second']:.1f}", _ms(median(times)), _ms(percentile(times, 95))]
    return table(["Approve cycles per second, without a page", "p50, ms", "p95, ms"], [row])


def durable(results: dict) -> str:
    ours, plain = results["durable_ms"], results["plain_ms"]
    rows = [
        ["this app, on SQLite", _ms(median(ours)), _ms(percentile(ours, 95))],
        ["plain LlamaIndex workflow", _ms(median(plain)), _ms(percentile(plain, 95))],
        ["difference", f"{median(ours) - median(plain):.1f}", ""],
    ]
    return table(["One approve cycle, without a page", "p50, ms", "p95, ms"], rows)


def approvals(results: dict) -> str:
    first = median(_first(results))
    rows = [
        [number, _ms(median(took)), _ms(percentile(took, 95)), f"{median(took) / first:.2f}"]
        for number, took in results.items()
    ]
    return table(["Waiting requests on the approvals page", "p50, ms", "p95, ms", "ratio"], rows)


def deciding(results: dict) -> str:
    first = median(_first(results))
    rows = [
        [number, _ms(median(took)), _ms(percentile(took, 95)), f"{median(took) / first:.2f}"]
        for number, took in results.items()
    ]
    return table(
        ["Approve → that card says so; cards that wait", "p50, ms", "p95, ms", "ratio"], rows
    )


def editing(results: dict) -> str:
    rows = [
        [
            number,
            _ms(median(took["ms"])),
            _ms(percentile(took["ms"], 95)),
            _span(took["round_trips"]),
        ]
        for number, took in results.items()
    ]
    return table(["Edit → the form; cards that wait", "p50, ms", "p95, ms", "round trips"], rows)


def _span(counts: list[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} – {max(counts)}"


def reload(results: dict) -> str:
    first = median(_first(results))
    rows = [
        [length, _ms(median(took)), _ms(percentile(took, 95)), f"{median(took) / first:.2f}"]
        for length, took in results.items()
    ]
    return table(["Messages in the reloaded conversation", "p50, ms", "p95, ms", "ratio"], rows)


def waiting(results: dict) -> str:
    row = [results["requests"], f"{results['added_mb']:.1f}"]
    return table(["Waiting requests", "added memory, MB"], [row])


def idle(results: dict) -> str:
    head = ["Idle page: frames sent in 10 s", "frames received in 10 s", "server, % of a core"]
    return table(head, [[f"{results[key]:.1f}" for key in results]])


def table(head: Row, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _first(results: dict):
    return next(iter(results.values()))


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f}"


def _mb(megabytes: float) -> str:
    return f"{megabytes:.0f}"
