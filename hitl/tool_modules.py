"""The Python files beside the agents: loaded fresh, and searched for tools.

A change of any file makes a new `ToolModules`: a private package under a name of its own, so that
nothing stale is found in `sys.modules` and what still runs keeps the modules that it started with.
"""

import ast
import builtins
import hashlib
import importlib
import importlib.util
import itertools
import os
import sys
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from hitl.agent_files import AgentFileError, did_you_mean
from hitl.errors import DeclarationError


def files_below(folder: Path, *suffixes: str) -> Iterator[Path]:
    """The files with one of these suffixes, sorted; hidden ones and caches are left out."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__pycache__")
        for name in sorted(names):
            if name.endswith(suffixes) and name[0] != ".":
                yield Path(here, name)


def parsed(source: bytes) -> ast.AST:
    """The source as a tree; an empty one if it can't be parsed."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


class ToolModules:
    """One fresh load of the Python files in a folder.

    All sources are read at once: what is imported later, inside a function, is of the same age.

    Args:
        folder: where the files are; they import each other by plain name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = f"hitl_agents_{uuid.uuid4().hex[:8]}"
        self.paths: dict[str, Path] = {}
        self.sources: dict[str, bytes] = {}
        for path in files_below(folder, ".py"):
            with suppress(OSError):  # as good as not there: whoever needs it is told so
                self.sources[self._name(path)] = path.read_bytes()
                self.paths[self._name(path)] = path
        self._failed: dict[str, AgentFileError] = {}
        # Never removed: whatever was loaded may still be running, and looks itself up there.
        _Finder.generations[self.package] = self

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def shown(self, path: Path) -> str:
        """The file as a person names it: `agents/shop.py`."""
        return (Path(self.folder.name) / path.relative_to(self.folder)).as_posix()

    @cached_property
    def tops(self) -> set[str]:
        """The names that an import beside these files means first."""
        return {name.partition(".")[0] for name in self.sources if name}

    def load(self, name: str) -> ModuleType:
        """The module of that dotted name below the folder.

        Raises:
            AgentFileError: if it raises while it loads; every time the same, as it runs once.
        """
        if name not in self._failed:
            try:
                return importlib.import_module(f"{self.package}.{name}")
            except (Exception, SystemExit) as error:
                self._failed[name] = self.located(name, error)
        raise self._failed[name]

    def located(self, name: str, error: BaseException) -> AgentFileError:
        """The error at the last line of ours that it went through."""
        file, line = self.shown(self.paths[name]), 1
        ours = {str(path): self.shown(path) for path in self.paths.values()}
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in ours:
                file, line = ours[frame.filename], frame.lineno or 1
        if isinstance(error, SyntaxError) and error.filename in ours:
            file, line = ours[error.filename], error.lineno or 1
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        said = " ".join(text.replace(f"{self.package}.", "").split())
        return AgentFileError(file, line, None, f"{type(error).__name__}: {said}")

    def find(self, reference: str) -> Any:
        """What `module.name` refers to: beside the agents first, then among installed packages.

        Raises:
            AgentFileError: if a module beside the agents is broken.
            DeclarationError: if there is no such module, or nothing of that name in it.
        """
        module_name, _, name = reference.rpartition(".")
        if not all(part.isidentifier() for part in reference.split(".")) or not module_name:
            raise DeclarationError("must be MODULE.FUNCTION, as in `shop.refund`")
        beside = module_name in self.sources
        module = self.load(module_name) if beside else self._installed(module_name)
        if hasattr(module, name):
            return getattr(module, name)
        where = self.paths[module_name].name if beside else module_name
        known = [known for known, value in vars(module).items() if callable(value)]
        raise DeclarationError(f"no function {name!r} in {where}{did_you_mean(name, known)}")

    def _installed(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and f"{name}.".startswith(f"{missing}."):
                hint = did_you_mean(name, self.sources)
                text = f"no module {name!r} in {self.folder.name}/ or installed{hint}"
            else:
                text = f"{name!r} can't be imported: {type(error).__name__}: {error}"
            raise DeclarationError(text) from error

    def digest(self, content: bytes, modules: set[str]) -> str:
        """A short name for these bytes together with those of the modules and what they import."""
        digest = hashlib.sha256(content)
        for name in sorted(self._with_imports(modules)):
            digest.update(b"\0%s\0%s" % (name.encode(), self.sources[name]))
        return digest.hexdigest()[:12]

    def _with_imports(self, modules: set[str]) -> set[str]:
        reached: set[str] = set()
        waiting = modules & self.sources.keys()
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting |= set(self._imports(name)) & self.sources.keys() - reached
        return reached

    def _imports(self, name: str) -> Iterator[str]:
        """Every name that the module might import, also inside its functions."""
        is_package = self.paths[name].name == "__init__.py"
        package = f"{self.package}.{name if is_package else name.rpartition('.')[0]}".strip(".")
        for node in ast.walk(parsed(self.sources[name])):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                relative = "." * node.level + (node.module or "")
                base = importlib.util.resolve_name(relative, package)
                imported = [f"{base}.{alias.name}" for alias in node.names]
            else:
                continue
            for dotted in imported:
                parts = dotted.removeprefix(f"{self.package}.").split(".")
                yield from itertools.accumulate(parts, "{}.{}".format)

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """The `import` statement of these modules: a plain name means a file beside them first."""
        top = name.partition(".")[0]
        if level or top not in self.tops:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{self.package}.{top}"]


class _Loader(SourceLoader):
    """Runs the source that was read when the generation began; never a cached bytecode file."""

    def __init__(self, modules: ToolModules, name: str) -> None:
        self.modules, self.name = modules, name

    def get_filename(self, fullname: str) -> str:
        return str(self.modules.paths[self.name])

    def get_data(self, path: Any) -> bytes:
        return self.modules.sources[self.name]

    def exec_module(self, module: ModuleType) -> None:
        # The one place where Python lets a module have an `import` of its own.
        own = {**vars(builtins), "__import__": self.modules.import_}
        vars(module)["__builtins__"] = own
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of every generation by its package's name."""

    generations: dict[str, ToolModules] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        modules = self.generations.get(package)
        if modules is None:
            return None
        if name in modules.sources:
            return importlib.util.spec_from_loader(fullname, _Loader(modules, name))
        inside = f"{name}." if name else ""
        if any(known.startswith(inside) for known in modules.sources):
            return ModuleSpec(fullname, None, is_package=True)
        return None


# First: the usual finder would look into a package's folder, and find stale bytecode there.
sys.meta_path.insert(0, _Finder())
