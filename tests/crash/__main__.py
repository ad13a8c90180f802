"""The long form: `python -m tests.crash --rounds 2000`, in slices that can be resumed."""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.rounds import play_round
from tests.postgres import running
from tests.stage import sqlite_url


def main() -> int:
    """Play the rounds that the log does not hold yet. Returns 1 if one of them went wrong."""
    options = _options()
    logging.disable(logging.ERROR)
    done = _done(options.log, options.database)
    bad = [seed for seed, found in done.items() if found]
    until = time.monotonic() + options.minutes * 60
    with databases(options.database) as new, options.log.open("a") as log:
        for seed in range(options.first, options.rounds):
            if seed in done:
                continue
            if time.monotonic() > until:
                print(f"time is up; {len(done)} of {options.rounds} rounds are in {options.log}")
                break
            found = _play(new, seed)
            done[seed] = found
            bad += [seed] if found else []
            line = {"database": options.database, "seed": seed, "problems": found}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if found:
                print(f"round {seed}: {found}", flush=True)
    print(f"{options.database}: {len(done)} rounds, {len(bad)} went wrong {bad or ''}")
    return 1 if bad else 0


def _play(new: Callable[[], tuple[str, Callable[[], None]]], seed: int) -> list[str]:
    url, drop = new()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        try:
            return play_round(url, Path(folder) / "ledger", seed)
        finally:
            drop()


@contextmanager
def databases(kind: str) -> Iterator[Callable[[], tuple[str, Callable[[], None]]]]:
    """Makes empty journals, each with a function that removes it."""
    if kind == "sqlite":

        def in_a_file() -> tuple[str, Callable[[], None]]:
            folder = tempfile.TemporaryDirectory(prefix="crash-")
            return sqlite_url(Path(folder.name)), folder.cleanup

        yield in_a_file
        return
    with running() as postgres:

        def on_the_server() -> tuple[str, Callable[[], None]]:
            url = postgres.new_journal()
            return url, lambda: postgres.drop(url)

        yield on_the_server


def _done(log: Path, database: str) -> dict[int, list[str]]:
    lines = log.read_text().splitlines() if log.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row["seed"]: row["problems"] for row in rows if row["database"] == database}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="of this slice, for several at once")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--minutes", type=float, default=60, help="of this slice")
    log = Path(tempfile.gettempdir()) / "crash-rounds.jsonl"
    parser.add_argument("--log", type=Path, default=log, help="done rounds (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
