"""Forty rounds on each database; `python -m tests.crash` plays as many as one likes."""

from pathlib import Path

import pytest

from tests.crash.points import LABELS
from tests.crash.rounds import deaths_of, play_round

ROUNDS = 40


def test_the_rounds_come_to_every_label():
    seen = {death.label for seed in range(ROUNDS) for death in deaths_of(seed)}
    assert seen >= {*LABELS, None}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_is_lost_and_nothing_is_done_twice(journal_url: str, tmp_path: Path, seed: int):
    assert play_round(journal_url, tmp_path / "ledger", seed) == []
