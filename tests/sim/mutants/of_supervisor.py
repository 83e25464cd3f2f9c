"""Mutants of the supervisor: what is told when, judged when, counted, and given back."""

from __future__ import annotations

from tests.sim.mutants.mutant import Mutant, mutant
from tests.sim.mutants.planting import code, sql

from overseen import deciding, recovery, watch
from overseen.accounting import Accounting
from overseen.asking import Asking
from overseen.bodies import Bodies
from overseen.committing import Committing
from overseen.context import Context
from overseen.effects import Effects
from overseen.life import Life
from overseen.lives import Lives
from overseen.planning import Planner
from overseen.queues import Queues
from overseen.running import Running
from overseen.scheduler import Scheduler
from overseen.supervising import SupervisorActor
from overseen.watch import Watch

_COMMITS = "        try:\n            committed: Committed = await self._store.commit(group)\n"
_ACKNOWLEDGES = """\
        next_id = self._store._door.session.heights.id + 1
        for submit in plan.submits:
            count = len(submit.submission.jobs)
            ids = range(next_id, next_id + count)
            next_id += count
            if not any(job.key or job.idempotency_key for job in submit.submission.jobs):
                from overseen.messages import SubmitAnswered
                if not submit.reply.done():
                    submit.reply.set_result(SubmitAnswered(ids, None))
"""
_TELLS_ENDS = """\
        from overseen.recent import End
        for finish in plan.finishes:
            end = End(
                "", finish.status, finish.fence, finish.reason, finish.error, finish.result, 0
            )
            self._effects._recent.add(finish.job_id, end)
"""
_TELLS_EVENTS = """\
        from overseen_storage.lifecycle import EventType
        from overseen_storage.records import Event
        feed, found = self._effects._feed, []
        for finish in plan.finishes[:1]:
            found.append(Event(
                seq=feed.height + 1, at=group.at, type=EventType.COMPLETED, job_id=finish.job_id,
                status=finish.status, fence=finish.fence, cause=finish.cause,
            ))
        if found and feed._waiting and feed._ring.end == feed.height:
            feed.height += 1
            feed._ring.extend(found, feed.height)
            feed._pacer.give(feed._waiting.take(found))
"""

