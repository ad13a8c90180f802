"""The tools of Back Office: a small shop whose orders, customers and outbox are real.

Money is kept in cents; tools take and give amounts like 24.90.
"""

import re
import sqlite3
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from shop_data import database, fill, transaction

from hitl.agents import tool
from hitl.previews import EmailPreview, RowsPreview

CARRIER = "desk@carrier.example"

OrderNumber = Annotated[int, Field(description="The number of the order, such as 1042.", ge=1)]
Reason = Annotated[str, Field(description="Why, in one sentence.", min_length=1)]
Status = Literal["open", "shipped", "delivered", "cancelled"]
Tag = Annotated[
    str,
    Field(description="One word, such as gift.", pattern=r"^[A-Za-z0-9_-]{1,20}$"),
]

THE_ORDER = RowsPreview(
    database=database(),
    query="""
        SELECT name AS Customer, item AS Item, status AS Status,
               printf('%.2f', total_cents / 100.0) AS Total,
               printf('%.2f', refunded_cents / 100.0) AS Refunded, id AS "Order"
        FROM orders LEFT JOIN customers ON customers.email = orders.customer
        WHERE id = :order
    """,
    arguments=("order",),
    title="The order as it is now",
)
THE_CUSTOMER = RowsPreview(
    database=database(),
    query="""
        SELECT name AS Name, email AS Email, since AS Since, id AS "Order", item AS Item,
               status AS Status
        FROM customers LEFT JOIN orders ON orders.customer = customers.email
        WHERE email = :customer ORDER BY id
    """,
    arguments=("customer",),
    title="The customer, with all orders",
)


@tool(sentence="Find the orders of {customer} with status {status}", idempotent=True, risk="low")
def find_orders(
    customer: Annotated[
        str | None, Field(description="The customer's name or e-mail address; all if left out.")
    ] = None,
    status: Annotated[
        Status | None, Field(description="The status of the orders; any if left out.")
    ] = None,
) -> list[dict[str, Any]]:
    """Find orders by customer, by status, by both, or all of them."""
    with transaction() as shop:
        email = _customer(shop, customer)["email"] if customer else None
        rows = shop.execute(
            f"{ORDERS} WHERE email IS ifnull(?, email) AND status = ifnull(?, status) ORDER BY id",
            (email, status),
        )
        return [_order_facts(row) for row in rows]


@tool(sentence="Look up order {order}", idempotent=True, risk="low")
def look_up_order(order: OrderNumber) -> dict[str, Any]:
    """Look up one order: customer, item, status, total, refunds, tags, the customer's note."""
    with transaction() as shop:
        return _order_facts(_order(shop, order))


@tool(sentence="Look up the customer {name_or_email}", idempotent=True, risk="low")
def look_up_customer(
    name_or_email: Annotated[
        str, Field(description="A name, a part of one, or an e-mail address.", min_length=1)
    ],
) -> dict[str, Any]:
    """Look up one customer: name, e-mail address, and the numbers of the orders."""
    with transaction() as shop:
        customer = _customer(shop, name_or_email)
        rows = shop.execute(f"{ORDERS} WHERE email = ? ORDER BY id", (customer["email"],))
        return {**dict(customer), "orders": [row["id"] for row in rows]}


@tool(
    sentence="Refund {amount} of order {order}, because: {reason}",
    risk="medium",
    preview=THE_ORDER,
)
def refund_order(
    order: OrderNumber,
    amount: Annotated[
        float,
        Field(
            description="How much to pay back, at most what is refundable.",
            gt=0,
            json_schema_extra={"format": "money"},
        ),
    ],
    reason: Reason,
) -> dict[str, Any]:
    """Pay back money for an order, in part or in full."""
    cents = _cents(amount)
    with transaction() as shop:
        before = _order(shop, order)
        left = before["total_cents"] - before["refunded_cents"]
        if not left:
            raise ValueError(f"order {order} is already refunded in full")
        if cents > left:
            raise ValueError(f"only {left / 100:.2f} of order {order} can still be refunded")
        shop.execute(
            "UPDATE orders SET refunded_cents = refunded_cents + ?, note = ? WHERE id = ?",
            (cents, reason, order),
        )
        return {**_order_facts(_order(shop, order)), "paid_back_now": cents / 100}


