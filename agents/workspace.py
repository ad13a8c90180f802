"""The tools of Workspace: text files in a folder of its own, that no path leads out of."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from workspace_data import fill_anew, folder, workspace

from hitl.agents import tool
from hitl.previews import FilePreview

MOST_FOUND, LONGEST_FOUND = 50, 200

FilePath = Annotated[
    str,
    Field(description="The file, from the workspace's top, such as notes/plan.md.", min_length=1),
]


@tool(sentence="List the files", idempotent=True)
def list_files() -> list[dict[str, Any]]:
    """List all files of the workspace with their sizes in bytes."""
    return [{"path": file.path, "bytes": file.size} for file in workspace().files()]


@tool(sentence="Read {path}", idempotent=True)
def read_file(path: FilePath) -> dict[str, Any]:
    """Read a text file, whole."""
    text = _text_of(path)
    return {"path": path, "lines": len(text.splitlines()), "text": text}


@tool(sentence="Search all files for {words}", idempotent=True)
def search_files(
    words: Annotated[
        str, Field(description="What to look for, to the letter but in any case.", min_length=1)
    ],
) -> list[dict[str, Any]]:
    """Find the lines that hold these words, in all files; at most 50 lines."""
    found: list[dict[str, Any]] = []
    for file in workspace().files():
        with suppress(ValueError):  # what is no text, or too large, holds no words to find
            for number, line in enumerate(_text_of(file.path).splitlines(), 1):
                if words.casefold() in line.casefold() and len(found) < MOST_FOUND:
                    found.append({"path": file.path, "line": number, "text": line[:LONGEST_FOUND]})
    return found


@tool(
    sentence="Write {path}",
    risk="medium",
    preview=FilePreview(folder, path="path", content="content"),
)
def write_file(
    path: FilePath,
    content: Annotated[
        str, Field(description="The whole text that the file is to hold, line ends included.")
    ],
) -> dict[str, Any]:
    """Write a text file, whole: a new one, or in place of what it held. Its folder must exist."""
    files = workspace()
    is_new = not files.has(path)
    files.write(path, content)
    return {"path": path, "new": is_new, "lines": len(content.splitlines())}


@tool(
    sentence="Move {path} to {target}",
    risk="medium",
    preview=FilePreview(folder, path="path", target="target"),
)
def move_file(
    path: FilePath,
    target: Annotated[
        str,
        Field(description="Its new path, name included; must be free.", min_length=1),
    ],
) -> dict[str, Any]:
    """Rename a file, or move it to another folder that exists. Never replaces another file."""
    workspace().move(path, target)
    return {"from": path, "path": target}


@tool(
    sentence="Delete {path} for good",
    risk="high",
    preview=FilePreview(folder, path="path"),
)
def delete_file(path: FilePath) -> dict[str, Any]:
    """Delete a file for good. Folders can't be deleted."""
    workspace().delete(path)
    return {"deleted": path}


def panel() -> dict[str, list[dict[str, Any]]]:
    """The files as they are now."""
    return {
        "Files": [
            {
                "File": file.path,
                "Bytes": f"{file.size:,}",
                "Changed": datetime.fromtimestamp(file.changed).isoformat(" ", "seconds"),
            }
            for file in workspace().files()
        ]
    }


def reset() -> None:
    """Bring the sample files back."""
    fill_anew()


def _text_of(path: str) -> str:
    text = workspace().read(path)
    if text is None:
        raise ValueError(f"there is no file {path!r}; list_files tells which there are")
    return text
