"""What a piece of code is: its source, and that of everything of its own package that it uses.

Sources are those that were loaded, which their files may not hold any more, and nothing is run or
imported. Comments, docstrings and formatting don't count, nor does the rest of a file.
"""

import ast
import enum
import importlib.util
import inspect
import re
import symtable
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property, lru_cache, partial
from types import CodeType, FunctionType, MethodType
from typing import Any

AGENTS = re.compile(r"(hitl_agents_[0-9a-f]{8})(?:\.|$)")
CHANGING = (list, dict, set, bytearray)
PRINTED = ("datetime", "decimal", "fractions", "ipaddress", "pathlib", "re", "uuid")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def code_of(thing: Any) -> str:
    """The code of a function, class or callable as one text; the same in every process."""
    code = _Code()
    code.visit(thing)
    return "\n".join(f"{name}: {text}" for name, text in sorted(code.texts.items()))


def value_text(value: Any, *, whole: bool = True) -> str:
    """A value as text, without what differs from process to process.

    Args:
        whole: False leaves out what is in lists and their like, as it may change all the time.
    """
    deeper = partial(value_text, whole=whole)
    kind = type(value)
    if isinstance(value, type | FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, enum.Enum):
        return f"{deeper(kind)}.{value.name}"
    if isinstance(value, CHANGING) and not whole:
        return kind.__name__
    if isinstance(value, dict):
        return f"{{{', '.join(f'{deeper(key)}: {deeper(each)}' for key, each in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{kind.__name__}({', '.join(sorted(map(deeper, value)))})"
    if isinstance(value, list | tuple):
        return f"{kind.__name__}({', '.join(map(deeper, value))})"
    if is_dataclass(value) and kind.__dataclass_params__.frozen:
        said = (f"{each.name}={deeper(getattr(value, each.name))}" for each in fields(value))
        return f"{deeper(kind)}({', '.join(said)})"
    if value is None or isinstance(value, str | bytes | int | float | complex):
        return f"{kind.__name__} {value!r}"
    if kind.__module__.partition(".")[0] in PRINTED:
        return repr(value)
    return deeper(kind)


