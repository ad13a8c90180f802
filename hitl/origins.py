"""Where each argument of a call came from: the user's words, a tool's result, or neither.

It is found by comparing, so it is a comparison, not a proof: that a value stands in the user's
words does not say that they meant it so. It errs to one side: what is doubtful is from neither.

The origins of a call are JSON data, by argument. They hold no value, so no secret:
`{"from": "user"}`, `{"from": "tool", "tool": "look_up_order", "request": "…" or null}`,
`{"from": "default"}` of what the tool itself fills in, `{"from": "neither"}`, and
`{"from": "mixed", "parts": […]}` of a list or object with parts from several places. Beside these:

- `"field": "note"`, `"within": true`: the field of a tool's result that it stands in, and whether
  it is only a part of what stands there, as a word of a text is;
- `"earlier": true`: it was said or returned before this run's message;
- `"lookalike": true, "resembles": "user"` (or a tool's name): it looks like what stands there, and
  is not the same;
- `"partial": true, "parts": […]`: a longer text that stands nowhere as a whole, with parts of it,
  such as addresses, that do;
- `"term": true, "parts": […]`: a number that stands only in a sum, such as 10 + 10.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from llama_index.core.llms import ChatMessage, MessageRole

from hitl.comparing.lines import evened
from hitl.comparing.pieces import telling_pieces, word_rows
from hitl.comparing.searched import Text
from hitl.comparing.wanted import Wanted
from hitl.journal.values import RunRecord, ToolRequest
from hitl.outcomes import read_outcome

# Characters compared of all that users said, and as many again of all that tools returned.
MOST_COMPARED = 500_000
MOST_LEAVES, MOST_PIECES, MOST_TWINS = 200, 500, 50
FIELD = re.compile(r"[^\W\d]\w{0,39}")  # a name, and not data that is used as one
USER, DEFAULT, NEITHER = ({"from": each} for each in ("user", "default", "neither"))

Origin = dict[str, Any]
# From a call's arguments, the names of those that are the tool's own defaults, and the names that
# its schema gives to parts of arguments.
OriginsOf = Callable[[dict[str, Any], Collection[str], Collection[str]], dict[str, Origin]]


@dataclass(frozen=True)
class Source:
    """A text that an argument may come from.

    Args:
        kind: whose words it is: a person's, or a tool's.
        tool: which tool's result it is.
        request: the request whose result it is; None if it is of an earlier run.
        earlier: whether it is older than this run's message.
    """

    kind: Literal["user", "tool"]
    text: str
    tool: str | None = None
    request: str | None = None
    earlier: bool = False

    @cached_property
    def compared(self) -> Text:
        return Text(self.text, MOST_COMPARED, has_names=self.kind == "user")

    @property
    def origin(self) -> Origin:
        """What is said of an argument that stands here."""
        of_tool = {"tool": self.tool or "", "request": self.request} if self.kind == "tool" else {}
        return {"from": self.kind, **of_tool, **({"earlier": True} if self.earlier else {})}

    def origin_of(self, wanted: Wanted) -> Origin:
        """The same, with where it stands in a tool's result."""
        if self.kind == "user":
            return self.origin
        fields = self.compared.fields
        whole = [name for name, text in fields if wanted.is_all_of(text)]
        parts = whole or [name for name, text in fields if wanted.is_in(text)]
        field = {"field": parts[0]} if parts and FIELD.fullmatch(parts[0]) else {}
        return {**self.origin, **field, **({"within": True} if parts and not whole else {})}

    @property
    def name(self) -> str:
        return "user" if self.kind == "user" else self.tool or ""


def sources_of(record: RunRecord, history: Sequence[ChatMessage]) -> list[Source]:
    """What people said and tools returned, up to now, from old to new, as far as it is compared.

    The model's own words are no source.

    Args:
        record: the run that the model works on.
        history: the conversation before it.
    """
    said = [source for message in history for source in _in_history(message)]
    said += [Source("user", message.content or "") for message in _of_users(record)]
    said += [source for request in record.requests for source in _of_request(request)]
    return _newest(said)


def _in_history(message: ChatMessage) -> Iterator[Source]:
    content = message.content or ""
    if message.role == MessageRole.USER:
        yield Source("user", content, earlier=True)
    elif message.role == MessageRole.TOOL:
        # A person's answer is among these. But a tool could write what looks like one, so that
        # nothing of a tool message ever counts as a person's words.
        reading = read_outcome(content)
        if reading.status in ("succeeded", "worked", "answered"):
            name = str(message.additional_kwargs.get("name") or "")
            yield Source("tool", reading.text, name, earlier=True)


def _of_users(record: RunRecord) -> Iterator[ChatMessage]:
    for turn in sorted(record.messages):
        if record.messages[turn].role == MessageRole.USER:
            yield record.messages[turn]


def _of_request(request: ToolRequest) -> Iterator[Source]:
    """What came of a request of this run: a tool's result, or what a person said instead."""
    if request.status in ("succeeded", "worked"):
        yield Source("tool", request.result or "", request.tool, request.id)
    elif request.status == "answered":
        yield Source("user", request.result or "")


def _newest(sources: list[Source]) -> list[Source]:
    """As many of the newest as are compared."""
    left = dict.fromkeys(("user", "tool"), MOST_COMPARED)
    kept: list[Source] = []
    for source in reversed(sources):
        room = left[source.kind]
        left[source.kind] = room - len(source.text)
        if source.text and room > 0:
            kept.append(source)
    return kept[::-1]


