"""The server around the pages: starts the engine before the first visitor, and wakes pages up."""

import asyncio
import gc
import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hitl.errors import HitlError
from hitl.ui.guard import NOT_ALONE, Gate, SecurityHeaders, may_serve
from hitl.ui.listening import listens
from hitl.ui.nodelay import send_at_once
from hitl.ui.office import desk, settings
from hitl.ui.unbroken import do_all_that_is_asked

PATIENCE_SECONDS = 0.1
RETRY_SECONDS = 2.0
logger = logging.getLogger("hitl")


def build() -> dict[str, Any]:
    """What `st.App` needs beside the script. Refuses to serve strangers."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logger.setLevel(logging.INFO)
    address = st.get_option("server.address")
    if not may_serve(address):
        sys.exit(NOT_ALONE.format(address=address or "all addresses"))
    do_all_that_is_asked()
    return {
        "lifespan": lifespan,
        "routes": [Route("/healthz", healthz), WebSocketRoute("/api/live", live)],
        "middleware": [Middleware(SecurityHeaders), Middleware(Gate)],
    }


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Open the desk, with all its slow imports, while the first visitor is still on the way."""
    send_at_once()
    threading.Thread(target=_open, name="opening", daemon=True).start()
    yield
    _closing.set()
    if _opened.is_set():
        await asyncio.to_thread(desk().engine.stop)


_opened, _warm, _closing = threading.Event(), threading.Event(), threading.Event()


def _open() -> None:
    said = ""
    while not _closing.is_set():
        try:
            opened = desk()
            break
        except HitlError as error:
            if str(error) != said:
                logger.error("%s", error)
            said = str(error)
            _closing.wait(RETRY_SECONDS)
    else:
        return
    _opened.set()
    from hitl.service import warm_up

    warm_up(opened, settings())
    for needed in ("pandas", "hitl.lookalikes"):  # the first table or letter would wait for it
        importlib.import_module(needed)
    gc.collect()
    gc.freeze()  # what was imported stays; no collection need look at it again
    _warm.set()


async def healthz(_request: Request) -> JSONResponse:
    """200 once agents can run."""
    if not _warm.is_set():
        return JSONResponse({"status": "starting"}, status_code=503)
    engine = desk().engine
    trouble = engine.trouble if engine.is_alive else "The engine has stopped; start the app again."
    if trouble:
        return JSONResponse({"status": "trouble", "detail": trouble}, status_code=503)
    return JSONResponse({"status": "ok", "agents": desk().agents.names(), "pid": os.getpid()})


async def live(websocket: WebSocket) -> None:
    """Tells a page to look again; says nothing about what changed."""
    if not _opened.is_set():
        return await websocket.close(code=1013)  # try again later
    await websocket.accept()
    wake = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(*_: object) -> None:
        loop.call_soon_threadsafe(wake.set)

    unsubscribe = desk().engine.bus.subscribe("", tell)
    reader = asyncio.create_task(_until_closed(websocket))
    asked = websocket.query_params
    try:
        with listens(asked.get("page", "")):
            await _pump(websocket, wake, reader, asked.get("c", ""))
    except WebSocketDisconnect:  # closed while it was being told
        pass
    finally:
        unsubscribe()
        reader.cancel()
    return None


async def _pump(
    websocket: WebSocket, wake: asyncio.Event, reader: "asyncio.Task[None]", conversation: str
) -> None:
    seen, _ = await asyncio.to_thread(_mark, conversation)
    told, changing_since = 0, 0.0
    while not reader.done():
        patience = PATIENCE_SECONDS if changing_since else None
        await _woken(wake, reader, patience)
        wake.clear()
        mark, rests = await asyncio.to_thread(_mark, conversation)
        if mark == seen:
            continue
        changing_since = changing_since or time.monotonic()
        # What passes in a moment need not be drawn; where it comes to rest is drawn at once.
        if rests or time.monotonic() - changing_since >= PATIENCE_SECONDS:
            seen, changing_since, told = mark, 0.0, told + 1
            await websocket.send_text(str(told))


async def _woken(wake: asyncio.Event, reader: "asyncio.Task[None]", patience: float | None) -> None:
    waiting = asyncio.create_task(wake.wait())
    await asyncio.wait({waiting, reader}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _mark(conversation_id: str) -> tuple[Hashable, bool]:
    try:
        return desk().mark(conversation_id)
    except HitlError as error:
        return str(error), True


async def _until_closed(websocket: WebSocket) -> None:
    try:
        while True:
            await websocket.receive_text()
    except (WebSocketDisconnect, RuntimeError):
        return
