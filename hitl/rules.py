"""What an agent's file says about a tool: calls of it ask, run freely, are denied, or it depends.

A rule is `ask`, `allow` or `deny`, or one of them `when` a condition on the call's arguments holds,
written in CEL, the Common Expression Language: `ask when amount > 100`. Of several rules the first
that fits counts. Whatever can't be said for certain asks a person.

`always_ask` asks as `ask` does, but no grant may answer it in a person's place.

`ask unless every argument comes from the user's words` goes by where the arguments came from. In a
list with others it only tightens what they say.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from hitl.errors import DeclarationError
from hitl.origins import every_argument_from_user

Verb = Literal["allow", "ask", "always_ask", "deny"]
STRICTNESS: tuple[Verb, ...] = get_args(Verb)
ASKING: tuple[Verb, ...] = ("ask", "always_ask")
RULE = re.compile(r"(allow|ask|always_ask|deny)(?:\s+when\s+(\S.*))?", re.DOTALL)
UNLESS_FROM_USER = "unless every argument comes from the user's words"
BY_ORIGIN = re.compile(r"(ask|always_ask)\s+" + UNLESS_FROM_USER.replace(" ", r"\s+"))
SPEAKS_OF_ORIGINS = re.compile(r"\w+\s+(unless\b|when\b.*\bcomes?\s+from\b)", re.DOTALL)
LONGEST_CONDITION = 1000

TYPES = {"bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string"}
TYPES |= {"timestamp", "type", "uint"}
FUNCTIONS = {"contains", "dyn", "endsWith", "matches", "size", "startsWith", *TYPES}
FUNCTIONS |= {"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear"}
FUNCTIONS |= {"getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"}
# `.exists(x, …)` and its like bind a name of their own for each item of a list.
LOOP = re.compile(r"\.\s*(all|exists|exists_one|filter|map)\s*\(\s*(\w+)\s*,")
PATTERN = r"""\bmatches\s*\(\s*r?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\)"""
INTEGERS = range(-(2**63), 2**63)
MOST_STEPS, DEEPEST = 100_000, 100


# Where each argument of a call came from, as `origins_of` tells; None if that is not known.
Origins = Mapping[str, Any] | None


@dataclass(frozen=True)
class Ruling:
    """What the rules say about one call.

    Args:
        verb: whether it runs freely, asks a person, or never runs.
        rule: the rule that counted, in the words of the agent's file.
    """

    verb: Verb
    rule: str

    @property
    def asks(self) -> bool:
        """Whether a person must decide, or a grant in a person's place."""
        return self.verb not in ("allow", "deny")

    @property
    def grantable(self) -> bool:
        """Whether a grant may decide. Never where a rule might have denied what nobody can tell."""
        return self.verb == "ask"


@dataclass(frozen=True)
class Rule:
    """One rule: always, or only when a condition on the arguments holds.

    Args:
        condition: in CEL.
        by_origin: it fits unless every argument comes from the user's words.
    """

    verb: Verb
    condition: str | None = None
    by_origin: bool = False

    @classmethod
    def read(cls, said: Any) -> "Rule":
        """The rule as a file says it.

        Raises:
            DeclarationError: if it is none, or its condition can't be understood.
        """
        words = said.strip() if isinstance(said, str) else ""
        if found := BY_ORIGIN.fullmatch(words.replace("’", "'")):
            return cls(found[1], by_origin=True)  # type: ignore[arg-type]
        found = RULE.fullmatch(words)
        if SPEAKS_OF_ORIGINS.match(words) and not (found and _is_condition(found[2])):
            raise DeclarationError(
                f"{said!r}: where arguments come from can only make calls ask, and is said in "
                f"exactly these words: 'ask {UNLESS_FROM_USER}'"
            )
        if found is None:
            raise DeclarationError(
                "must be 'ask', 'allow', 'deny' or a rule such as 'ask when amount > 100', "
                f"not {said!r}"
            )
        if found[2]:
            _compiled(found[2])
        return cls(found[1], found[2])  # type: ignore[arg-type]

    def __str__(self) -> str:
        if self.by_origin:
            return f"{self.verb} {UNLESS_FROM_USER}"
        return f"{self.verb} when {self.condition}" if self.condition else self.verb

    @property
    def fits_always(self) -> bool:
        return self.condition is None and not self.by_origin

    def ruling(self, arguments: Mapping[str, Any], origins: Origins = None) -> Ruling | None:
        """What the rule says about a call with these arguments; None if it does not fit."""
        try:
            fits = self._fits(arguments, origins)
        except _Undecided as undecided:
            # It might have denied, so no grant may answer.
            why = f"{self} (could not be evaluated: {undecided}, so it asks)"
            return Ruling("always_ask", why)
        return Ruling(self.verb, str(self)) if fits else None

    def _fits(self, arguments: Mapping[str, Any], origins: Origins) -> bool:
        if self.by_origin:
            return not every_argument_from_user(origins)
        return self.condition is None or _compiled(self.condition).holds(arguments)


