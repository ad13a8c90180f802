"""Run the benches: `python -m benchmarks --help`."""

import argparse
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks import alone, cards, compare, headless, report
from benchmarks.browser import chromium
from benchmarks.systems import CHAINLIT, GRADIO, OURS, model_server, peers_python


def main() -> None:
    options = _options()
    systems = [OURS, GRADIO, CHAINLIT] if options.peers else [OURS]
    if options.peers:
        peers_python()  # built before anything is timed
    results = {"machine": report.machine()}
    with model_server() as model_url, chromium() as browser:
        for name, bench in _benches(browser, model_url, systems, options.rounds).items():
            if options.only in (None, name):
                results[name] = bench()
                print(getattr(report, name)(results[name]), end="\n\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def _benches(
    browser: Browser, model_url: str, systems: list, rounds: int
) -> dict[str, Callable[[], dict]]:
    # The conversations are held once, for both their times and their memory.
    conversations = cache(partial(compare.conversations, browser, model_url, systems, rounds))
    return {
        "chat": conversations,
        "memory": conversations,
        "start": partial(compare.starts, browser, model_url, systems),
        "headless": partial(headless.measure, "cycles", model_url),
        "waiting": partial(headless.measure, "waiting", model_url),
        "durable": partial(headless.measure, "", model_url, "benchmarks.plain"),
        "reload": partial(alone.reloads, browser, model_url),
        "approvals": partial(alone.approvals, browser, model_url),
        "deciding": partial(cards.deciding, browser, model_url, rounds),
        "editing": partial(cards.editing, browser, model_url, rounds),
        "idle": partial(alone.idle, browser, model_url),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Time this app next to its peers."
    )
    parser.add_argument(
        "--rounds", type=int, default=25, help="rounds of the conversation (default: %(default)s)"
    )
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Gradio and Chainlit too",
    )
    names = ["chat", "memory", "start", "headless", "waiting", "durable", "reload", "approvals"]
    names += ["deciding", "editing", "idle"]
    parser.add_argument("--only", choices=names, help="run one bench")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write all single measurements to this file"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
