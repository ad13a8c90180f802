"""The demo shop's database: its tables, its sample data, and one connection per transaction."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hitl.settings import Settings

TABLES = """
CREATE TABLE customers (
    email TEXT PRIMARY KEY COLLATE NOCASE,
    name TEXT NOT NULL,
    since TEXT NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer TEXT REFERENCES customers ON DELETE SET NULL,
    placed TEXT NOT NULL,
    item TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'shipped', 'delivered', 'cancelled')),
    total_cents INTEGER NOT NULL CHECK (total_cents > 0),
    refunded_cents INTEGER NOT NULL DEFAULT 0 CHECK (refunded_cents BETWEEN 0 AND total_cents),
    note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    sent TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);
"""

CUSTOMERS = [
    ("mara.lindqvist@example.com", "Mara Lindqvist", "2021-03-14"),
    ("tomas.kaneko@example.com", "Tomas Kaneko", "2021-11-02"),
    ("ines.bellweather@example.com", "Ines Bellweather", "2022-01-20"),
    ("jonah.adeyemi@example.com", "Jonah Adeyemi", "2022-07-08"),
    ("lucia.ferrante@example.com", "Lucia Ferrante", "2023-02-27"),
    ("wim.oosterhuis@example.com", "Wim Oosterhuis", "2023-09-15"),
    ("priya.ramdas@example.com", "Priya Ramdas", "2024-04-30"),
    ("oskar.brandt@example.com", "Oskar Brandt", "2024-10-11"),
]

ORDERS = [
    # id, customer, placed, item, status, total, already refunded
    (1038, "tomas.kaneko@example.com", "2026-01-09", "Oak side table", "delivered", 18900, 0),
    (1039, "mara.lindqvist@example.com", "2026-01-15", "Linen curtains", "delivered", 7450, 7450),
    (1040, "priya.ramdas@example.com", "2026-01-22", "Reading lamp", "delivered", 5990, 0),
    (1041, "oskar.brandt@example.com", "2026-02-03", "Wool blanket", "cancelled", 6400, 6400),
    (1042, "mara.lindqvist@example.com", "2026-02-11", "Espresso machine", "delivered", 24900, 0),
    (1043, "lucia.ferrante@example.com", "2026-02-12", "Copper pan", "delivered", 8900, 2000),
    (1044, "wim.oosterhuis@example.com", "2026-02-19", "Bookshelf", "shipped", 31500, 0),
    (1045, "ines.bellweather@example.com", "2026-02-24", "Garden bench", "open", 27900, 0),
    (1046, "tomas.kaneko@example.com", "2026-03-01", "Floor cushion", "shipped", 3950, 0),
    (1047, "jonah.adeyemi@example.com", "2026-03-04", "Desk chair", "open", 21900, 0),
    (1048, "ines.bellweather@example.com", "2026-03-05", "Parasol", "open", 11900, 0),
    (1049, "priya.ramdas@example.com", "2026-03-06", "Teapot", "open", 4290, 0),
    (1050, "mara.lindqvist@example.com", "2026-03-07", "Milk frother", "shipped", 3990, 0),
    (1051, "lucia.ferrante@example.com", "2026-03-09", "Knife set", "open", 14900, 0),
    (1052, "wim.oosterhuis@example.com", "2026-03-10", "Wall clock", "open", 5450, 0),
]


def database() -> Path:
    """Where the shop is: beside the journal."""
    return Settings.from_env().data_dir / "shop.sqlite"


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """All or nothing, one writer at a time; the shop is made when it is first used."""
    path = database()
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        # IMMEDIATE: what a transaction read stays true until it has written.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                _open_shop(connection)
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _open_shop(connection: sqlite3.Connection) -> None:
    for statement in filter(str.strip, TABLES.split(";")):
        connection.execute(statement)
    fill(connection)
    connection.execute("PRAGMA user_version = 1")


def fill(connection: sqlite3.Connection) -> None:
    """Put the sample data, and nothing else, into the shop."""
    for table in ("outbox", "orders", "customers"):
        connection.execute(f"DELETE FROM {table}")
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, '')", ORDERS)
