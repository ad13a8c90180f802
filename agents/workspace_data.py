"""The Workspace's folder: where it is, and the sample files that it starts with."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hitl.sandbox import Sandbox
from hitl.settings import Settings

SAMPLES = {
    "todo.md": """\
# Before the spring market

- [x] Book the stall
- [ ] Print the price list
- [ ] Charge the card reader
- [ ] Ask Priya about the Saturday shift
""",
    "settings.toml": """\
[stall]
name = "Harbour Street Bakes"
number = 14
opens = 08:00:00
closes = 15:30:00

[till]
currency = "EUR"
round_to = 0.05
""",
    "notes/ideas.md": """\
# Ideas

* A tasting plate for two, with three kinds of bread.
* Flat price for everything after 15:00, so that nothing is carried home.
* A jar for questions; the best one is answered on the board.
""",
    "notes/meeting.md": """\
# Meeting, 4 March

Present: Priya, Tomas, Ines.

We bake 60 loaves for Saturday, 20 more than last year. Tomas drives.
The organisers want the stall cleared by 16:00. Priya asks them for a second table.
""",
    "stock/prices.csv": """\
item,unit,price
Rye bread,loaf,4.80
Focaccia,piece,3.20
Cinnamon knot,piece,2.60
Oat biscuits,bag,3.90
""",
    "stock/prices-last-year.csv": """\
item,unit,price
Rye bread,loaf,4.20
Focaccia,piece,2.90
Cinnamon knot,piece,2.40
""",
}


def folder() -> Path:
    """Where the files are: beside the journal, and nothing else is in there."""
    return Settings.from_env().data_dir / "workspace"


def workspace() -> Sandbox:
    """The folder, made and filled when it is first used."""
    place = folder()
    if not os.path.lexists(place):
        _fill(place)
    return Sandbox(place)


def fill_anew() -> None:
    """Put the sample files, and nothing else, into the folder."""
    place = folder()
    place.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if place.is_symlink():
            place.unlink()
        else:
            old = Path(tempfile.mkdtemp(prefix=".workspace-", dir=place.parent))
            place.rename(old)  # away in one moment: nobody meets it half deleted
            shutil.rmtree(old)
    _fill(place)


def _fill(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".workspace-", dir=place.parent))
    for path, text in SAMPLES.items():
        (fresh / path).parent.mkdir(exist_ok=True)
        (fresh / path).write_text(text, encoding="utf-8", newline="\n")
    try:
        fresh.rename(place)
    except OSError:  # somebody else was first
        shutil.rmtree(fresh)