@tool(
    sentence="Send an e-mail to {to} with the subject {subject}",
    risk="medium",
    preview=EmailPreview(to="to", subject="subject", body="body"),
)
def send_email(
    to: Annotated[
        str,
        Field(
            description="The e-mail address of the recipient.",
            json_schema_extra={"format": "email"},
        ),
    ],
    subject: Annotated[str, Field(description="One line.", min_length=1)],
    body: Annotated[str, Field(description="The text of the e-mail.", min_length=1)],
) -> dict[str, Any]:
    """Send an e-mail to a customer."""
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+", to):
        raise ValueError(f"{to!r} is not an e-mail address; give one, such as name@example.com")
    if len(subject.splitlines()) != 1:
        raise ValueError("the subject must be one line")
    with transaction() as shop:
        return _put_in_outbox(shop, to, subject, body)


@tool(sentence="Ask the carrier about order {order}: {question}", risk="low")
def ask_carrier(
    order: OrderNumber,
    question: Annotated[str, Field(description="One question, in full.", min_length=1)],
) -> dict[str, Any]:
    """Ask the carrier about a parcel, by e-mail. The answer comes by telephone, to a colleague."""
    with transaction() as shop:
        status = _order(shop, order)["status"]
        if status not in ("shipped", "delivered"):
            raise ValueError(f"order {order} is {status}; the carrier has no parcel of it")
        sent = _put_in_outbox(shop, CARRIER, f"Parcel of order {order}", question)
        return {**sent, "answer": None, "hint": "No answer yet: the carrier answers by telephone."}


@tool(sentence="Tag order {order} as {tag}", risk="low", idempotent=True)
def tag_order(order: OrderNumber, tag: Tag) -> dict[str, Any]:
    """Put a tag on an order, for colleagues to see. One that is there already stays."""
    with transaction() as shop:
        _order(shop, order)
        shop.execute("INSERT INTO tags VALUES (?, ?) ON CONFLICT DO NOTHING", (order, tag))
        return {"order": order, "tags": _order(shop, order)["tags"]}


@tool(
    sentence="Cancel order {order}, because: {reason}",
    risk="medium",
    preview=THE_ORDER,
)
def cancel_order(order: OrderNumber, reason: Reason) -> dict[str, Any]:
    """Cancel an order that is still open. Pays nothing back: refund it if it was paid."""
    with transaction() as shop:
        status = _order(shop, order)["status"]
        if status == "cancelled":
            raise ValueError(f"order {order} is already cancelled")
        if status != "open":
            raise ValueError(f"order {order} is {status}; only open orders can be cancelled")
        shop.execute(
            "UPDATE orders SET status = 'cancelled', note = ? WHERE id = ?", (reason, order)
        )
        return _order_facts(_order(shop, order))


@tool(sentence="Delete the customer {customer} for good", risk="high", preview=THE_CUSTOMER)
def delete_customer(
    customer: Annotated[
        str,
        Field(
            description="The customer's e-mail address.",
            min_length=1,
            json_schema_extra={"format": "email"},
        ),
    ],
) -> dict[str, Any]:
    """Delete a customer for good. The orders stay, without a name; open ones must be settled."""
    with transaction() as shop:
        found = shop.execute("SELECT * FROM customers WHERE email = ?", (customer,)).fetchone()
        if found is None:
            raise ValueError(f"no customer has the e-mail address {customer!r}; look it up first")
        query = "SELECT id FROM orders WHERE customer = ? AND status IN ('open', 'shipped')"
        if unsettled := [str(row["id"]) for row in shop.execute(query, (customer,))]:
            raise ValueError(
                f"{found['name']} still has orders under way: {', '.join(unsettled)}; "
                "cancel those that are open, wait for those that are shipped"
            )
        shop.execute("DELETE FROM customers WHERE email = ?", (customer,))
        return {"deleted": found["name"], "email": found["email"]}


