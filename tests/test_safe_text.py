"""What the pages draw goes through `hitl.ui.text`: read in their source, call by call."""

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    path
    for path in (*(ROOT / "hitl" / "ui").glob("*.py"), *(ROOT / "pages").glob("*.py"))
    if path.name != "text.py"
]
# What draws text, and by which names it takes it beside its first argument.
DRAWS = frozenset(
    {
        *("badge", "button", "caption", "chat_input", "chat_message", "checkbox", "code"),
        *("date_input", "dialog", "error", "expander", "form_submit_button", "header", "info"),
        *("link_button", "markdown", "metric", "multiselect", "number_input", "page_link"),
        *("pills", "popover", "progress", "radio", "selectbox", "spinner", "status", "subheader"),
        *("success", "table", "tabs", "text", "text_area", "text_input", "title", "toast"),
        *("toggle", "warning", "write"),
    }
)
NAMES = frozenset({"label", "help", "placeholder", "body", "title", "options"})
# Functions of ours whose text nobody else has a say in, and methods that only change a text's form.
SAFE = frozenset({"clock", "duration", "len"})
FORMS = frozenset({"capitalize", "lower", "upper", "get", "items", "values", "strip"})
# What is no text but a number.
FINE = frozenset(
    {
        *("number", "error.line", "str(agent.temperature)", "desk().count_pending()"),
        *("call.tokens_in", "call.tokens_out"),
    }
)
# What was looked at: its parts are words of ours, numbers, or went through `text` further away.
REVIEWED = {
    "preview.py": {
        "' · '.join((f'{name} {cell}' for name, cell in common.items()))",
        "rows",
        "HEADING.format(_title(facts.preview))",
    },
    "sidebar.py": {"f'Approvals{count}'"},
    "deciding.py": {"placeholder"},
    "told.py": {"word"},
    "edit.py": {"heading"},
    "fields.py": {"f':material/visibility: Not what it looks like: {hidden}'"},
    "origins.py": {"f'**Not from the user:** {shown} {warning}'"},
    "arguments.py": {"' · '.join(filter(None, notes))", "rows"},
    "many.py": {
        "f'{verb} {count}'",
        "_counted(waiting) + (f'; {gone} of them decided meanwhile' if gone else '')",
    },
    "granted.py": {"f'and {len(ended) - PER_PAGE} that ended before'"},
}


