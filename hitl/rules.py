"""What a tool may do without a person: `ask`, `allow`, `deny`, and conditions on its arguments.

A condition is CEL (https://cel.dev), read and evaluated by a library. Whatever can't be evaluated
asks.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args

import cel

from hitl.errors import DeclarationError

Verb = Literal["allow", "ask", "deny"]
STRICTNESS: tuple[Verb, ...] = get_args(Verb)
RULE = re.compile(r"(allow|ask|deny)(?:\s+when\s+(\S.*))?", re.DOTALL)
BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
FUNCTIONS = {
    "bytes", "contains", "double", "duration", "dyn", "endsWith", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes",
    "getMonth", "getSeconds", "int", "matches", "size", "startsWith", "string", "timestamp",
    "type", "uint",
}  # fmt: skip
TYPES = {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"}
PROBLEMS: dict[type[BaseException], str] = {
    TypeError: "the types don't fit",
    KeyError: "a part is missing",
    OverflowError: "a number is too large",
    ZeroDivisionError: "a division by zero",
}

# What CEL can take in without stalling, or worse; a condition on more than this asks.
LONGEST_CONDITION = 2_000
MOST_CHARACTERS = 100_000
MOST_VALUES = 1_000
DEEPEST = 100
INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Ruling:
    """What the rules say about one call.

    Args:
        rule: the rule that counted, in the file's words; it never holds the call's arguments.
    """

    verb: Verb
    rule: str


@dataclass(frozen=True)
class _Rule:
    """One rule.

    Args:
        condition: its CEL text; None if it fits every call.
        variables: the names in the condition, those that a macro binds included.
    """

    verb: Verb
    condition: str | None = None
    variables: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        return f"{self.verb} when {self.condition}" if self.condition else self.verb

    def names(self) -> set[str]:
        """The names in the condition that only an argument can give a meaning to."""
        bound = set(BOUND.findall(self.condition or ""))
        types = TYPES if re.search(r"\btype\s*\(", self.condition or "") else set()
        return set(self.variables) - bound - types

    def ruling(self, arguments: dict[str, Any]) -> Ruling | None:
        """What it says about a call; None if it doesn't fit it."""
        if self.condition is None:
            return Ruling(self.verb, self.words)
        try:
            given = {name: arguments[name] for name in self.variables if name in arguments}
            _refuse_what_misleads(given.values())
            fits = _program(self.condition).execute(given)
            if not isinstance(fits, bool):
                raise _Unreadable("it is neither true nor false")
        except BaseException as error:  # a panic of the library is no Exception
            return Ruling("ask", f"{self.words} (could not be evaluated: {_in_words(error)})")
        return Ruling(self.verb, self.words) if fits else None


class _Unreadable(Exception):
    """Raised when a condition can't be trusted with, or made nothing of, the arguments."""


def _in_words(error: BaseException) -> str:
    """Why it could not be evaluated. The library's own words may quote an argument, a secret one."""
    if isinstance(error, _Unreadable):
        return f"{error}, so it asks"
    known = (words for kind, words in PROBLEMS.items() if isinstance(error, kind))
    return f"{next(known, 'it failed')}, so it asks"


def _refuse_what_misleads(values: Iterable[Any]) -> None:
    """Refuse what CEL reads as something else, or works on for too long.

    Raises:
        _Unreadable: saying what it is.
    """
    level, count, length = list(values), 0, 0
    for _ in range(DEEPEST):
        if not level:
            return
        count += len(level)
        length += sum(len(value) for value in level if isinstance(value, str))
        if count > MOST_VALUES or length > MOST_CHARACTERS:
            raise _Unreadable("the arguments are too long")
        if any(isinstance(value, int) and value not in INTEGERS for value in level):
            raise _Unreadable("a number is too large")  # it would become a rounded one
        if any(isinstance(value, float) and not math.isfinite(value) for value in level):
            raise _Unreadable("a number is not finite")
        level = [part for value in level for part in _parts(value)]
    raise _Unreadable("the arguments are nested too deep")


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


@lru_cache(maxsize=1024)
def _program(condition: str) -> cel.Program:
    return cel.compile(condition)


@lru_cache(maxsize=1024)
def _rule(said: str) -> _Rule:
    """One rule, read.

    Raises:
        DeclarationError: if it is none, or its condition can't be evaluated.
    """
    match = RULE.fullmatch(said.strip())
    if match is None:
        raise DeclarationError(
            f"must be 'ask', 'allow', 'deny', or one of them followed by 'when' and a condition, "
            f"not {said!r}"
        )
    verb, condition = cast(Verb, match[1]), match[2]
    if condition is None:
        return _Rule(verb)
    if len(condition) > LONGEST_CONDITION:
        raise DeclarationError(
            f"a condition may have {LONGEST_CONDITION} characters, not {len(condition)}"
        )
    return _Rule(verb, condition, frozenset(_variables_of(condition)))


def _variables_of(condition: str) -> list[str]:
    try:
        program = _program(condition)
        variables, functions = program.variables(), program.functions()
    except BaseException as error:  # a panic of the library is no Exception
        raise DeclarationError(
            f"the condition {condition!r} can't be read: {_syntax_problem(error)}"
        ) from None
    for name in functions:
        if name.isidentifier() and name[0] != "_" and name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise DeclarationError(
                f"there is no function {name!r} in a condition; there are {known}"
            )
    return variables


