"""What of a conversation is sent to the model: as much as its window holds, in whole turns.

Nothing is ever left out inside a turn of the past. Of the present run everything is sent; where
even that is too long, old tool results are shortened, and say so.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole, TextBlock
from llama_index.core.tools import BaseTool
from llama_index.core.utils import get_tokenizer

from hitl.errors import ModelError
from hitl.limits import cut_for_model

# In tokens, and rather too many than too few: what providers wrap around the words.
PER_MESSAGE = 4
PER_CALL = 8
PER_TOOL = 8
PER_OTHER_BLOCK = 1_000  # an image, a sound

# In characters: a shortened text begins with the pieces of the whole one, counted before.
PIECE = 2_000

# In characters, tried one after the other until it fits.
OLDER_RESULTS = (3_000, 200)
NEWEST_RESULTS = (32_000, 16_000, 8_000, 4_000, 2_000, 1_000, 500, 200)


def fit(
    system: ChatMessage,
    history: Sequence[ChatMessage],
    present: Sequence[ChatMessage],
    *,
    tools: Sequence[BaseTool],
    window: int,
    reserve: int | None = None,
) -> list[ChatMessage]:
    """The system prompt, the newest whole turns of the history, and the present run.

    Only if the present run is too long even without any history, its tool results are shortened:
    first those from before the model's last word, the oldest first, then those after it.

    Args:
        history: the messages of ended runs, oldest first.
        present: the messages of the present run, from the user's on.
        tools: they are sent too, so they take their part of the window.
        window: how much the model can read, its answer included, in tokens.
        reserve: how much of that is kept free for the answer, by default a quarter.

    Raises:
        ModelError: if the present run is too long even so.
    """
    reserve = window // 4 if reserve is None else reserve
    fixed = tokens_of(system) + sum(map(_tokens_of_tool, tools))
    left = window - reserve - fixed
    run = list(present)
    if left < sum(map(tokens_of, run)):
        run = _shortened(run, left)
    if (need := sum(map(tokens_of, run))) > left:
        raise ModelError(
            f"This is too long for the model: it takes about {need + fixed:,} tokens, and of its "
            f"window of {window:,} tokens {reserve:,} are kept for its answer. Start a new chat "
            "with a shorter message, or choose a model with a larger window; for a model that is "
            "not known by name, HITL_CONTEXT_WINDOW says how large it is."
        )
    return [system, *newest_turns(history, left - need), *run]


def newest_turns(messages: Sequence[ChatMessage], limit: int) -> list[ChatMessage]:
    """As many of the newest turns as fit into so many tokens; whole ones only."""
    start = len(messages)
    for turn in _turns_newest_first(messages):
        limit -= sum(tokens_of(message) for message in messages[turn:start])
        if limit < 0:
            break
        start = turn
    return list(messages[start:])


def cut_results(messages: Sequence[ChatMessage], longest: int) -> list[ChatMessage]:
    """The messages with each tool result that has more characters cut, visibly, in its middle."""
    return [
        _with_text(message, cut_for_model(message.content or "", longest))
        if message.role == MessageRole.TOOL and len(message.content or "") > longest
        else message
        for message in messages
    ]


def from_first_turn(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Without what precedes the first user message: the end of a turn whose beginning is cut."""
    starts = (i for i, message in enumerate(messages) if message.role == MessageRole.USER)
    return list(messages[next(starts, len(messages)) :])


def _turns_newest_first(messages: Sequence[ChatMessage]) -> Iterator[int]:
    """Where the turns begin: at each user message, and at the first message of all."""
    for i in reversed(range(len(messages))):
        if i == 0 or messages[i].role == MessageRole.USER:
            yield i


def _shortened(run: list[ChatMessage], limit: int) -> list[ChatMessage]:
    """A run whose tool results are shortened, one after the other, until it fits or all are."""
    over = sum(map(tokens_of, run)) - limit
    results = [i for i, message in enumerate(run) if message.role == MessageRole.TOOL]
    newest = _newest_batch(run)
    older = [i for i in results if i not in newest]
    steps = [(i, length) for length in OLDER_RESULTS for i in older]
    steps += [(i, length) for length in NEWEST_RESULTS for i in newest]
    short = list(run)
    for i, length in steps:
        if over <= 0:
            break
        before = tokens_of(short[i])
        short[i] = _short(run[i], length)
        over -= before - tokens_of(short[i])
    return short


def _newest_batch(run: list[ChatMessage]) -> list[int]:
    """Where the tool results stand that answer the model's last calls."""
    batch: list[int] = []
    for i in reversed(range(len(run))):
        if run[i].role == MessageRole.TOOL:
            batch.insert(0, i)
        elif batch:
            break
    return batch


def _short(message: ChatMessage, length: int) -> ChatMessage:
    """A tool result's beginning, and a mark that says so; unchanged if that saves nothing."""
    text = message.content or ""
    # “At least”: what was too long for one message was cut before, and is longer than it seems.
    mark = (
        f"\n[Shortened to fit the model's window: {length:,} of at least {len(text):,} characters "
        "shown.]"
    )
    if len(text) <= length + len(mark):
        return message
    return _with_text(message, text[:length] + mark)


def _with_text(message: ChatMessage, text: str) -> ChatMessage:
    return message.model_copy(update={"blocks": [TextBlock(text=text)]})


def tokens_of(message: ChatMessage) -> int:
    """About how many tokens a message takes, calls and ids included."""
    count = PER_MESSAGE
    calls_in_blocks = False
    for block in message.blocks:
        match block:
            case TextBlock():
                count += count_tokens(block.text)
            case ToolCallBlock():
                calls_in_blocks = True
                count += _tokens_of_call(block)
            case _:
                count += PER_OTHER_BLOCK
    for name, value in message.additional_kwargs.items():
        if name != "tool_calls" or not calls_in_blocks:  # not sent twice
            count += count_tokens(str(value))
    return count


def _tokens_of_call(call: ToolCallBlock) -> int:
    arguments = call.tool_kwargs
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    return PER_CALL + sum(map(count_tokens, (call.tool_name, written, call.tool_call_id or "")))


def _tokens_of_tool(tool: BaseTool) -> int:
    metadata = tool.metadata
    schema = json.dumps(metadata.get_parameters_dict())
    return PER_TOOL + sum(map(count_tokens, (metadata.get_name(), metadata.description, schema)))


def count_tokens(text: str) -> int:
    """About how many tokens a text takes.

    It is counted with LlamaIndex's tokenizer; other models' tokenizers differ a little, for which
    the reserve has room. A text is counted in pieces, each of them once.
    """
    tokenizer = get_tokenizer()
    return sum(
        _tokens_of_piece(tokenizer, text[at : at + PIECE]) for at in range(0, len(text), PIECE)
    )


@lru_cache(maxsize=8_192)
def _tokens_of_piece(tokenizer: Callable[[str], list[Any]], piece: str) -> int:
    return len(tokenizer(piece))
