"""A strict stand-in for OpenAI's API on the loopback: refuses what OpenAI refuses, says its script.

In a test: `with serve(script) as server: ... server.url ...`. As a process, which prints its URL
once it takes connections: `python -m tests.openai_server --port 8099 --script addition`.
"""

import argparse
import asyncio
import json
import re
import socket
import threading
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.openai_rules import Violation, request_violations

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` as a string goes out as it is, `id=None` gets a fresh id."""

    name: str
    arguments: dict[str, Any] | str
    id: str | None = None


@dataclass(frozen=True)
class Reply:
    """What the model answers to one request, and how well or badly the server delivers it."""

    text: str = ""  # with an error `status`: the error's message
    calls: Sequence[Call] = ()
    finish_reason: str | None = None  # None: the one that fits
    chunk_size: int = 8  # characters of text or arguments per chunk
    calls_in_one_chunk: bool = False  # all calls, complete, in one chunk
    all_index_zero: bool = False  # complete calls, each with index 0
    no_ids: bool = False  # calls without the field `id`; for an empty one see `Call.id`
    cut_off: bool = False  # out of tokens: the last call loses the end of its arguments
    drop_after: int | None = None  # chunks before the connection breaks, at the latest at the end
    status: int = 200
    delay: float = 0.0  # seconds before the first byte
    chunk_delay: float = 0.0  # seconds between chunks
    garbage: bool = False  # HTML instead of JSON, as from a broken proxy


Script = Callable[[Body], Reply]


class ScriptedReplies:
    """The script of a fixed conversation: each reply once, in order."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.left = deque(replies)

    def __call__(self, body: Body) -> Reply:
        if not self.left:
            raise LookupError(f"the script ran out of replies, at {body['messages'][-1]!r}")
        return self.left.popleft()


def addition(body: Body) -> Reply:
    """Answer "What is A + B?" with the tool `add_two_numbers`, several sums with several calls.

    A function of the body alone: it knows where it is after any restart, in any round.
    """
    last = body["messages"][-1]
    if last["role"] == "tool":
        return Reply(" ".join(_sums(body["messages"])))
    sums = re.findall(r"(-?\d+(?:\.\d+)?) *\+ *(-?\d+(?:\.\d+)?)", str(last["content"]))
    if not sums:
        return Reply("Ask me for a sum, for example: What is 10 + 20?")
    return Reply(calls=[Call("add_two_numbers", f'{{"a": {a}, "b": {b}}}') for a, b in sums])


def _sums(messages: list[dict[str, Any]]) -> Iterator[str]:
    asked = next(m["tool_calls"] for m in reversed(messages) if m.get("tool_calls"))
    answers = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    for call in asked:
        numbers, answer = json.loads(call["function"]["arguments"]), str(answers[call["id"]])
        if re.search("not approved|not executed", answer):
            yield f"I did not add the numbers: {answer}"
        else:
            yield f"{numbers['a']} + {numbers['b']} is {answer}."


SCRIPTS: dict[str, Script] = {"addition": addition}


class OpenAIServer:
    """The server: it takes connections once created, and answers them once it runs.

    `requests`: the bodies of all requests with the right key, also of those it refused;
    `refused`: the texts of its 400 and 401 answers; `failures`: what was wrong with the script.
    They only ever grow, so any thread may read them.
    """

    def __init__(
        self, script: Script | Iterable[Reply], api_key: str = "test-key", port: int = 0
    ) -> None:
        self.requests: list[Any] = []
        self.failures: list[str] = []
        self.refused: list[str] = []
        self._script = script if callable(script) else ScriptedReplies(script)
        self._authorization = f"Bearer {api_key}"
        self._socket = socket.create_server(("127.0.0.1", port))
        # asyncio does it only for sockets it has made itself; without it an answer takes 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        chat = Route("/v1/chat/completions", self._chat, methods=["POST"])
        app = Starlette(routes=[chat, Route("/v1/models", self._models)])
        # It logs nothing: what uvicorn calls an error here is ordered by the script.
        config = uvicorn.Config(app, lifespan="off", log_config=None, log_level="critical")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.run, name="openai-server", daemon=True)

    def check(self) -> None:
        """Raise AssertionError if the script failed, ran out of replies or has some left."""
        assert not self.failures, "; ".join(self.failures)
        left = self._script.left if isinstance(self._script, ScriptedReplies) else ()
        assert not left, f"{len(left)} scripted replies were never asked for, next: {left[0]}"

    def run(self) -> None:
        """Answer requests until `stop`, or until a signal if this is the main thread."""
        self._uvicorn.run(sockets=[self._socket])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop at once, also in the middle of an answer."""
        self._uvicorn.should_exit = self._uvicorn.force_exit = True
        self._thread.join(timeout=10)

    async def _models(self, request: Request) -> Response:
        if request.headers.get("authorization") != self._authorization:
            return self._refuse(401, Violation("Incorrect API key provided."))
        model = {"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "tests"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _chat(self, request: Request) -> Response:
        if request.headers.get("authorization") != self._authorization:
            return self._refuse(401, Violation("Incorrect API key provided."))
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        self.requests.append(body)
        if violations := request_violations(body):
            return self._refuse(400, violations[0])
        try:
            # In a thread: a script may wait for its test while other requests are answered.
            reply = await asyncio.to_thread(self._script, body)
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            return _error(500, Violation(self.failures[-1]))
        await asyncio.sleep(reply.delay)
        return _answer(reply, body)

    def _refuse(self, status: int, violation: Violation) -> Response:
        self.refused.append(violation.message)
        return _error(status, violation)


@contextmanager
def serve(script: Script | Iterable[Reply], api_key: str = "test-key") -> Iterator[OpenAIServer]:
    """Run a server for the `with` block, and `check` it at the end unless the block has failed."""
    server = OpenAIServer(script, api_key)
    server.start()
    try:
        yield server
        server.check()
    finally:
        server.stop()


def _error(status: int, violation: Violation) -> Response:
    kinds = {
        400: ("invalid_request_error", violation.code),
        401: ("invalid_request_error", "invalid_api_key"),
        429: ("requests", "rate_limit_exceeded"),
    }
    kind, code = kinds.get(status, ("server_error", None))
    error = {"message": violation.message, "type": kind, "param": violation.param, "code": code}
    # OpenAI names the wait before a new try as well; ours is short, since nothing recovers here.
    return JSONResponse({"error": error}, status, headers={"retry-after-ms": "1"})


def _answer(reply: Reply, body: Body) -> Response:
    if reply.status != 200:
        return _error(reply.status, Violation(reply.text or f"Error {reply.status}, as scripted."))
    if body.get("stream"):
        events = [*map(json.dumps, _chunks(reply, body)), "[DONE]"]
        parts, media_type = [f"data: {event}\n\n" for event in events], "text/event-stream"
    else:
        parts, media_type = [json.dumps(_completion(reply, body))], "application/json"
    if reply.garbage:
        parts = ["data: <html>\n\n"]
    return StreamingResponse(_sent(parts, reply), media_type=media_type)


async def _sent(parts: Sequence[str], reply: Reply) -> AsyncIterator[str]:
    for part in parts[: reply.drop_after]:
        yield part
        await asyncio.sleep(reply.chunk_delay)
    if reply.drop_after is not None:
        raise EOFError("uvicorn closes the connection of an answer that fails halfway")


def _completion(reply: Reply, body: Body) -> dict[str, Any]:
    calls = {"tool_calls": _calls(reply)} if reply.calls else {}
    message = {"role": "assistant", "content": reply.text or None, **calls}
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
    return _object("chat.completion", body, [choice], usage=_usage(reply, body))


def _chunks(reply: Reply, body: Body) -> Iterator[dict[str, Any]]:
    kind = "chat.completion.chunk"
    for delta in _deltas(reply):
        yield _object(kind, body, [{"index": 0, "delta": delta, "finish_reason": None}])
    end = {"index": 0, "delta": {}, "finish_reason": _finish_reason(reply)}
    yield _object(kind, body, [end])
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _object(kind, body, [], usage=_usage(reply, body))


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"content": piece} for piece in _pieces(reply.text, reply.chunk_size))
    indices = [0 if reply.all_index_zero else i for i in range(len(reply.calls))]
    calls = [{"index": i, **call} for i, call in zip(indices, _calls(reply), strict=True)]
    if reply.calls_in_one_chunk:
        yield {"tool_calls": calls}
    elif reply.all_index_zero:
        yield from ({"tool_calls": [call]} for call in calls)
    else:
        for call in calls:
            yield {"tool_calls": [{**call, "function": {**call["function"], "arguments": ""}}]}
            for piece in _pieces(call["function"]["arguments"], reply.chunk_size):
                yield {"tool_calls": [{"index": call["index"], "function": {"arguments": piece}}]}


def _calls(reply: Reply) -> list[dict[str, Any]]:
    calls = []
    for call in reply.calls:
        arguments = (
            call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        )
        function = {"name": call.name, "arguments": arguments}
        call_id = f"call_{uuid.uuid4().hex[:24]}" if call.id is None else call.id
        calls.append({"id": call_id, "type": "function", "function": function})
    if reply.no_ids:
        calls = [{key: call[key] for key in ("type", "function")} for call in calls]
    if reply.cut_off and calls:
        # Within the last value, where it is easiest to mistake for complete: {"amount": 10
        function["arguments"] = arguments[:-2]
    return calls


def _pieces(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def _finish_reason(reply: Reply) -> str:
    fitting = "length" if reply.cut_off else "tool_calls" if reply.calls else "stop"
    return reply.finish_reason or fitting


def _object(kind: str, body: Body, choices: list[Any], **more: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": kind, "created": 0, "model": body["model"]}
    return {**head, "choices": choices, **more}


def _usage(reply: Reply, body: Body) -> dict[str, int]:
    """Count a token for every four characters: plausible, and the same for the same request."""
    prompt, completion = len(str(body["messages"])) // 4, len(str(reply)) // 4
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.openai_server")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", choices=SCRIPTS, default="addition")
    parser.add_argument("--api-key", default="test-key")
    arguments = parser.parse_args()
    server = OpenAIServer(SCRIPTS[arguments.script], arguments.api_key, arguments.port)
    print(server.url, flush=True)
    server.run()


if __name__ == "__main__":
    main()
