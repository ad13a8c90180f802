"""A tool's fingerprint: what is said of it, what it takes, and what its code does.

Comments, formatting and the rest of its file don't count; the functions and constants of its own
package that it uses do.
"""

import ast
import copy
import hashlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import lru_cache, partial
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from llama_index.core.tools import BaseTool, FunctionTool

from hitl.agents import facts_of
from hitl.canonical import canonical

PARTS = {"description": 16, "arguments": 16, "code": 32}
PACKAGE = re.compile(r"\bhitl_agents_[0-9a-f]{8}\.")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
CHANGING = (list, dict, set, bytearray)
PLAIN = (str, bytes, int, float, complex, bool, type(None), tuple, frozenset, *CHANGING)
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
    return [name for name, one, other in zip(PARTS, parts, others, strict=True) if one != other]


def _fingerprint(tool: BaseTool, said: str) -> str:
    texts = (f"{said}\n{facts_of(tool)!r}", _schema(tool), "\n".join(_code(tool)))
    digests = [hashlib.sha256(PACKAGE.sub("", text).encode("utf-8", "replace")) for text in texts]
    return "-".join(
        digest.hexdigest()[:length] for digest, length in zip(digests, PARTS.values(), strict=True)
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
    home = getattr(function, "__module__", "") or ""
    seen: set[str] = set()
    waiting: list[Any] = [inspect.unwrap(function)]
    while waiting:
        used = waiting.pop(0)
        name = f"{used.__module__}.{used.__qualname__}"
        if name in seen:
            continue
        seen.add(name)
        yield f"{name}: {_source_of(used)}"
        if isinstance(used, FunctionType):
            yield _plain((used.__defaults__, used.__kwdefaults__))
            yield from _values_of(used, home)
            waiting += sorted(_used_by(used, home), key=lambda each: str(each.__qualname__))


def _used_by(function: FunctionType, home: str) -> Iterator[Any]:
    """The functions and classes of its own package that a function names or closes over."""
    for _, thing in [*_named(function, home), *_closed_over(function)]:
        thing = inspect.unwrap(thing) if callable(thing) else thing
        is_code = isinstance(thing, FunctionType) or inspect.isclass(thing)
        if is_code and _is_at_home(thing.__module__, home):
            yield thing


def _values_of(function: FunctionType, home: str) -> Iterator[str]:
    """The constants that a function uses: as they are written, since some of them change."""
    for name, thing in sorted(_named(function, home), key=lambda pair: pair[0]):
        if isinstance(thing, PLAIN):
            yield f"{name} = {_assignment(function.__module__, name) or _constant(thing)}"
    for name, thing in _closed_over(function):
        if isinstance(thing, PLAIN):
            yield f"{name} = {_constant(thing)}"


def _closed_over(function: FunctionType) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _named(function: FunctionType, home: str) -> list[tuple[str, Any]]:
    """What a function names of its module, and of other modules of its package."""
    found: list[tuple[str, Any]] = []
    for name, thing in _globals_of(function.__code__, function.__globals__):
        if isinstance(thing, ModuleType) and _is_at_home(thing.__name__, home):
            found += _globals_of(function.__code__, vars(thing))
        found.append((name, thing))
    return found


def _globals_of(code: CodeType, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in code.co_names:
        if name in known:
            yield name, known[name]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, known)


def _is_at_home(module: Any, home: str) -> bool:
    """Whether a module belongs to the same agents, or is the very same."""
    if not isinstance(module, str):
        return False
    package = PACKAGE.match(home)
    return module == home or bool(package and module.startswith(package[0]))


def _constant(value: Any) -> str:
    """A value that stays; one that can change, while the tool works, does not count."""
    return "" if isinstance(value, CHANGING) else _plain(value)


def _assignment(module: str, name: str) -> str | None:
    """How a module's source gives a name its value."""
    for node in ast.iter_child_nodes(_tree_of(module) or ast.Module([], [])):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return ast.dump(node)
    return None


@lru_cache(maxsize=256)
def _tree_of(module: str) -> ast.Module | None:
    """A module's source, as it was when it was loaded; its file may be another by now."""
    loader = getattr(sys.modules.get(module), "__loader__", None)
    try:
        source = loader.get_source(module) if loader is not None else None
        return None if source is None else ast.parse(source)
    except Exception:  # no source, or none that can be parsed
        return None


def _source_of(thing: Any) -> str:
    """The code as a tree without positions and docstrings; the byte code if there is no source."""
    tree = _node_of(thing) or _read(thing)
    if tree is None:
        code = getattr(thing, "__code__", None)
        return _byte_code(code) if isinstance(code, CodeType) else str(thing)
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            _drop_docstring(node)
    return ast.dump(tree)


def _node_of(thing: Any) -> ast.AST | None:
    """Where a function or class is defined in the source that its module was loaded from."""
    code = getattr(thing, "__code__", None)
    for node in ast.walk(_tree_of(thing.__module__) or ast.Module([], [])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(code, CodeType):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if node.name == code.co_name and first == code.co_firstlineno:
                return node
        elif isinstance(node, ast.ClassDef) and code is None and node.name == thing.__name__:
            return node
    return None


def _read(thing: Any) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


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