class Source:
    """One file, and what in it is a text that can be drawn."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self._open: set[str] = set()

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {each.name: each for each in self.tree.body if isinstance(each, ast.FunctionDef)}

    def drawn(self) -> Iterator[tuple[ast.AST, ast.expr]]:
        """Each expression that is drawn, with the function that it is in."""
        for function in ast.walk(self.tree):
            for call in own_nodes(function) if isinstance(function, ast.FunctionDef) else []:
                if isinstance(call, ast.Call) and is_drawing(call):
                    named = [each.value for each in call.keywords if each.arg in NAMES]
                    yield from ((function, each) for each in (*call.args[:1], *named))

    def is_safe(self, text: ast.AST | None, where: ast.AST) -> bool:
        if text is not None and ast.unparse(text) in FINE | REVIEWED.get(self.name, set()):
            return True
        match text:
            case None | ast.Constant() | ast.Compare():
                return True
            case ast.Name(id=name):
                return name.isupper() or self._is_safe_name(name, where)
            case ast.Call():
                return self._is_safe_call(text, where)
            case ast.Attribute():
                return False
            case ast.Subscript(value=whole):
                return self.is_safe(whole, where)
            case ast.IfExp(body=one, orelse=other):
                return self.is_safe(one, where) and self.is_safe(other, where)
            case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one):
                return self.is_safe(one, where)
            case ast.DictComp(key=key, value=value):
                return self.is_safe(key, where) and self.is_safe(value, where)
            case ast.BinOp(op=ast.Add()) | ast.JoinedStr() | ast.FormattedValue() | ast.BoolOp():
                return all(self.is_safe(each, where) for each in texts_in(text))
            case ast.List() | ast.Tuple() | ast.Dict() | ast.Starred():
                return all(self.is_safe(each, where) for each in texts_in(text))
        return False

    def _is_safe_call(self, call: ast.Call, where: ast.AST) -> bool:
        match call.func:
            case ast.Attribute(value=ast.Name(id="text")):
                return True
            case ast.Attribute(value=whole, attr=form) if form in FORMS:
                return self.is_safe(whole, where)
            case ast.Attribute(attr="join"):
                return all(self.is_safe(each, where) for each in call.args)
            case ast.Name(id="filter" | "list"):
                return all(self.is_safe(each, where) for each in call.args[-1:])
            case ast.Name(id="map"):
                return ast.unparse(call.args[0]).startswith("text.")
            case ast.Name(id=name):
                return name in SAFE or self._returns_safe(name)
        return False

    def _returns_safe(self, name: str) -> bool:
        function = self.functions.get(name)
        if function is None or name in self._open:
            return function is not None
        self._open.add(name)
        returned = [each.value for each in own_nodes(function) if isinstance(each, ast.Return)]
        safe = all(self.is_safe(each, function) for each in returned)
        self._open.discard(name)
        return safe

    def _is_safe_name(self, name: str, where: ast.AST) -> bool:
        if name in self._open:
            return True
        self._open.add(name)
        values = list(self._values(name, where))
        safe = bool(values) and all(self.is_safe(each, where) for each in values)
        self._open.discard(name)
        return safe

    def _values(self, name: str, where: ast.AST) -> Iterator[ast.AST]:
        """All that a name is ever given in a function, by its callers too."""
        yield from self._arguments(name, where)
        for node in ast.walk(where):
            match node:
                case ast.Assign(targets=targets, value=value):
                    yield from (value for target in targets if is_target(name, target))
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    yield from (value,) if is_target(name, target) else ()
                case ast.AugAssign(target=ast.Name(id=changed), value=value) if changed == name:
                    yield value
                case (
                    ast.For(target=target, iter=value)
                    | ast.comprehension(target=target, iter=value)
                ) if is_target(name, target):
                    yield value
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=filled), attr="append" | "extend"),
                    args=[value],
                ) if filled == name:
                    yield value

    def _arguments(self, name: str, where: ast.AST) -> Iterator[ast.AST]:
        """What the file's own calls give for a parameter."""
        if not isinstance(where, ast.FunctionDef):
            return
        places = [each.arg for each in where.args.args]
        if name not in places:
            return
        for call in ast.walk(self.tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == where.name:
                given = dict(zip(places, call.args, strict=False))
                given |= {each.arg: each.value for each in call.keywords if each.arg}
                yield given.get(name, call)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function but what is in the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from own_nodes(child)


def is_drawing(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="st"), attr=name):
            return name in DRAWS
    return False


def is_target(name: str, target: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(target))


def texts_in(whole: ast.AST) -> list[ast.AST]:
    return [
        each
        for each in ast.iter_child_nodes(whole)
        if not isinstance(each, ast.expr_context | ast.operator | ast.boolop)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_text_that_is_drawn_is_safe(path: Path) -> None:
    source = Source(path)
    unsafe = {
        f"line {text.lineno}: {ast.unparse(text)}"
        for where, text in source.drawn()
        if not source.is_safe(text, where)
    }
    assert not unsafe


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_options_to_choose_from_are_safe(path: Path) -> None:
    for call in ast.walk(Source(path).tree):
        if (
            isinstance(call, ast.Call)
            and ast.unparse(call.func) == "st.selectbox"
            and call.args[1:]
        ):
            assert "format_func" in {each.arg for each in call.keywords}, f"line {call.lineno}"


@pytest.mark.parametrize(
    "drawn",
    [
        "st.markdown(request.tool)",
        "st.caption(f'**{request.tool}**')",
        "st.error(str(error))",
        "st.button('x', help=agent.description)",
        "st.table([{'a': request.tool}])",
        "words = request.tool\\n    st.badge(words)",
        "words = 'a'\\n    words += request.tool\\n    st.badge(words)",
        "st.markdown('a' if it else request.tool)",
        "st.markdown(other(request))",
    ],
)
def test_unsafe_text_is_found(drawn: str, tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    drawn = drawn.replace("\\n", "\n")
    file.write_text(f"def draw():\n    {drawn}\n\n\ndef other(it):\n    return it.tool\n")
    source = Source(file)
    assert any(not source.is_safe(text, where) for where, text in source.drawn())