class _Source:
    """One module's source, without docstrings.

    Args:
        name: its dotted name, without the random name of a package of agents.
        text: as it was loaded.
        is_package: whether it is an `__init__.py`.
    """

    def __init__(self, name: str, text: str | bytes, *, is_package: bool) -> None:
        self.name, self.is_package = name, is_package
        self.tree = ast.parse(text)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | Definition):
                _drop_docstring(node)

    @cached_property
    def bindings(self) -> dict[str, list[ast.stmt]]:
        """The statements of the module itself that make a name what it is."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in dict.fromkeys(_binds(statement)):
                found.setdefault(name, []).append(statement)
        return found

    def imports(self, inside: ast.AST) -> Iterator[tuple[str, str]]:
        """The imports in a piece of code: the name that each gives, and where it points to."""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        for node in ast.walk(inside):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (top, top)
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                if node.level:  # a package of its own, so that the top can be referred to as well
                    base = importlib.util.resolve_name(base, f"_.{package}".rstrip("."))
                    base = base.partition(".")[2]
                for alias in node.names:
                    yield alias.asname or alias.name, f"{base}.{alias.name}".strip(".")

    def definition(self, code: CodeType) -> ast.AST | None:
        """Where a function was defined; for a method, its class, as methods use each other."""
        parents: dict[ast.AST, ast.AST] = {}
        found = None
        for node in ast.walk(self.tree):
            parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if node.name == code.co_name and first == code.co_firstlineno:
                    found = node
        place: ast.AST | None = found
        while place is not None and isinstance(parents[place], ast.ClassDef):
            place = parents[place]
        return place


class _Code:
    """Collects code, each thing once: `texts` is name → source."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._visited: list[Any] = []
        self._followed: set[str] = set()

    def visit(self, thing: Any) -> None:
        """A function, class or callable, with what it carries along as values."""
        if any(thing is each for each in self._visited):
            return
        self._visited.append(thing)
        if isinstance(thing, partial):
            self.texts[f"partial {len(self._visited)}"] = value_text((thing.args, thing.keywords))
            self.visit(thing.func)
        elif isinstance(thing, MethodType):
            self.visit(thing.__func__)
        elif isinstance(thing, FunctionType):
            self._function(thing)
        elif isinstance(thing, type):
            self._class(thing)
        elif hasattr(thing, "__wrapped__"):  # a cache around a function, for one
            self.visit(thing.__wrapped__)
        elif inspect.isroutine(thing):  # written in C
            self.texts[f"routine {len(self._visited)}"] = str(getattr(thing, "__qualname__", ""))
        else:
            self.visit(type(thing))

    def _function(self, function: FunctionType) -> None:
        sources = _sources(str(function.__globals__.get("__name__")))
        source = sources.get(_local_name(str(function.__globals__.get("__name__"))))
        node = source.definition(function.__code__) if source else None
        label = f"{_local_name(function.__module__ or '')}:{function.__qualname__}"
        label = f"{label} {len(self._visited)}"
        if source and node:
            self.texts[label] = ast.unparse(node)
            self._follow(sources, source, node)
        else:
            self.texts[label] = _byte_code(function.__code__)
            self._named(function)
        given = (function.__defaults__, function.__kwdefaults__)
        self.texts[f"{label} defaults"] = value_text(given, whole=False)
        for name, value in _closed_over(function):
            self._carried(f"{label} {name}", value)
        if wrapped := getattr(function, "__wrapped__", None):
            self.visit(wrapped)

    def _named(self, function: FunctionType) -> None:
        """What a function without a source names of its module."""
        for name in sorted(_names_in(function.__code__)):
            if name in function.__globals__:
                value = function.__globals__[name]
                foreign = getattr(value, "__module__", None) != function.__module__
                if not foreign or not isinstance(value, FunctionType | type):
                    self._carried(f"{function.__module__}:{name}", value)

    def _carried(self, label: str, value: Any) -> None:
        if isinstance(value, FunctionType | MethodType | partial | type):
            self.visit(value)
        else:
            self.texts[label] = value_text(value, whole=False)

    def _class(self, kind: type) -> None:
        sources, name = _sources(kind.__module__), _local_name(kind.__module__)
        outermost = kind.__qualname__.partition(".")[0]
        if name in sources and outermost in sources[name].bindings:
            return self._name(sources, sources[name], outermost)
        self.texts[f"{name}:{kind.__qualname__} {len(self._visited)}"] = "class"
        for each in vars(kind).values():  # a class without a source is what its methods are
            if isinstance(each, FunctionType):
                self.visit(each)
        return None

    def _name(self, sources: "_Sources", source: _Source, name: str, *attributes: str) -> None:
        """What a name of a module is, of which these attributes are used."""
        path = f"{source.name}:{'.'.join((name, *attributes))}"
        if path in self._followed:
            return
        self._followed.add(path)
        statements = source.bindings.get(name) or source.bindings.get("*", [])
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(sources, source, statement, name, attributes)
            elif path == f"{source.name}:{name}":
                self.texts[path] = self.texts.get(path, "") + ast.unparse(statement)
                self._follow(sources, source, statement)
            else:
                self._name(sources, source, name)

    def _import(
        self,
        sources: "_Sources",
        source: _Source,
        statement: ast.stmt,
        name: str,
        attributes: tuple[str, ...],
    ) -> None:
        for alias, target in source.imports(statement):
            if alias == name:
                self.texts[f"{source.name}:{name} from"] = target
                self._target(sources, [*target.split("."), *attributes])
            elif alias == "*" and (other := target.removesuffix(".*")) in sources:
                self._name(sources, sources[other], name, *attributes)

    def _follow(self, sources: "_Sources", source: _Source, node: ast.AST) -> None:
        """Everything that a piece of a module uses of its package."""
        inner = dict(source.imports(node))
        outside = _globals_of(node)
        for root, *attributes in sorted(_paths(node)):
            if root in inner:
                self._target(sources, [*inner[root].split("."), *attributes])
            elif root in outside:
                self._name(sources, source, root, *attributes)

    def _target(self, sources: "_Sources", path: list[str]) -> None:
        """What a dotted path means, if it is in the package: a name in a module, or a module."""
        for length in range(len(path), 0, -1):
            module = ".".join(path[:length])
            if module not in sources:
                continue
            name, *attributes = path[length:] or [""]
            for each in [name] if name else [*sources[module].bindings]:
                self._name(sources, sources[module], each, *attributes)
            return