def _syntax_problem(error: BaseException) -> str:
    found = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)", str(error))
    if found is None:
        return "it is not CEL"
    problem = found[3].partition(" expecting {")[0]
    return f"{problem.replace(chr(39) + '<EOF>' + chr(39), 'the end')}, at character {found[2]}"


@dataclass(frozen=True)
class _RuleSet:
    """Rules of which the first one that fits counts.

    Args:
        rules: those with a condition.
        rest: what holds where none of them fits.
        is_rest_said: whether the file says so in a rule of its own.
    """

    rules: tuple[_Rule, ...]
    rest: Verb
    is_rest_said: bool

    @classmethod
    def read(cls, said: list[str]) -> "_RuleSet":
        *before, last = [_rule(rule) for rule in said]
        for rule in before:
            if rule.condition is None:
                raise DeclarationError(f"what comes after {rule.words!r} would never count")
        if last.condition is None:
            return cls(tuple(before), last.verb, True)
        return cls((*before, last), "allow" if last.verb == "ask" else "ask", False)

    @property
    def meaning(self) -> tuple[Any, ...]:
        return self.rest, *((rule.verb, rule.condition) for rule in self.rules)

    @property
    def plain(self) -> Verb | None:
        """The verb that holds for every call, if there is one."""
        return None if self.rules else self.rest

    @property
    def may_deny(self) -> bool:
        return "deny" in (self.rest, *(rule.verb for rule in self.rules))

    def said(self) -> list[str]:
        rest: list[str] = [self.rest] if self.is_rest_said else []
        return [*(rule.words for rule in self.rules), *rest]

    def ruling(self, arguments: dict[str, Any]) -> Ruling:
        for rule in self.rules:
            if ruling := rule.ruling(arguments):
                return ruling
        return Ruling(self.rest, self.rest if self.is_rest_said else f"{self.rest}: no rule fits")


@dataclass(frozen=True, eq=False)
class Policy:
    """What an agent's file says about one tool. Two that say the same are equal.

    Args:
        rule_sets: of their rulings the strictest counts; a file gives one, a change more.
    """

    rule_sets: tuple[_RuleSet, ...]

    @classmethod
    def read(cls, said: Any) -> "Policy":
        """The policy that a file states.

        Args:
            said: one rule or a list of rules; None, which asks.

        Raises:
            DeclarationError: if it is neither, a rule is none, or would never count.
        """
        rules = ["ask"] if said is None else [said] if isinstance(said, str) else said
        if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
            raise DeclarationError(f"must be a rule or a list of rules, not {said!r}")
        if not rules:
            raise DeclarationError("must hold a rule: 'ask', 'allow' or 'deny'")
        return cls((_RuleSet.read(rules),))

    @classmethod
    def from_data(cls, data: Any) -> "Policy":
        """The policy that `as_data` wrote; what it can't have written asks."""
        try:
            if isinstance(data, dict):
                return _strictest_of(
                    rule_set
                    for part in data["strictest"]
                    for rule_set in cls.from_data(part).rule_sets
                )
            return cls.read(data)
        except (DeclarationError, KeyError, TypeError, RecursionError):
            return ASK

    def as_data(self) -> Any:
        """The policy as JSON data: a rule, a list of rules, or `{"strictest": [those]}`."""
        parts = [said[0] if len(said) == 1 else said for said in self._said()]
        return parts[0] if len(parts) == 1 else {"strictest": parts}

    def _said(self) -> list[list[str]]:
        return [rule_set.said() for rule_set in self.rule_sets]

    def ruling(self, arguments: dict[str, Any]) -> Ruling:
        """What it says about a call with these arguments; never raises."""
        rulings = [rule_set.ruling(arguments) for rule_set in self.rule_sets]
        return max(rulings, key=lambda ruling: STRICTNESS.index(ruling.verb))

    def argument_names(self) -> set[str]:
        """The arguments that its conditions look at."""
        return {
            name for rule_set in self.rule_sets for rule in rule_set.rules for name in rule.names()
        }

    @property
    def plain(self) -> Verb | None:
        """The verb that holds for every call, if there is one."""
        return self.rule_sets[0].plain if len(self.rule_sets) == 1 else None

    @property
    def words(self) -> str:
        """The rules, to be read: `ask when amount > 100; deny when amount > 1000`."""
        return ", and as strict as ".join("; ".join(said) for said in self._said())

    def _meaning(self) -> frozenset[tuple[Any, ...]]:
        return frozenset(rule_set.meaning for rule_set in self.rule_sets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and self._meaning() == other._meaning()

    def __hash__(self) -> int:
        return hash(self._meaning())


ASK = Policy.read("ask")


def strictest(one: Policy, other: Policy) -> Policy:
    """The policy that, for any arguments, is as strict as the stricter of the two."""
    return _strictest_of((*one.rule_sets, *other.rule_sets))


def _strictest_of(rule_sets: Iterable[_RuleSet]) -> Policy:
    """The policy of these rules, without those that the others make superfluous."""
    by_meaning = {rule_set.meaning: rule_set for rule_set in rule_sets}
    plain = {rule_set.plain: rule_set for rule_set in by_meaning.values()}
    if "deny" in plain:
        return Policy((plain["deny"],))
    if not by_meaning:
        return ASK
    kept = [each for each in by_meaning.values() if each.plain != "allow"]
    if "ask" in plain:  # nothing but a denial is stricter
        kept = [each for each in kept if each.may_deny or each.plain]
    return Policy(tuple(kept) or (plain["allow"],))
