"""`python -m hitl verify` and `export`: whether shown = approved = executed, for every request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hitl.canonical import again, canonical, read
from hitl.journal import audit
from hitl.journal.receipts import receipt_of, sha256
from hitl.journal.rows import fetch
from hitl.journal.tables import audit_head, run, tool_grant, tool_request
from hitl.journal.values import ToolRequest


class Broken(Exception):
    """Raised when something does not add up; says where, and what."""


@dataclass
class Verified:
    """What was found to be in order.

    Args:
        entries: how many entries the chain has.
        requests: how many requests it tells of.
        head: `number:hash` of the last entry; "0:" of an empty chain.
        signed: whether the chain's end is signed.
    """

    entries: int = 0
    requests: int = 0
    head: str = "0:"
    signed: bool = False


@dataclass
class _Chain:
    """What the chain says, read entry by entry."""

    key: str | None
    seq: int = 0
    hash: str = audit.BEGINNING
    signed: bool = False
    heads: dict[int, str] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read(self, row: dict[str, Any]) -> None:
        """Take in the next row of the chain.

        Raises:
            Broken: if it does not follow from the one before, or says what can't be.
        """
        place = f"audit row {row['seq']}"
        body, text = row["body"], again(row["body"])
        if row["seq"] != self.seq + 1 or body.get("seq") != row["seq"]:
            raise Broken(f"{place}: row {self.seq + 1} was expected here; one is missing")
        if row["previous"] != self.hash or body.get("request") != row["request_id"]:
            raise Broken(f"{place}: it does not follow from the row before it")
        if self.signed and not body["signed"]:
            raise Broken(f"{place}: it is not signed, though the rows before it are")
        if body["signed"] and self.key is None:
            raise Broken(f"{place}: it is signed; set HITL_SIGNING_KEY to check it")
        if audit.link(self.hash, text, self.key if body["signed"] else None) != row["hash"]:
            raise Broken(f"{place}: it was changed, or signed with another key")
        self._follow(place, body)
        self.seq, self.hash, self.signed = row["seq"], row["hash"], body["signed"]
        self.heads[self.seq] = self.hash

    def _follow(self, place: str, body: dict[str, Any]) -> None:
        """Note what a request is after this entry; what starts must be what was decided."""
        before, new = self.columns.get(body["request"], {}), body["set"]
        after = {**before, **new}
        if "grant" in body:
            given = body["grant"]
            self.grants[given["id"]] = {**self.grants.get(given["id"], {}), **given}
        starts = new.get("status") in ("approved", "running")
        if starts and after.get("grant_id") and not self._holds(after["grant_id"]):
            raise Broken(f"{place}: no grant {after['grant_id']} held at that moment")
        if new.get("status") == "running" and before.get("receipt_sha256") is not None:
            if new["receipt_sha256"] != before["receipt_sha256"]:
                raise Broken(f"{place}: what started is not what was approved")
            if before["status"] != "approved":
                raise Broken(f"{place}: it started without an approval")
        self.columns[body["request"]] = after

    def _holds(self, grant_id: str) -> bool:
        grant = self.grants.get(grant_id)
        return grant is not None and grant["ended_at"] is None


def verify_entries(
    rows: Iterable[dict[str, Any]], *, key: str | None = None, head: str | None = None
) -> Verified:
    """Check an exported chain by itself.

    Args:
        rows: its rows, oldest first.
        key: what it was signed with.
        head: a head that was logged or exported before; the chain must contain it.

    Raises:
        Broken: at the first row that does not add up.
    """
    return _verified(_read(rows, key), head)


def _read(rows: Iterable[dict[str, Any]], key: str | None) -> _Chain:
    chain = _Chain(key)
    for number, row in enumerate(rows, 1):
        try:
            chain.read(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Broken(f"audit row {number}: it is malformed ({error!r})") from None
    if key is not None and chain.seq and not chain.signed:
        raise Broken(f"audit row {chain.seq}: it is not signed, though HITL_SIGNING_KEY is set")
    return chain


def _verified(chain: _Chain, head: str | None) -> Verified:
    if head is not None:
        number, _, digest = head.partition(":")
        if not number.isdigit() or (not digest and number != "0"):
            raise Broken(f"{head!r} is no head; one looks like 12:ab34…")
        if int(number) and chain.heads.get(int(number)) != digest:
            raise Broken(
                f"the chain has {chain.seq} rows and does not contain the head {head}: "
                "its end was cut off, or it was written anew"
            )
    return Verified(chain.seq, len(chain.columns), f"{chain.seq}:{chain.hash}", chain.signed)


def verify(tx: Connection, *, key: str | None = None, head: str | None = None) -> Verified:
    """Check the chain of a journal, and each of its requests against it.

    Raises:
        Broken: at the first row that does not add up.
    """
    chain = _read(_rows(tx), key)
    kept = tx.execute(select(audit_head)).one_or_none()
    if kept is None or (kept.seq, kept.hash) != (chain.seq, chain.hash):
        raise Broken("audit_head: it is not the last row of the audit")
    agents = {row.id: row.agent for row in tx.execute(select(run.c.id, run.c.agent))}
    found = {each.id: each for each in fetch(tx, ToolRequest, select(tool_request))}
    for request_id in chain.columns.keys() - found.keys():
        raise Broken(f"request {request_id}: the audit knows it, the journal does not")
    for request in found.values():
        _check_request(request, chain.columns.get(request.id), agents.get(request.run_id))
    _check_grants(tx, chain, found)
    return _verified(chain, head)


def _check_grants(tx: Connection, chain: _Chain, requests: dict[str, ToolRequest]) -> None:
    rows = {row.id: dict(row._mapping) for row in tx.execute(select(tool_grant))}
    for grant_id in chain.grants.keys() ^ rows.keys():
        knows, other = ("audit", "journal") if grant_id in chain.grants else ("journal", "audit")
        raise Broken(f"grant {grant_id}: the {knows} knows it, the {other} does not")
    for grant_id, row in rows.items():
        given_with = requests.get(row["request_id"])
        if given_with is None:
            raise Broken(f"grant {grant_id}: there is no request {row['request_id']}")
        for name, value in audit.as_audited(row, given_with).items():
            if canonical([value]) != again([chain.grants[grant_id].get(name)]):
                raise Broken(f"grant {grant_id}, column {name}: it is not what the audit says")


def _rows(tx: Connection) -> Iterator[dict[str, Any]]:
    """The chain, each body exactly as it is stored."""
    for row in audit.rows(tx):
        if _again(row["body"]) != row.pop("text"):
            raise Broken(f"audit row {row['seq']}: it was changed")
        yield row


def _again(body: Any) -> str | None:
    try:
        return again(body)
    except ValueError:
        return None


def _check_request(request: ToolRequest, audited: dict[str, Any] | None, agent: str | None) -> None:
    place = f"request {request.id}"
    if audited is None:
        raise Broken(f"{place}: the audit knows nothing of it")
    if agent is None:
        raise Broken(f"{place}: there is no run {request.run_id}")
    try:
        columns = audit.as_audited(vars(request), request)
    except (AttributeError, TypeError, ValueError) as error:
        raise Broken(f"{place}: a column holds what it never could ({error})") from None
    for name, value in columns.items():
        if canonical([value]) != again([audited.get(name)]):
            raise Broken(f"{place}, column {name}: it is not what the audit says")
    if request.receipt is not None:
        _check_receipt(place, request, agent)
    elif request.decision is not None and request.fingerprint:
        raise Broken(f"{place}: it was decided, and has no receipt")


def _check_receipt(place: str, request: ToolRequest, agent: str) -> None:
    if sha256(request.receipt or "") != request.receipt_sha256:
        raise Broken(f"{place}, column receipt: it is not what its digest says")
    made, _ = receipt_of(request, agent, request.final_arguments, request.fingerprint)
    if made != request.receipt:
        raise Broken(f"{place}: its arguments are not what the receipt says was decided about")


def read_export(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of an exported file.

    Raises:
        Broken: if a line is no row.
    """
    for number, line in enumerate(lines, 1):
        try:
            row = read(line)
        except ValueError:
            raise Broken(f"line {number}: it is not JSON") from None
        if not isinstance(row, dict):
            raise Broken(f"line {number}: it is no row of an audit")
        yield row
