"""Mutants of starts and stops, and of what may never change."""

from __future__ import annotations

from tests.sim.mutants.mutant import Mutant, mutant
from tests.sim.mutants.planting import Code, code

from overseen.committing import Committing
from overseen.life import Life
from overseen_storage.sqlite import opening
from overseen_storage.sqlite.door import Door

_BEGINS = "        previous = connection.execute(statement("
_COMMITS = "        try:\n            committed: Committed = await self._store.commit(group)\n"
_OBEYS = """\
        from overseen.messages import PlaceOrder
        from overseen_storage.orders import Attach, Obeyed, SealBatch, StopBatch
        kinds = Attach | SealBatch | StopBatch
        for one in plan.placed:
            if isinstance(one, PlaceOrder) and isinstance(one.order, kinds):
                if not one.reply.done():
                    one.reply.set_result(Obeyed(batch_id=getattr(one.order, "batch_id", None)))
"""


def _at_each_start(statement: str) -> Code:
    return code(
        opening, "begin_epoch", (_BEGINS, f'        connection.execute("{statement}")\n{_BEGINS}')
    )


LIVES: tuple[Mutant, ...] = (
    mutant(
        "a start rewrites history",
        "what is on the ledger stays as it is",
        "I17 the ledger only grows",
        _at_each_start("UPDATE ledger SET data = NULL WHERE seq > 3 AND data IS NOT NULL"),
    ),
    mutant(
        "a start forgets the last job",
        "nothing is deleted but by pruning",
        "I17",
        _at_each_start("DELETE FROM job WHERE id = (SELECT max(id) FROM job) AND batch_id IS NULL"),
    ),
    mutant(
        "fence falls",
        "a fence only rises",
        "I6 the fence never falls",
        _at_each_start("UPDATE job SET fence = fence - 1 WHERE fence > 1 AND completed_at IS NULL"),
    ),
    mutant(
        "a failed start keeps the lock",
        "a start that fails leaves nothing open",
        "L4 a start succeeds",
        code(
            Door,
            "open",
            ("                    lock.release()", "                    self._kept = lock"),
        ),
    ),
    mutant(
        "a start changes summaries",
        "a summary is frozen",
        "I28 a summary is frozen",
        _at_each_start("UPDATE batch SET summary = json_set(summary, '$.name', 'x')"),
    ),
    mutant(
        "a stop leaves a task",
        "after a stop nothing of the supervisor is left",
        "L4 a stop leaves no task",
        code(
            Life,
            "_close_files",
            (
                "        running = self.running\n",
                "        running = self.running\n"
                "        running.forgotten = asyncio.create_task(asyncio.sleep(1_000))\n",
            ),
        ),
    ),
    mutant(
        "log lines are not awaited",
        "a stop writes the last log lines",
        "R3 no warning",
        code(Life, "_last_words", ("await running.scribe.flush()", "running.scribe.flush()")),
    ),
    mutant(
        "orders acknowledged before commit",
        "who attaches a file, or seals or stops a batch, is answered after COMMIT",
        "I17 an acknowledged",
        code(Committing, "_commit", (_COMMITS, _OBEYS + _COMMITS)),
    ),
)
