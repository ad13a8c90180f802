"""The parts of a longer text that tell where it came from: addresses, numbers, words in a row."""

import re
from collections.abc import Iterator

from hitl.comparing.standing import LONGEST_PIECE

WORDS_IN_A_ROW, MOST_WORDS, SHORTEST_PIECE = 5, 20_000, 6

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
APART = re.compile(r"[\s<>()\[\]{}\"'`,;|?&=#\ufdd2]+")
AROUND_WORDS = ".,:;!?()[]{}<>\"'`*_"


def telling_pieces(text: str) -> Iterator[str]:
    """The addresses, in small letters, the paths and the long numbers of a text."""
    for part in APART.split(text):
        for piece in _with_what_it_leads_to(part.strip(AROUND_WORDS)):
            if SHORTEST_PIECE <= len(piece) <= LONGEST_PIECE and _is_telling(piece):
                yield piece.lower() if ADDRESS.fullmatch(piece) else piece


def _with_what_it_leads_to(piece: str) -> Iterator[str]:
    """A link, and its server alone; `mailto:` and the address behind it."""
    yield piece
    before, colon, address = piece.partition(":")
    if colon and before.isalpha():
        address = address.lstrip("/")
        yield address
        yield address.partition("/")[0]


def _is_telling(piece: str) -> bool:
    has_sign = any(character.isdigit() or character in "@.\\" for character in piece)
    return has_sign or piece.count("/") > 1


def word_rows(text: str) -> Iterator[str]:
    """Each few words in a row of a text, as they are written."""
    words = [word.strip(AROUND_WORDS) for word in text.split()[:MOST_WORDS]]
    for start in range(len(words) - WORDS_IN_A_ROW + 1):
        yield " ".join(words[start : start + WORDS_IN_A_ROW])
