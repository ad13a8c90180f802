"""A tool's fingerprint: what is said of it, what it takes, and what its code does.

Comments, formatting and the rest of its file don't count; the functions and constants of its own
package that it uses do.
"""

import hashlib
import re
from typing import Any
from weakref import WeakKeyDictionary

from llama_index.core.tools import BaseTool, FunctionTool
from llama_index.core.tools.types import BaseToolAsyncAdapter

from hitl.agents import facts_of
from hitl.canonical import canonical
from hitl.sources import code_of, value_text

PARTS = {"description": 16, "arguments": 16, "code": 32}
PACKAGE = re.compile(r"hitl_agents_[0-9a-f]{8}")  # another one each time that it is loaded
_known: WeakKeyDictionary[BaseTool, tuple[Any, str]] = WeakKeyDictionary()


def fingerprint(tool: BaseTool) -> str:
    """Three digests, joined by `-`: of the description, of the arguments' schema, of the code.

    The code of a tool object is looked at once.
    """
    inner = tool.base_tool if isinstance(tool, BaseToolAsyncAdapter) else tool
    metadata = inner.metadata
    fixed = getattr(inner, "partial_params", None) or ""
    said = (metadata.name, metadata.description, metadata.fn_schema, fixed and repr(fixed))
    try:
        if (known := _known.get(inner)) is None or known[0] != said:
            known = _known[inner] = (said, _fingerprint(inner))
        return known[1]
    except TypeError:  # it can't be a key
        return _fingerprint(inner)


def what_differs(before: str, now: str) -> list[str]:
    """Which parts of two fingerprints differ, in words."""
    parts, others = before.split("-"), now.split("-")
    if before == now:
        return []
    if len(parts) != len(PARTS) or len(others) != len(PARTS):
        return ["code"]
    return [name for name, one, other in zip(PARTS, parts, others, strict=True) if one != other]


def _fingerprint(tool: BaseTool) -> str:
    metadata = tool.metadata
    said = f"{metadata.name}\n{metadata.description}\n{facts_of(tool)!r}"
    digests = [
        hashlib.sha256(PACKAGE.sub("", text).encode("utf-8", "replace")).hexdigest()[:length]
        for text, length in zip((said, _schema(tool), _code(tool)), PARTS.values(), strict=True)
    ]
    return "-".join(digests)


def _schema(tool: BaseTool) -> str:
    try:
        return canonical(tool.metadata.get_parameters_dict())
    except Exception as error:  # whatever a schema of somebody else's raises
        return f"no schema: {type(error).__name__}"


def _code(tool: BaseTool) -> str:
    """What runs when the tool is called: its function, or all that its class is."""
    kind = type(tool)
    texts = [f"{kind.__module__}.{kind.__qualname__}"]
    for part in _parts_of(tool):
        try:
            texts.append(code_of(part) if callable(part) else value_text(part))
        except Exception as error:  # code that nobody can read is as good as its name
            texts.append(f"{getattr(part, '__qualname__', '')}: {type(error).__name__}")
    return "\n".join(texts)


def _parts_of(tool: BaseTool) -> list[Any]:
    if not isinstance(tool, FunctionTool):
        return [type(tool)]
    own_class = [] if type(tool) is FunctionTool else [type(tool)]
    callback = [tool._callback] if tool._callback else []
    return [tool.real_fn, *callback, *own_class, tool.partial_params]
