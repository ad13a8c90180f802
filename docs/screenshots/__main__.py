"""A picture of every kind of card, light and dark, wide and narrow, to be looked at.

`python docs/screenshots FOLDER` writes them into FOLDER; words after it choose scenes by name. They
are made from the running app with the shipped agents and the demo model, in a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from asked import ASKED  # noqa: E402
from decided import DECIDED  # noqa: E402
from studio import open_studio  # noqa: E402
from tour import TOUR  # noqa: E402

SCENES = (*TOUR, *ASKED, *DECIDED)


def main(target: Path, wanted: list[str]) -> None:
    by_name = {scene.__name__: scene for scene in SCENES}
    if unknown := [name for name in wanted if name not in by_name]:
        sys.exit(f"No such scene: {', '.join(unknown)}. There are: {' '.join(by_name)}")
    chosen = [by_name[name] for name in wanted] or SCENES
    with tempfile.TemporaryDirectory() as folder, open_studio(Path(folder), target) as studio:
        failed = [scene.__name__ for scene in chosen if not studio.tries(scene)]
    print(f"{len(list(target.glob('*.png')))} pictures in {target}")
    if failed:
        sys.exit(f"These could not be made: {', '.join(failed)}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        names = " ".join(scene.__name__ for scene in SCENES)
        sys.exit(f"{__doc__}\nScenes: {names}")
    main(Path(sys.argv[1]), sys.argv[2:])
