"""Puts the parts together, once per process: settings, agents, journal, engine, desk."""

from contextlib import suppress
from functools import partial

from hitl.desk import Desk
from hitl.engine import Engine
from hitl.errors import HitlError
from hitl.journal import Journal
from hitl.registry import Registry
from hitl.settings import Settings


def warm_up(desk: Desk, settings: Settings) -> None:
    """Import and make what the first message would otherwise wait for."""
    from llama_index.core.utils import get_tokenizer

    from hitl.llm import choose_llm

    get_tokenizer()("")
    for name in desk.agents.names():
        with suppress(HitlError):  # said in the page and the log already
            llm = choose_llm(desk.agents.get(name), settings)
            client = getattr(llm, "_get_aclient", None)
            if client is not None:
                _ = client().chat.completions


def open_desk(settings: Settings) -> Desk:
    """A desk with its engine running, on the stored journal.

    Raises:
        JournalUnavailable: if the database can't be reached or written.
    """
    from hitl.llm import choose_llm, explain  # slow to import; the page need not wait for it

    registry = Registry(settings.agents_dir)
    journal = Journal(settings.database_url, signing_key=settings.signing_key)
    engine = Engine(
        journal,
        registry,
        partial(choose_llm, settings=settings),
        explain=explain,
        limits=settings.limits,
    )
    engine.start()
    return Desk(journal, engine, registry, undo_seconds=settings.undo_seconds)
