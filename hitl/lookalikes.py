"""Look-alikes: letters that a reader takes for others, marked with their number.

Which letter looks like which is Unicode's list of confusables; here is only where one is out of
place: a letter of another script in a word, a whole word of letters that look Latin, and letters
that are dressed up, as in mathematics. What people really write is left alone.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Set
from functools import cache, lru_cache

import regex
from confusable_homoglyphs.categories import alias
from confusable_homoglyphs.confusables import confusables_data

NO_SCRIPT = frozenset({"COMMON", "INHERITED", "UNKNOWN"})
EAST = frozenset({"HAN", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
# Scripts that look nothing like Latin, and are written beside it without a blank.
FAR = EAST | {
    *("ARABIC", "HEBREW", "SYRIAC", "THAANA", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI"),
    *("ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "KHMER"),
    *("MYANMAR", "TIBETAN", "MONGOLIAN", "ETHIOPIC", "GEORGIAN"),
}
FORMULA = frozenset("αγκρστχ")  # a lone Greek letter that is no twin of a Latin one
NUMERALS = frozenset("ОЗӠб")  # Cyrillic letters that pass for a digit between digits
SIGNS = frozenset("/\\.:@?#&=%")  # what gives an address or a path its meaning
OUR_OWN = frozenset("⏎⇥")  # what a line shows for its ends and tabs
MARK = r"\[U\+[0-9A-F]{4,6}\]"
WORD = regex.compile(rf"(?:[\p{{L}}\p{{M}}\p{{N}}](?:{MARK})*)+")
TOKEN = re.compile(r"\S*[^\x00-\x7f\s]\S*")
NUMERAL = re.compile(r"\d[ОЗӠб]\d")
MARKED = re.compile(rf"(.)((?:{MARK})*)", re.DOTALL)
LATIN = re.compile(r"[A-Za-z]")


def _read_list() -> dict[str, frozenset[str]]:
    """Unicode's confusables: each character that looks like one of ASCII, with which."""
    found = {}
    for written, others in confusables_data.items():
        character = written.strip("\u200e\u200f")
        twins = {each["c"] for each in others if len(each["c"]) == 1 and each["c"].isascii()}
        if len(character) == 1 and not character.isascii() and twins:
            found[character] = frozenset(twins)
    return found


TWINS = _read_list()


def marked(text: str, around: str = "") -> str:
    """The text with look-alikes marked: `pа[U+0430]ypal`, after each letter that is out of place.

    What is marked already is not marked again.

    Args:
        around: more of what was written there; it tells which scripts are really used.
    """
    there = set(text)
    if not any(map(_may_deceive, there)):
        return text
    used = _really_used(there | set(around))
    plain = _plain_alphabets(text, there, used)

    def mark(token: "re.Match[str]") -> str:
        characters = set(token[0])
        is_plain = any(characters <= alphabet for alphabet in plain)
        return token[0] if is_plain else _token(token[0], used)

    return TOKEN.sub(mark, text)


@cache
def script(character: str) -> str:
    """The script of a character, as in `LATIN`; COMMON if it belongs to many or none."""
    return str(alias(character) or "UNKNOWN")


@cache
def imitates(character: str) -> bool:
    """Whether it looks like a letter or digit of ASCII, and is none."""
    return any(twin.isalnum() for twin in TWINS.get(character, ()))


@cache
def is_dressed_up(character: str) -> bool:
    """Whether it is nothing but a letter or digit of ASCII in another shape: 𝐚, Ⅷ, ﬁ, K."""
    if character.isascii() or not unicodedata.category(character).startswith(("L", "N", "S")):
        return False
    kind = unicodedata.decomposition(character).split(" ")[0]
    plain = unicodedata.normalize("NFKC", character)
    worn = not kind.startswith("<") or kind in ("<font>", "<compat>", "<wide>", "<narrow>")
    return worn and plain.isascii() and plain.isalnum()


@cache
def is_wide(character: str) -> bool:
    """Whether it is a form of ASCII for text in squares, as Chinese and Japanese have it."""
    return unicodedata.decomposition(character).startswith("<wide>")


@cache
def _may_deceive(character: str) -> bool:
    return (
        imitates(character)
        or is_dressed_up(character)
        or character in OUR_OWN
        or not SIGNS.isdisjoint(TWINS.get(character, ()))
        or is_wide(character)
        or script(character) not in {"LATIN", *NO_SCRIPT, *FAR}
    )


def _really_used(characters: Iterable[str]) -> frozenset[str]:
    """The scripts of which there is a letter that looks like no other."""
    sure = (each for each in characters if not each.isascii() and not imitates(each))
    return frozenset(script(each) for each in sure if each.isalpha() and not is_dressed_up(each))


def _plain_alphabets(text: str, there: set[str], used: frozenset[str]) -> list[set[str]]:
    """What of a text's characters may stand together, script by script, without a closer look."""
    calm = {each for each in there if not _is_marked_alone(each)}
    if NUMERAL.search(text):
        calm -= NUMERALS
    signs = {each for each in calm if not each.isalpha() and script(each) in NO_SCRIPT}
    return [signs | {each for each in calm if script(each) == name} for name in used - {"LATIN"}]


