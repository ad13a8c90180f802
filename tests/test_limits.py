"""What is too long is cut for the model, and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.limits import Limits, cut_for_model

texts = st.text(max_size=3000)


def test_defaults_are_those_that_the_docs_name() -> None:
    assert Limits() == Limits(
        message=200_000,
        arguments=1_000_000,
        result=50_000,
        requests_per_turn=64,
        turns_per_run=50,
        runs_at_once=64,
        repeats=5,
        idempotent_attempts=3,
    )


def test_what_is_short_enough_stays_to_the_letter() -> None:
    assert cut_for_model("x" * 1000, 1000) == "x" * 1000
    assert cut_for_model("", 1000) == ""


def test_head_and_tail_are_kept_and_the_note_between_them_says_what_is_missing() -> None:
    whole = "a" * 60_000 + "b" * 30_000
    cut = cut_for_model(whole, 50_000)
    head, _, rest = cut.partition("\n[")
    note, _, tail = rest.partition("]\n")
    assert set(head) == {"a"}
    assert set(tail) == {"b"}
    assert f"{90_000 - len(head) - len(tail):,} of 90,000 characters are left out here" in note
    assert "The whole result is stored" in note


@given(text=texts, limit=st.integers(300, 3000))
def test_result_of_cutting_is_never_longer_than_the_limit(text: str, limit: int) -> None:
    cut = cut_for_model(text, limit)
    assert len(cut) <= limit
    assert cut_for_model(cut, limit) == cut
    assert cut == text or "characters are left out here" in cut


@pytest.mark.parametrize("limit", [0, 1, 50])
def test_note_is_there_however_small_the_limit(limit: int) -> None:
    assert "1,000 of 1,000 characters are left out here" in cut_for_model("x" * 1000, limit)
