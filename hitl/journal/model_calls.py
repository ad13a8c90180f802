"""Every call of the model, kept as it was: what is not stored now can't be replayed later."""

from sqlalchemy import Connection, insert, select

from hitl.journal.tables import model_call
from hitl.journal.values import ModelCall


def keep(tx: Connection, call: ModelCall) -> None:
    """Keep a model call, also one that failed."""
    tx.execute(insert(model_call).values(**vars(call)))


def of_run(tx: Connection, run_id: str) -> list[ModelCall]:
    """Every call of the model in this run, oldest first, the failed ones too."""
    query = select(model_call).where(model_call.c.run_id == run_id).order_by(model_call.c.id)
    return [
        ModelCall(**{key: value for key, value in row._mapping.items() if key != "id"})
        for row in tx.execute(query)
    ]