class _Sources(Mapping[str, _Source]):
    """The sources of the modules that belong together, parsed when they are asked for.

    Args:
        texts: local name → source.
        packages: which of them are an `__init__.py`.
    """

    def __init__(self, texts: Mapping[str, str | bytes], packages: frozenset[str]) -> None:
        self._texts, self._packages = texts, packages
        self._parsed: dict[str, _Source] = {}

    def __getitem__(self, name: str) -> _Source:
        if name not in self._parsed:
            package = name in self._packages
            self._parsed[name] = _Source(name, self._texts[name], is_package=package)
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _local_name(module: str) -> str:
    return AGENTS.sub("", module)


def _sources(module: str) -> _Sources:
    """The sources of a module's package of agents, or of the module alone."""
    package = AGENTS.match(module)
    return _sources_of_agents(package[1], module) if package else _source_alone(module)


@lru_cache(maxsize=16)
def _sources_of_agents(package: str, module: str) -> _Sources:
    loaded = getattr(getattr(sys.modules.get(module), "__loader__", None), "modules", None)
    paths = getattr(loaded, "paths", {})
    packages = frozenset(name for name, path in paths.items() if path.name == "__init__.py")
    return _Sources(getattr(loaded, "sources", {}), packages)


@lru_cache(maxsize=64)
def _source_alone(module: str) -> _Sources:
    found = sys.modules.get(module)
    try:
        text = found.__loader__.get_source(module)  # type: ignore[union-attr]
    except Exception:  # not every loader can
        text = None
    try:
        text = text or inspect.getsource(found)  # type: ignore[arg-type]
        ast.parse(text)
    except Exception:  # whatever somebody else's loader raises
        return _Sources({}, frozenset())
    return _Sources({module: text}, frozenset())


def _drop_docstring(node: ast.Module | Definition) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]


def _binds(node: ast.AST) -> Iterator[str]:
    """The names of a module that a statement binds, or changes."""
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif not isinstance(node, OWN_SCOPE):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from _root(node.value.func)
        elif not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            yield from _root(node)
        for child in ast.iter_child_nodes(node):
            yield from _binds(child)


def _root(node: ast.AST) -> Iterator[str]:
    """`prices` of `prices["pear"].net`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _globals_of(node: ast.AST) -> set[str]:
    """The names of its module, or of a function around it, that a piece of code uses."""
    try:
        return set(_outside(symtable.symtable(ast.unparse(node), "source", "exec")))
    except SyntaxError:  # `nonlocal`, out of the function around it
        return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _outside(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if table.get_type() == "module" or symbol.is_global():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _outside(inner)


def _paths(node: ast.AST) -> set[tuple[str, ...]]:
    """The dotted names in a piece of code, each at its full length."""
    found: set[tuple[str, ...]] = set()
    waiting = [node]
    while waiting:
        place, attributes = waiting.pop(), list[str]()
        inside: ast.AST = place
        while isinstance(inside, ast.Attribute):
            attributes.insert(0, inside.attr)
            inside = inside.value
        if isinstance(inside, ast.Name):
            found.add((inside.id, *attributes))
        waiting += ast.iter_child_nodes(inside)
    return found


def _closed_over(function: FunctionType) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)


def _byte_code(code: CodeType) -> str:
    constants = [
        _byte_code(each) if isinstance(each, CodeType) else value_text(each)
        for each in code.co_consts
    ]
    return repr((code.co_code.hex(), code.co_names, code.co_varnames, constants))