@dataclass(frozen=True)
class Policy:
    """All that is said about one tool.

    Args:
        lists: lists of rules, read from top to bottom. Usually there is one list; of several, the
            strictest ruling holds.
    """

    lists: tuple[tuple[Rule, ...], ...]

    @classmethod
    def read(cls, said: str | list[str] | None) -> "Policy":
        """The policy as a file says it: a rule, a list of rules, or nothing, which asks.

        Raises:
            DeclarationError: if a rule can't be understood, or could never count.
        """
        rules = ["ask"] if said is None else said if isinstance(said, list) else [said]
        if not rules:
            raise DeclarationError("must have at least one rule: 'ask', 'allow' or 'deny'")
        read = tuple(map(Rule.read, rules))
        for rule in read[:-1]:
            if rule.fits_always:
                raise DeclarationError(
                    f"nothing after {str(rule)!r} could ever count: the first rule that fits does"
                )
        return cls((read,))

    @classmethod
    def from_data(cls, data: Any) -> "Policy":
        """What `as_data` wrote; whatever can't be read asks, and no grant may answer."""
        try:
            if isinstance(data, dict):
                return _strictest_of(map(cls.from_data, data["strictest"]))
            return cls.read(data)
        except (DeclarationError, KeyError, TypeError, ValueError, RecursionError):
            return ALWAYS_ASK

    def as_data(self) -> Any:
        """As JSON data: a rule, a list of rules, or `{"strictest": [...]}` of these."""
        said = [[str(rule) for rule in rules] for rules in self.lists]
        parts = [rules[0] if len(rules) == 1 else rules for rules in said]
        return parts[0] if len(parts) == 1 else {"strictest": parts}

    @property
    def plain(self) -> Verb | None:
        """What it says of every call; None if that depends on the arguments."""
        rule = self.lists[0][0]
        return rule.verb if len(self.lists) == 1 and rule.fits_always else None

    @property
    def words(self) -> str:
        """For people: the rules, one after the other."""
        said = ["; ".join(map(str, rules)) for rules in self.lists]
        return said[0] if len(said) == 1 else f"the strictest of ({') and ('.join(said)})"

    def argument_names(self) -> set[str]:
        """The arguments that its conditions speak of."""
        conditions = [rule.condition for rules in self.lists for rule in rules if rule.condition]
        return {name for condition in conditions for name in _compiled(condition).needs}

    @property
    def goes_by_origins(self) -> bool:
        """Whether it matters where a call's arguments came from."""
        return any(rule.by_origin for rules in self.lists for rule in rules)

    def ruling(self, arguments: Mapping[str, Any], origins: Origins = None) -> Ruling:
        """What it says about a call with these arguments. Never raises: what is unclear asks.

        Args:
            origins: where each argument came from, as `origins_of` tells; None if that is not
                known, and counts as from elsewhere than the user's words.
        """
        return _stricter(_first_that_fits(rules, arguments, origins) for rules in self.lists)


ALLOW, ASK, ALWAYS_ASK, DENY = (Policy(((Rule(verb),),)) for verb in STRICTNESS)


def _first_that_fits(
    rules: tuple[Rule, ...], arguments: Mapping[str, Any], origins: Origins
) -> Ruling:
    """The ruling of the first rule that fits; a rule by origin only tightens those below it."""
    asked: list[Ruling] = []
    for rule in rules:
        ruling = rule.ruling(arguments, origins)
        if ruling and not rule.by_origin:
            return _stricter([*asked, ruling])
        if ruling:
            asked.append(ruling)
    return _stricter([*asked, _rest(rules)])


def _rest(rules: tuple[Rule, ...]) -> Ruling:
    """What holds where no rule fits.

    `ask when …` at the end says which calls ask, so that the others needn't. A rule by origin says
    that only where it stands alone: beside others it must never allow what they would have asked.
    """
    last = [rule for rule in rules if not rule.by_origin] or rules
    rest: Verb = "allow" if last[-1].verb in ASKING else "ask"
    return Ruling(rest, f"{rest}: no rule fits")


def _stricter(rulings: Iterable[Ruling]) -> Ruling:
    """The strictest of them; of equals the first."""
    return max(rulings, key=lambda ruling: STRICTNESS.index(ruling.verb))


def strictest(one: Policy, other: Policy) -> Policy:
    """A policy whose ruling is, for all arguments, the stricter of the two."""
    return _strictest_of([one, other])