# Comparing


def origins_of(
    arguments: Mapping[str, Any],
    sources: Sequence[Source],
    defaults: Collection[str] = (),
    names: Collection[str] = (),
) -> dict[str, Origin]:
    """Where each argument came from. Never raises: what can't be compared is from neither.

    The user's words win over a tool's, and what is newer over what is older.

    Args:
        arguments: as they will run.
        sources: from old to new.
        defaults: names of the arguments that the model left out and the tool fills in.
        names: what the tool's schema calls the parts of arguments. Any other name in an object is
            the model's own word, and compared like a value.
    """
    newest_first = [*reversed(sources)]
    ordered = [source for source in newest_first if source.kind == "user"]
    ordered += [source for source in newest_first if source.kind == "tool"]
    return {
        name: DEFAULT if name in defaults else _origin(value, ordered, names)
        for name, value in arguments.items()
    }


def by_hand(
    arguments: Mapping[str, Any], defaults: Collection[str] = (), _: Collection[str] = ()
) -> dict[str, Origin]:
    """Where the arguments of a call came from that a person put through the gate."""
    return {name: DEFAULT if name in defaults else USER for name in arguments}


def every_argument_from_user(origins: Mapping[str, Any] | None) -> bool:
    """Whether a person said each argument, or left it to the tool's own default.

    Of a call without arguments nothing can be said, so it is not.
    """
    return bool(origins) and all(map(_is_from_user, (origins or {}).values()))


def _is_from_user(origin: Any) -> bool:
    if not isinstance(origin, Mapping) or origin.get("from") not in ("user", "default"):
        return False
    return not any(origin.get(doubt) for doubt in ("lookalike", "partial", "parts", "resembles"))


def _origin(value: Any, sources: Sequence[Source], names: Collection[str]) -> Origin:
    leaves = _leaves(value, names)
    if not leaves or len(leaves) > MOST_LEAVES:
        return NEITHER
    try:
        parts = _distinct(_leaf_origin(leaf, sources) for leaf in leaves)
    except Exception:  # a card that does not know is better than none
        return NEITHER
    if len(parts) == 1:
        return parts[0]
    if all(part["from"] == "user" for part in parts):  # some of it earlier
        return USER
    return {"from": "mixed", "parts": parts}


def _leaves(value: Any, names: Collection[str]) -> list[Any]:
    """What an argument is made of, names that the model made up included."""
    leaves: list[Any] = []
    level = [value]
    while level and len(leaves) <= MOST_LEAVES:
        objects = [each for each in level if isinstance(each, dict)]
        lists = [each for each in level if isinstance(each, list)]
        leaves += [each for each in level if not isinstance(each, dict | list)]
        leaves += [name for each in objects for name in each if name not in names]
        level = [inner for each in objects for inner in each.values()]
        level += [inner for each in lists for inner in each]
    return leaves


def _distinct(origins: Iterable[Origin]) -> list[Origin]:
    found: list[Origin] = []
    for origin in origins:
        if origin not in found:
            found.append(origin)
    return found


def _leaf_origin(leaf: Any, sources: Sequence[Source]) -> Origin:
    wanted = Wanted.of(leaf)
    holder = next((each for each in sources if wanted.is_in(each.compared)), None)
    origin = holder.origin_of(wanted) if holder else NEITHER
    if origin["from"] == "user":
        return origin
    # What stands in a tool's result may still pass for the user's words.
    alike = (each for each in sources if origin == NEITHER or each.kind == "user")
    if twin := next((each for each in alike if wanted.resembles(each.compared)), None):
        return {**origin, "lookalike": True, "resembles": twin.name}
    if origin != NEITHER:
        return origin
    return _partial(leaf, sources) if isinstance(leaf, str) else _of_sum(wanted, sources)


def _of_sum(wanted: Wanted, sources: Sequence[Source]) -> Origin:
    """In whose sum a number stands, if it stands nowhere by itself."""
    holder = next((each for each in sources if wanted.is_term_in(each.compared)), None)
    return {**NEITHER, "term": True, "parts": [holder.origin]} if holder else NEITHER


def _partial(leaf: str, sources: Sequence[Source]) -> Origin:
    """Which parts of a text stand somewhere, if it does not as a whole."""
    text = evened(leaf)
    pieces, rows = _some(telling_pieces(text)), _some(word_rows(text.lower()))
    found = [_place(piece, sources, lambda text: text.pieces) for piece in pieces]
    found += [_place(row, sources, lambda text: text.rows) for row in rows]
    parts = _distinct(each.origin for each in found if each is not None)
    origin = {**NEITHER, "partial": True, "parts": parts} if parts else NEITHER
    is_twin = any(_passes_for_users(piece, sources) for piece in pieces[:MOST_TWINS])
    return {**origin, "lookalike": True, "resembles": "user"} if is_twin else origin


def _passes_for_users(piece: str, sources: Sequence[Source]) -> bool:
    """Whether it looks like what a user said, and is not the same."""
    said = [each.compared for each in sources if each.kind == "user"]
    wanted = Wanted.of(piece)
    return not any(map(wanted.is_in, said)) and any(map(wanted.resembles, said))


def _place(
    part: str, sources: Sequence[Source], parts_of: Callable[[Text], Collection[str]]
) -> Source | None:
    return next((each for each in sources if part in parts_of(each.compared)), None)


def _some(parts: Iterable[str]) -> list[str]:
    return [part for part, _ in zip(dict.fromkeys(parts), range(MOST_PIECES), strict=False)]