SUPERVISOR: tuple[Mutant, ...] = (
    mutant(
        "acknowledge before commit",
        "callers are answered after COMMIT",
        "I17",
        code(Committing, "_commit", (_COMMITS, _ACKNOWLEDGES + _COMMITS)),
    ),
    mutant(
        "end told before commit",
        "store first, memory second",
        "R7",
        code(Committing, "_commit", (_COMMITS, _TELLS_ENDS + _COMMITS)),
    ),
    mutant(
        "event before commit",
        "subscribers are woken after COMMIT",
        "I26",
        code(Committing, "_commit", (_COMMITS, _TELLS_EVENTS + _COMMITS)),
    ),
    mutant(
        "checkpoint acknowledged before commit",
        "an awaited checkpoint is on disk",
        "I17 an acknowledged checkpoint",
        code(Context, "checkpoint", ("return Saved(saved)", "return Saved(None)")),
    ),
    mutant(
        "cancel answered before the body ended",
        "a cancel that waits answers the end, when the body has really ended",
        "I13",
        code(
            Asking,
            "_outcome_of_cancel",
            (
                '                answer: Answer = "stuck" if attempt.stuck else "requested"',
                '                answer: Answer = "stuck" if attempt.stuck else "requested"\n'
                "            if attempt is not None:\n"
                '                answer = answer if attempt.stuck or not wait else "cancelled"',
            ),
        ),
    ),
    mutant(
        "retry without budget",
        "a job fails when its failures are used up",
        "audit: counters",
        code(deciding, "_failed", ("failures > known.retries", "failures > known.retries + 1")),
    ),
    mutant(
        "losses not counted",
        "each loss costs one of the losses that are allowed",
        "audit: counters",
        code(
            deciding,
            "after_loss",
            (
                "        held=held,\n        error=error,\n        losses=1,\n",
                "        held=held,\n        error=error,\n        losses=0,\n",
            ),
        ),
    ),
    mutant(
        "interrupted costs a retry",
        "an interruption by a stop is free",
        "audit: counters",
        code(deciding, "after_attempt", ("interruptions=1,", "interruptions=0, failures=1,")),
    ),
    mutant(
        "snooze costs a retry",
        "a snooze is free",
        "audit: counters",
        code(deciding, "after_attempt", ("snoozes=1,", "failures=1,")),
    ),
    mutant(
        "lost jobs are not held",
        "a kind that says so is held when its process died",
        "a lost job is held",
        code(
            deciding,
            "after_loss",
            ("Held.LOST if lost.on_lost is OnLost.HOLD else None", "None"),
        ),
    ),
    mutant(
        "a value while cancelling is thrown away",
        "who returns a value first has completed",
        "I13",
        code(
            deciding,
            "_after_cancelling",
            ("case Returned() if known.stop_reason is None:", "case Returned() if False:"),
        ),
    ),
    mutant(
        "verdict forgotten",
        "once a timeout is committed, that is the outcome, whatever the body returns",
        "I14",
        code(
            deciding,
            "after_attempt",
            (
                "    if known.stop_reason is not None:",
                "    if known.stop_reason is not None and not isinstance(ended, Returned):",
            ),
        ),
    ),
    mutant(
        "timeout judged before the mailbox drained",
        "ends are planned before anybody is judged",
        "I14",
        code(
            Planner,
            "_plan_ends",
            (
                "if type(message) is Finished:",
                "if type(message) is Finished and not any("
                "type(one) is Tick and one.look for one in self._in_hand):",
            ),
        ),
        code(
            Planner,
            "_plan_one",
            (
                "            case Tick() | Finished():",
                "            case Finished():\n"
                "                return False\n"
                "            case Tick():",
            ),
        ),
        code(watch, "judge", ("    if attempt.ended is not None:", "    if False:")),
    ),
    mutant(
        "stall not given back",
        "nobody is failed because the loop stood still",
        "L3",
        code(Watch, "give_back", ("        stalled_since = now - late_seconds", "        return")),
    ),
    mutant(
        "silence never noticed",
        "who promised a sign of life and gives none is told to stop",
        "L3",
        code(
            watch,
            "judge",
            ("if silence is not None and now >= attempt.last_beat + silence:", "if False:"),
            ("    if silence is not None:", "    if False:"),
        ),
    ),
    mutant(
        "timeouts never noticed",
        "who runs longer than its timeout is told to stop",
        "L3",
        code(
            watch,
            "judge",
            (
                "if attempt.body_deadline is not None and now >= attempt.body_deadline:",
                "if False:",
            ),
            ("[] if attempt.body_deadline is None else [attempt.body_deadline]", "[]"),
        ),
    ),
    mutant(
        "pause ignored",
        "nothing is started from a paused queue",
        "audit: pauses",
        code(Queues, "claims", ("if queue in self._paused or queue in pausing:", "if False:")),
    ),
    mutant(
        "pause forgotten at a restart",
        "a queue that is paused stays so",
        "audit: pauses",
        code(Life, "_open", ("if queue.paused_at is not None:", "if False:")),
    ),
    mutant(
        "queue limit off by one",
        "no more run than the queue's limit",
        "I12",
        code(
            Queues,
            "_room_in",
            (
                "limit - self.running_in(queue) + freed",
                "limit - self.running_in(queue) + freed + 1",
            ),
        ),
    ),
    mutant(
        "common limit off by one",
        "no more run than the common limit",
        "I12",
        code(
            Queues,
            "claims",
            ("self.concurrency - self.running", "self.concurrency + 1 - self.running"),
        ),
    ),
    mutant(
        "slot not given back",
        "the slot of a body that ended is free",
        "L",
        code(
            Accounting,
            "_drop",
            (
                "        if not attempt.stuck:",
                "        if not attempt.stuck and not attempt.told_to_stop:",
            ),
        ),
    ),
    mutant(
        "slot of a stuck body given back twice",
        "the slot of a stuck body is free once",
        "",
        code(Accounting, "_drop", ("        if not attempt.stuck:", "        if True:")),
    ),
    mutant(
        "new queues are no candidates",
        "a commit that makes a job pending makes its queue a candidate",
        "L",
        code(Queues, "enter", ("        self._candidates[queue] = None", "        pass")),
    ),
    mutant(
        "due jobs wait for the sweep",
        "the scheduler wakes when something becomes due",
        "L1",
        code(
            Scheduler,
            "run",
            ("if waits else None", "if waits and False else None"),
        ),
    ),
    mutant(
        "recovery skips cancelling rows",
        "a start resolves every row of a dead life",
        "",
        sql("orphans", "epoch <> :epoch", "epoch <> :epoch AND status = 5"),
    ),
    mutant(
        "recovery off by one",
        "a start resolves every row of a dead life",
        "",
        code(
            recovery,
            "_resolve",
            ("for row in rows]", "for row in (rows[:-1] if len(rows) > 1 else rows)]"),
        ),
    ),
    mutant(
        "no recovery",
        "a start resolves every row of a dead life, before any new work",
        "",
        code(Life, "_open", ("        if opened.live:", "        if False:")),
    ),
    mutant(
        "rows without a body stay",
        "after a failure rows that run on paper only are put back",
        "L",
        code(recovery, "reconcile", ("        if moves:", "        if False:")),
    ),
    mutant(
        "stuck bodies do not keep the file",
        "nobody starts a job whose body still lives",
        "I10",
        code(
            Lives,
            "start",
            ("if self._last is not None and self._last.running.survivors:", "if False:"),
        ),
        code(Life, "_close", ("keep_owner=bool(running.bodies.survivors)", "keep_owner=False")),
    ),
    mutant(
        "degraded not declared",
        "a store that fails is declared, and nothing is started until it works",
        "L",
        code(
            Committing,
            "degrade",
            (
                "        if self.trouble is None:",
                "        return\n        if self.trouble is None:",
            ),
        ),
    ),
    mutant(
        "result lost while degraded",
        "what a body reported is kept until it is stored",
        "L",
        code(
            Effects,
            "undo",
            ("            self._backlog.append(Finished(attempt))", "            pass"),
        ),
    ),
    mutant(
        "reports refused while degraded",
        "what a body reports while the store fails is kept",
        "L",
        code(
            SupervisorActor,
            "_refuse_requests",
            ("kept.append(message)", "pass"),
        ),
    ),
    mutant(
        "body begins before its start is stored",
        "bodies are started after COMMIT",
        "I",
        code(
            Committing,
            "_commit",
            (
                "            self._stamper.give_back(committed.last_stamp)",
                "            self._stamper.give_back(committed.last_stamp)\n"
                "            for claimed in committed.claimed[:1]:\n"
                "                self._effects._begin(self._accounting._enlist(claimed))",
            ),
        ),
    ),
    mutant(
        "claims while stopping",
        "nothing is started while it stops",
        "L4 nothing is started",
        code(Running, "scope", ("Scope(not self.quiet, ", "Scope(True, ")),
    ),
    mutant(
        "attempts are not watched",
        "who has a deadline is followed from its start",
        "L3",
        code(Bodies, "enlist", ("        if attempt.is_timed:", "        if False:")),
    ),
)