def _strictest_of(policies: Iterable[Policy]) -> Policy:
    lists = {rules for policy in policies for rules in policy.lists}
    fixed = [policy.lists[0] for policy in (ALLOW, ASK, ALWAYS_ASK, DENY)]
    of_every_call = [rules for rules in fixed if rules in lists]
    if of_every_call:  # the others count only as far as they may be stricter
        least = of_every_call[-1]
        lists = {rules for rules in lists if _may_exceed(rules, least[0].verb)}
        if not lists or least[0].verb != "allow":
            lists.add(least)
    return Policy(tuple(sorted(lists, key=str))) if lists else ALWAYS_ASK


def _may_exceed(rules: tuple[Rule, ...], verb: Verb) -> bool:
    """Whether they may be stricter than that, if only as a condition can't be evaluated."""
    said = {rule.verb for rule in rules} | {"always_ask" for rule in rules if rule.condition}
    return any(STRICTNESS.index(each) > STRICTNESS.index(verb) for each in said)


class _Undecided(Exception):
    """Raised when nobody can tell whether a condition holds; says why, without any value."""


class _Condition:
    """A condition, ready to be evaluated.

    Args:
        text: in CEL.

    Raises:
        DeclarationError: if it is not CEL, or uses a function that there is not.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_CONDITION:
            raise DeclarationError(f"a condition has at most {LONGEST_CONDITION} characters")
        import cel  # with a first condition: its package brings a whole command line along

        try:
            self.program = cel.compile(text)
            self.names = set(self.program.variables())
            functions = [name for name in self.program.functions() if name.isidentifier()]
        except BaseException as error:  # a panic of the Rust library is no Exception
            raise DeclarationError(f"{text!r} is no condition: {_problem(error)}") from None
        for name in sorted({*functions} - FUNCTIONS):
            raise DeclarationError(f"{text!r}: there is no function {name!r}")
        if "matches" in functions and re.search(r"\bmatches\b", re.sub(PATTERN, "", text)):
            raise DeclarationError(f"{text!r}: write the pattern out, as in text.matches('^a+$')")
        loops: list[tuple[str, str]] = LOOP.findall(text)
        self.needs = frozenset(self.names - {name for _, name in loops} - TYPES)
        # Each loop may be inside of the others, and one that makes a list copies it every time.
        self.power = max(1, sum(2 if kind in ("filter", "map") else 1 for kind, _ in loops))
        # A pattern is compiled again for every text that it is matched with.
        self.cost = 100 if "matches" in functions else 1

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        """Whether it holds for these arguments.

        Raises:
            _Undecided: if that can't be said.
        """
        for name in sorted(self.needs - arguments.keys()):
            raise _Undecided(f"there is no argument {name!r}")
        known = {name: arguments[name] for name in self.names & arguments.keys()}
        if _size(known) ** self.power * self.cost > MOST_STEPS:
            raise _Undecided("the arguments are too large")
        try:
            holds = self.program.execute(known)
        except BaseException as error:  # a panic of the Rust library is no Exception
            raise _Undecided(_why(error)) from None
        if not isinstance(holds, bool):
            raise _Undecided(f"it gives a {type(holds).__name__}, not true or false")
        return holds


def _is_condition(text: str | None) -> bool:
    try:
        return text is not None and _compiled(text) is not None
    except DeclarationError:
        return False


@lru_cache(maxsize=1024)
def _compiled(condition: str) -> _Condition:
    return _Condition(condition)


def _problem(error: BaseException) -> str:
    found = re.search(r":\d+:(\d+): (?:Syntax error: )?(.+)", str(error))
    if found is None:
        return type(error).__name__
    return f"{found[2].partition(' expecting ')[0]}, at character {found[1]}"


def _why(error: BaseException) -> str:
    """Without the library's own words, which hold values, and some of them are secret."""
    if isinstance(error, TypeError):
        return "a value is of another type than the rule expects"
    if isinstance(error, LookupError):
        return "a part that it speaks of is not there"
    return type(error).__name__


def _size(value: Any) -> int:
    """How many values these are, long texts counting more.

    Raises:
        _Undecided: if CEL would not see one of them as what it is.
    """
    size, level = 0, [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                below += part.values()
            elif isinstance(part, list):
                below += part
            elif isinstance(part, str):
                size += len(part) // 100
            elif type(part) is int and part not in INTEGERS:
                raise _Undecided("a number has more than 64 bits")
            elif not isinstance(part, bool | int | float | None):
                raise _Undecided(f"a value is a {type(part).__name__}")
        size += len(level)
        if not below:
            return size
        level = below
    raise _Undecided("the arguments are nested too deeply")