def panel() -> dict[str, list[dict[str, Any]]]:
    """The shop as tables, as it is now."""
    with transaction() as shop:
        orders = [_order_row(row) for row in shop.execute(f"{ORDERS} ORDER BY id")]
        customers = shop.execute(
            "SELECT name AS Name, email AS Email, since AS Since FROM customers ORDER BY since"
        ).fetchall()
        outbox = shop.execute(
            'SELECT id AS "No.", recipient AS "To", subject AS Subject, body AS Text, sent AS Sent '
            "FROM outbox ORDER BY id DESC"
        ).fetchall()
    return {
        "Orders": orders,
        "Customers": [dict(row) for row in customers],
        "Outbox": [dict(row) for row in outbox],
    }


def reset() -> None:
    """Bring the sample data back."""
    with transaction() as shop:
        fill(shop)


ORDERS = """
SELECT orders.*, name, email,
       ifnull((SELECT group_concat(tag, ', ') FROM tags WHERE order_id = orders.id), '') AS tags
FROM orders LEFT JOIN customers ON customers.email = orders.customer
"""


def _order(shop: sqlite3.Connection, number: int) -> sqlite3.Row:
    row: sqlite3.Row | None = shop.execute(f"{ORDERS} WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise ValueError(f"there is no order {number}; find_orders tells which there are")
    return row


def _customer(shop: sqlite3.Connection, asked: str) -> sqlite3.Row:
    """The one customer with this e-mail address, this name, or this in the name."""
    wanted = " ".join(asked.split()).casefold()
    everybody = shop.execute("SELECT * FROM customers ORDER BY name").fetchall()
    exact = [
        row for row in everybody if wanted in (row["email"].casefold(), row["name"].casefold())
    ]
    found: list[sqlite3.Row] = exact or [
        row for row in everybody if wanted in row["name"].casefold()
    ]
    if not wanted or not found:
        raise ValueError(f"there is no customer {asked!r}; try a part of the name")
    if len(found) > 1:
        names = ", ".join(f"{row['name']} <{row['email']}>" for row in found)
        raise ValueError(f"{asked!r} fits several customers: {names}; give the e-mail address")
    return found[0]


def _put_in_outbox(shop: sqlite3.Connection, to: str, subject: str, body: str) -> dict[str, Any]:
    """Where an e-mail goes: this shop has an outbox, and no line to the world."""
    sent = datetime.now().isoformat(" ", "seconds")
    added = shop.execute(
        "INSERT INTO outbox (sent, recipient, subject, body) VALUES (?, ?, ?, ?)",
        (sent, to, subject, body),
    )
    return {"email": added.lastrowid, "to": to, "subject": subject, "sent": sent}


def _order_facts(row: sqlite3.Row) -> dict[str, Any]:
    """An order for the model: every amount in it can be given back as it is."""
    return {
        "order": row["id"],
        "customer": row["name"],
        "email": row["email"],
        "item": row["item"],
        "placed": row["placed"],
        "status": row["status"],
        "total": row["total_cents"] / 100,
        "refunded": row["refunded_cents"] / 100,
        "refundable": (row["total_cents"] - row["refunded_cents"]) / 100,
        "note": row["note"],
        "customer_note": row["customer_note"],
        "tags": row["tags"],
    }


def _order_row(row: sqlite3.Row) -> dict[str, Any]:
    """An order for the panel."""
    return {
        "Order": row["id"],
        "Status": row["status"],
        "Total": f"{row['total_cents'] / 100:.2f}",
        "Refunded": f"{row['refunded_cents'] / 100:.2f}",
        "Customer": row["name"] or "(deleted)",
        "Item": row["item"],
        "Tags": row["tags"],
    }


def _cents(amount: float) -> int:
    """The amount in cents; nothing is rounded in silence."""
    if not 0 < amount < 1_000_000:
        raise ValueError("the amount must be above 0 and below a million")
    cents = round(amount * 100)
    if abs(amount * 100 - cents) > 1e-6:
        raise ValueError(f"{amount} is no amount of money: at most two decimals")
    return cents