@cache
def _is_marked_alone(character: str) -> bool:
    return (
        is_dressed_up(character)
        or is_wide(character)
        or character in OUR_OWN
        or (script(character) in NO_SCRIPT and character in TWINS)
    )


def _token(token: str, used: frozenset[str]) -> str:
    """What stands between two blanks, with its words and signs marked."""
    is_joined = LATIN.search(re.sub(MARK, "", token)) is not None
    words = WORD.sub(lambda word: _word(word[0], used, is_joined), token)
    if not is_joined:
        return _marked(words, OUR_OWN)
    return _marked(words, {each for each in words if _is_false_sign(each, used)})


def _word(word: str, used: frozenset[str], is_joined: bool) -> str:
    if word.isascii():
        return word
    return _marked(word, _odd(re.sub(MARK, "", word), used, is_joined))


def _marked(text: str, odd: Set[str]) -> str:
    """The text with these characters marked, unless they are already."""
    if odd.isdisjoint(text):
        return text
    if "[U+" not in text:
        return text.translate({ord(each): f"{each}{_number(each)}" for each in odd})
    parts = MARKED.findall(text)
    return "".join(
        f"{each}{_number(each) if each in odd and _number(each) not in marks else ''}{marks}"
        for each, marks in parts
    )


def _number(character: str) -> str:
    return f"[U+{ord(character):04X}]"


@lru_cache(maxsize=1024)
def _is_false_sign(character: str, used: frozenset[str]) -> bool:
    """Whether it looks like a sign that has a meaning in an address, or like a letter."""
    if character in OUR_OWN:
        return True
    if character.isalnum() or character == "×" or script(character) not in NO_SCRIPT:
        return False
    twins = TWINS.get(character, frozenset())
    deceives = any(each in SIGNS or each.isalnum() for each in twins)
    return deceives and not (is_wide(character) and not EAST.isdisjoint(used))


@lru_cache(maxsize=8192)
def _odd(letters: str, used: frozenset[str], is_joined: bool) -> Set[str]:
    """The letters of a word that are not what they look like."""
    of_script = Counter(script(each) for each in letters)
    scripts = {each: number for each, number in of_script.items() if each not in NO_SCRIPT}
    in_squares = not EAST.isdisjoint(used)
    odd = {each for each in letters if is_dressed_up(each)}
    odd |= {each for each in letters if script(each) in NO_SCRIPT and imitates(each)}
    odd |= _odd_latin(letters, used)
    if in_squares:
        odd = {each for each in odd if not is_wide(each)}
    odd |= _numerals(letters)
    if len(scripts) > 1:
        return odd | _mixed_in(letters, scripts)
    return odd | _in_disguise(letters, scripts, used, is_joined)


def _odd_latin(letters: str, used: frozenset[str]) -> set[str]:
    """Letters of phonetic and other alphabets, such as ɡ, among those of every day."""
    latin = {each for each in letters if not each.isascii() and script(each) == "LATIN"}
    twins = set(filter(imitates, latin))
    if "LATIN" in used:
        twins.discard("ı")  # Turkish has it
    return twins if latin == set(filter(imitates, latin)) else set()


def _numerals(letters: str) -> set[str]:
    return {
        each
        for before, each, after in zip(letters, letters[1:], letters[2:], strict=False)
        if each in NUMERALS and before.isdigit() and after.isdigit()
    }


def _mixed_in(letters: str, scripts: dict[str, int]) -> set[str]:
    """Of a word in several scripts, the letters of those that it is not written in."""
    near = {each: number for each, number in scripts.items() if each not in FAR}
    guests = {each for each in letters if script(each) in near and script(each) != "LATIN"}
    latin = near.pop("LATIN", 0)
    home = max(near, key=lambda each: near[each], default="LATIN")
    if latin and (latin >= near.get(home, 0) or all(map(imitates, guests))):
        home = "LATIN"
    odd = {each for each in letters if script(each) not in {home, *NO_SCRIPT, *FAR}}
    greek = {each for each in odd if script(each) == "GREEK" and not imitates(each)}
    return (odd - greek if home == "LATIN" else odd) | _strangers(letters, scripts)


def _strangers(letters: str, scripts: dict[str, int]) -> set[str]:
    """Look-alikes of far scripts with nothing of their own beside them: g〇〇gle."""
    if "LATIN" not in scripts:
        return set()
    far = {each for each in letters if script(each) in FAR}
    at_home = {script(each) for each in far if each not in TWINS}
    if EAST & at_home:
        at_home |= EAST
    return {each for each in far if each in TWINS and script(each) not in at_home}


def _in_disguise(
    letters: str, scripts: dict[str, int], used: frozenset[str], is_joined: bool
) -> set[str]:
    """All letters of a word, if it could be read as Latin and its script is not really used."""
    own = {each for each in letters if script(each) in scripts}
    if not own or "LATIN" in scripts or not all(map(imitates, own)):
        return set()
    at_home = scripts.keys() <= used and not is_joined
    return set() if at_home or scripts.keys() <= EAST or letters in FORMULA else own
