"""What a text looks like to somebody who reads quickly: letters that look alike are one."""

import unicodedata

from hitl.comparing.lines import BETWEEN, CUT
from hitl.comparing.standing import UNSEEN

SHORTEST_ALIKE, LONGEST_ALIKE = 4, 500

LOOKS_LIKE = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})


def glance(text: str) -> str:
    """What a text looks like to somebody who reads quickly: `pаypaI` and `paypal` are one."""
    shown = unicodedata.normalize("NFKD", text).translate(_PLAINEST)
    return " ".join(shown.split()).replace("rn", "m").replace("vv", "w")


class _Plainest(dict[int, str]):
    """Each character as the plainest one that it looks like."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        if character in (CUT, BETWEEN):
            self[number] = character
        elif UNSEEN.match(character):
            self[number] = ""
        else:
            self[number] = min(each.lower().translate(LOOKS_LIKE) for each in _twins(character))
        return self[number]


_PLAINEST = _Plainest()


def _twins(character: str) -> frozenset[str]:
    if character.isascii():
        return frozenset(character)
    from hitl.lookalikes import TWINS  # its lists take a moment to read

    return TWINS.get(character, frozenset(character))


def telling_glance(value: str) -> str:
    """The same of a value that can be told by it; "" of one that can't: a number, or too short."""
    if not any(map(str.isalpha, value)) or len(value) > LONGEST_ALIKE:
        return ""
    seen = glance(value)
    return seen if len(seen) >= SHORTEST_ALIKE else ""
