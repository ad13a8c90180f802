"""The audit: an append-only chain of what was asked, decided and done, written with the change.

Each entry holds the columns that a change gave a request, so that the requests themselves can be
checked against it. Secret arguments are in it as salted commitments, results as digests.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from hitl.canonical import canonical, read
from hitl.journal.receipts import sha256
from hitl.journal.rows import fetch, now
from hitl.journal.tables import audit, audit_head, readable, tool_request
from hitl.journal.values import ToolRequest
from hitl.secrecy import concealed

BEGINNING = ""
# Built once, as in `rows`.
HEAD = update(audit_head).where(audit_head.c.id == 1)
COUNT_ON = HEAD.values(seq=audit_head.c.seq + bindparam("more")).returning(
    audit_head.c.seq, audit_head.c.hash
)


def note(
    tx: Connection, kind: str, request: ToolRequest, values: dict[str, Any], by: str | None = None
) -> None:
    """Note a change of a request; it is appended to the chain before the transaction ends.

    Args:
        kind: what happened: "asked", "approved", "started", …
        request: as it was before the change, or as it was made.
        values: the columns that changed.
        by: who did it, where no column says so.
    """
    entry = {"kind": kind, "request": request.id, "set": as_audited(values, request)}
    said = {} if by is None else {"by": readable(by)}
    tx.info.setdefault("audit", []).append(entry | said)


def note_grant(tx: Connection, kind: str, request: ToolRequest, values: dict[str, Any]) -> None:
    """Note that a grant was given, or ended.

    Args:
        request: where it was given.
        values: the columns of the grant that are new.
    """
    grant = as_audited(values, request)
    entry = {"kind": kind, "request": request.id, "set": {}, "grant": grant}
    tx.info.setdefault("audit", []).append(entry)


def as_audited(values: dict[str, Any], request: ToolRequest) -> dict[str, Any]:
    """Columns of a request as the audit may hold them: no secret, no result."""
    return {name: _audited(name, value, request) for name, value in values.items()}


def _audited(name: str, value: Any, request: ToolRequest) -> Any:
    match name, value:
        case _, None:
            return None
        case (("arguments" | "edited" | "edited_before"), _):
            return concealed(value, request.secret, request.salt)
        case "salt", _:
            return sha256(value)
        case "result", _:
            text = readable(value)
            return {"characters": len(text), "sha256": sha256(text)}
        case _, str():
            return readable(value)
        case _, tuple():
            return list(value)
        case _:
            return value


def append(tx: Connection, key: str | None) -> str | None:
    """Append what this transaction noted. The last thing that a writing transaction does.

    The head's row is taken last of all, so that nobody waits for anybody in a circle.

    Args:
        key: makes the chain an HMAC; None leaves it a plain SHA-256.

    Returns:
        the new head, `number:hash`; None if nothing was noted.
    """
    entries = tx.info.pop("audit", [])
    if not entries:
        return None
    row = tx.execute(COUNT_ON, {"more": len(entries)}).one()
    previous, at, appended = row.hash, now(), []
    for place, entry in enumerate(entries, row.seq - len(entries) + 1):
        body = canonical({**entry, "at": at, "seq": place, "signed": key is not None})
        digest = link(previous, body, key)
        appended.append(
            {
                "seq": place,
                "request_id": entry["request"],
                "body": body,
                "previous": previous,
                "hash": digest,
            }
        )
        previous = digest
    tx.execute(insert(audit), appended)
    tx.execute(HEAD, {"hash": previous})
    return f"{row.seq}:{previous}"


def link(previous: str, body: str, key: str | None) -> str:
    """The hash of an entry: over the hash before it and its own text."""
    text = f"{previous}\n{body}".encode()
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def adopt(tx: Connection) -> None:
    """Begin the chain of a journal that had none: an entry for each request that it holds."""
    for request in fetch(tx, ToolRequest, select(tool_request).order_by(tool_request.c.id)):
        note(tx, "adopted", request, vars(request))
    append(tx, None)


def rows(tx: Connection) -> Iterator[dict[str, Any]]:
    """The whole chain, oldest first: each row with its body as data, and as the stored `text`."""
    for row in tx.execute(select(audit).order_by(audit.c.seq)):
        yield {**row._mapping, "body": _parsed(row.body), "text": row.body}


def _parsed(body: str) -> Any:
    try:
        return read(body)
    except ValueError:
        return {}


def export(tx: Connection) -> Iterator[str]:
    """The whole chain as lines of JSON, which can be verified without the database."""
    for row in rows(tx):
        del row["text"]
        yield json.dumps(row, ensure_ascii=False)
