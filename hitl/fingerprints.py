"""A tool's fingerprint: what is said of it, what it takes, and what its code does.

Comments, formatting and the rest of its file don't count; the functions and constants of its own
package that it uses do.
"""

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from llama_index.core.tools import BaseTool, FunctionTool

from hitl.agents import facts_of
from hitl.canonical import canonical

PARTS = {"description": 16, "arguments": 16, "code": 32}
PACKAGE = re.compile(r"\bhitl_agents_[0-9a-f]{8}\.")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
PLAIN = (str, bytes, int, float, complex, bool, type(None), tuple, frozenset, list, dict, set)
_known: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()


def fingerprint(tool: BaseTool) -> str:
    """Three digests, joined by `-`: of the description, of the arguments' schema, of the code."""
    anchor = getattr(tool, "real_fn", None) or tool
    said = f"{tool.metadata.get_name()}\n{tool.metadata.description}"
    try:
        known = _known.setdefault(anchor, {})
    except TypeError:  # can't be referred to weakly, so it is looked at anew
        return _fingerprint(tool, said)
    fixed = repr(getattr(tool, "partial_params", {}))
    key = f"{said}\n{fixed}"
    if key not in known:
        known[key] = _fingerprint(tool, said)
    return known[key]


def what_differs(before: str, now: str) -> list[str]:
    """Which parts of two fingerprints differ, in words."""
    parts, others = before.split("-"), now.split("-")
    if before == now:
        return []
    if len(parts) != len(PARTS) or len(others) != len(PARTS):
        return ["code"]
    return [
        name for name, one, other in zip(PARTS, parts, others, strict=True) if one != other
    ]


def _fingerprint(tool: BaseTool, said: str) -> str:
    texts = (f"{said}\n{facts_of(tool)!r}", _schema(tool), "\n".join(_code(tool)))
    digests = [hashlib.sha256(PACKAGE.sub("", text).encode("utf-8", "replace")) for text in texts]
    return "-".join(
        digest.hexdigest()[:length]
        for digest, length in zip(digests, PARTS.values(), strict=True)
    )


def _schema(tool: BaseTool) -> str:
    try:
        return canonical(tool.metadata.get_parameters_dict())
    except Exception as error:  # whatever a schema of somebody else's raises
        return f"no schema: {type(error).__name__}"


def _code(tool: BaseTool) -> Iterator[str]:
    """The tool's own code and what it uses of its package, each thing once."""
    kind = type(tool)
    yield f"{kind.__module__}.{kind.__qualname__}"
    function = getattr(tool, "real_fn", None)
    if function is None or not isinstance(tool, FunctionTool):
        yield _source_of(kind)
        return
    yield _plain(getattr(tool, "partial_params", {}))
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", inspect.unwrap(function))]
    home = getattr(function, "__module__", "") or ""
    while waiting:
        name, thing = waiting.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            yield f"def {name}: {_source_of(thing)}"
            yield _plain((thing.__defaults__, thing.__kwdefaults__))
            waiting += sorted(_used_by(thing, home), key=lambda pair: pair[0])
        elif inspect.isclass(thing):
            yield f"class {name}: {_source_of(thing)}"
        elif isinstance(thing, PLAIN):
            yield f"{name} = {_plain(thing)}"


def _used_by(function: FunctionType, home: str) -> Iterator[tuple[str, Any]]:
    """What a function names of its own package, and what it closes over."""
    try:
        bound = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return
    yield from bound.nonlocals.items()
    for name, thing in _globals_of(function.__code__, function.__globals__):
        if isinstance(thing, ModuleType):
            yield from _used_of_module(thing, function.__code__, home)
        elif isinstance(thing, PLAIN) or _is_at_home(getattr(thing, "__module__", ""), home):
            yield name, inspect.unwrap(thing) if callable(thing) else thing


def _globals_of(code: CodeType, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in code.co_names:
        if name in known:
            yield name, known[name]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, known)


def _used_of_module(module: ModuleType, code: CodeType, home: str) -> Iterator[tuple[str, Any]]:
    if not _is_at_home(module.__name__, home):
        return
    for name, thing in _globals_of(code, vars(module)):
        if isinstance(thing, PLAIN) or _is_at_home(getattr(thing, "__module__", ""), home):
            yield f"{module.__name__}.{name}", thing


def _is_at_home(module: Any, home: str) -> bool:
    """Whether a module belongs to the same agents, or is the very same."""
    if not isinstance(module, str):
        return False
    package = PACKAGE.match(home)
    return module == home or bool(package and module.startswith(package[0]))


def _source_of(thing: Any) -> str:
    """The code as a tree without positions and docstrings; the byte code if there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError, ValueError):
        code = getattr(thing, "__code__", None)
        return _byte_code(code) if isinstance(code, CodeType) else str(thing)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            _drop_docstring(node)
    return ast.dump(tree)


def _drop_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _byte_code(code: CodeType) -> str:
    constants = [
        _byte_code(each) if isinstance(each, CodeType) else _plain(each) for each in code.co_consts
    ]
    return repr((code.co_code.hex(), code.co_names, code.co_varnames, constants))


def _plain(value: Any) -> str:
    """A value as it prints, without what differs from process to process."""
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_plain, value)))}}}"
    if isinstance(value, partial):
        return _plain((value.func, value.args, value.keywords))
    try:
        return ADDRESS.sub("", repr(value))
    except Exception:  # of somebody else's class
        return type(value).__name__
