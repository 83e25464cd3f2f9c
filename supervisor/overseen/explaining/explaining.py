"""Why a job is where it is, and what happens next: one function for each status."""

from __future__ import annotations

from typing import assert_never

from overseen.explaining.explanation import Explanation
from overseen.explaining.situation import AHEAD_MAX, Situation
from overseen.explaining.story import (
    LEFT_OUT,
    attempts_of,
    by,
    last_move,
    steps_of,
    why_in_words,
)
from overseen.explaining.times import ago, lasting, until
from overseen_storage.lifecycle import Held, Reason, Status
from overseen_storage.records import JobError, JobRecord

__all__ = ["explain"]


class _Said:
    """What is said of the situation: sentences, in the order of their weight."""

    def __init__(self) -> None:
        self.summary = ""
        self.why: list[str] = []
        self.next: list[str] = []


def explain(situation: Situation) -> Explanation:
    """Explain one job. Pure: the same situation gives the same words."""
    job = situation.job
    said = _Said()
    _say(situation, said)
    return Explanation(
        job_id=job.id,
        kind=job.kind,
        queue=job.queue,
        status=job.status,
        summary=said.summary or said.why[0],
        why=tuple(said.why),
        next=tuple(said.next),
        attempts=attempts_of(situation.events),
        history=steps_of(situation.events),
        progress_events=sum(event.type in LEFT_OUT for event in situation.events),
    )


def _say(situation: Situation, said: _Said) -> None:
    status = situation.job.status
    match status:
        case Status.DRAFT:
            _draft(situation, said)
        case Status.SCHEDULED:
            _scheduled(situation, said)
        case Status.RETRYING:
            _retrying(situation, said)
        case Status.PENDING:
            _pending(situation, said)
        case Status.RUNNING:
            _running(situation, said)
        case Status.CANCELLING:
            _cancelling(situation, said)
        case Status.COMPLETED | Status.FAILED | Status.CANCELLED:
            _ended(situation, said)
        case Status.BLOCKED:
            said.why.append("It waits for other jobs.")
        case _:
            assert_never(status)


def _draft(situation: Situation, said: _Said) -> None:
    job = situation.job
    files = f"{job.attachments} file{'' if job.attachments == 1 else 's'}"
    said.summary = "It is a draft: nobody has released it yet."
    said.why.append(f"It is a draft with {files}: its author has not released it.")
    if job.expires_at is not None:
        said.next.append(
            f"It expires at {until(job.expires_at, situation.now)} unless it is released, or "
            "somebody goes on with it."
        )
    _without_owner(situation, said)


def _scheduled(situation: Situation, said: _Said) -> None:
    job = situation.job
    if job.reason is Reason.SNOOZED:
        said.why.append(
            f"Attempt {job.fence} asked to be run again later (for the {_nth(job.snoozes)} time)."
        )
    else:
        said.why.append("It was submitted for later.")
    _due(situation, said)


def _retrying(situation: Situation, said: _Said) -> None:
    job = situation.job
    why = why_in_words(job.reason) if job.reason else "it failed"
    said.why.append(
        f"Attempt {job.fence} failed: {why}{_error(job.error)}. That was failure {job.failures}; "
        f"{job.retries} may be retried."
    )
    _due(situation, said)


def _due(situation: Situation, said: _Said) -> None:
    """It waits for its time: the earlier of both."""
    job = situation.job
    times = [at for at in (job.due_at, job.due_wall_at) if at is not None]
    when = until(min(times), situation.now) if times else "a time that is not known"
    said.summary = f"It waits for its time: {when}."
    said.next.append(
        f"It becomes pending at {when}; attempt {job.fence + 1} then starts in its turn. "
        "promote() makes it due now."
    )
    _around(situation, said, is_next=True)


def _pending(situation: Situation, said: _Said) -> None:
    job = situation.job
    if job.held is not None:
        _held(job.held, said)
    _around(situation, said, is_next=False)
    if job.held is None:
        _in_queue(situation, said)
    if job.expires_at is not None:
        said.next.append(
            f"It fails as `expired` at {until(job.expires_at, situation.now)} if it has not "
            "started by then."
        )


def _held(held: Held, said: _Said) -> None:
    match held:
        case Held.UNREGISTERED:
            said.why.append(
                "It is held: the program that owns the database does not know its kind."
            )
            said.next.append("A program that knows its kind releases it when it starts.")
        case Held.LOST:
            said.why.append('It is held: its process died, and its kind says on_lost="hold".')
            said.next.append("Somebody has to decide: release() or cancel().")
        case Held.OPERATOR:
            said.why.append("It is held: an operator parked it.")
            said.next.append("release() lets it be started, cancel() ends it.")
        case _:
            assert_never(held)


def _around(situation: Situation, said: _Said, *, is_next: bool) -> None:
    """What keeps anything of its queue, batch or database from starting."""
    to = said.next if is_next else said.why
    if situation.paused_at is not None:
        who = "" if situation.paused_by is None else f", {by(situation.paused_by)}"
        since = ago(situation.paused_at, situation.now)
        to.append(f"Its queue {situation.job.queue!r} is paused since {since}{who}.")
        said.next.append(f"resume({situation.job.queue!r}) lets it go on.")
    batch = situation.batch
    if batch is not None and batch.stopped is not None and not batch.ended:
        why = why_in_words(batch.stopped)
        to.append(f"Its batch {batch.id} ({batch.name!r}) was stopped: {why}.")
        said.next.append("It is cancelled with the other members of the batch that wait.")
    _without_owner(situation, said, to=to)


def _without_owner(situation: Situation, said: _Said, *, to: list[str] | None = None) -> None:
    owner = situation.owner
    if owner is not None and owner.alive is not False:
        return
    told = said.next if to is None else to
    if owner is None:
        told.append("No program owns the database: nothing happens until one starts.")
    else:
        told.append(f"{owner.name} owned the database and died: nothing happens until one starts.")


def _in_queue(situation: Situation, said: _Said) -> None:
    job, ahead = situation.job, situation.ahead
    if ahead is not None and ahead > AHEAD_MAX:
        said.why.append(f"It waits in queue {job.queue!r} behind more than {AHEAD_MAX:,} jobs.")
    elif ahead:
        jobs = "1 job" if ahead == 1 else f"{ahead:,} jobs"
        said.why.append(f"It waits in queue {job.queue!r} behind {jobs}.")
    else:
        said.why.append(f"It is the next of queue {job.queue!r}.")
    slots = situation.slots
    if slots is not None and slots.queue_limit is not None:
        said.why.append(f"{slots.running_in_queue} of {slots.queue_limit} slots of it are taken.")
    if slots is not None and slots.running >= slots.concurrency:
        said.why.append(f"All {slots.concurrency} slots of the supervisor are taken.")
    if job.ready_at is not None:
        said.why.append(f"It is ready since {ago(job.ready_at, situation.now)}.")
    said.next.append(f"Attempt {job.fence + 1} starts when a slot is free and its turn comes.")


def _running(situation: Situation, said: _Said) -> None:
    job, now = situation.job, situation.now
    since = "" if job.attempt_started_at is None else f" since {ago(job.attempt_started_at, now)}"
    if _is_orphan(situation):
        _orphan(situation, said, since)
        return
    said.summary = f"Attempt {job.fence} runs{since}."
    said.why.append(said.summary)
    if job.progress is not None:
        said.why.append(f"Its last progress: {_progress(job)}.")
    if job.stop_reason is not None:
        said.why.append(f"It was told to stop: {why_in_words(job.stop_reason)}.")
        said.next.append("When its body ends, it counts as a failure, whatever it returns.")
    elif job.deadline_at is not None:
        said.next.append(f"Its run timeout is at {until(job.deadline_at, now)}.")
    if situation.stuck:
        said.why.append("Its body ignores its cancellation; its slot was released.")
    if job.failures < job.retries:
        said.next.append(f"If it fails, it is retried: {job.failures} of {job.retries} used.")
    else:
        said.next.append("If it fails, that is its end: no failure may be retried any more.")


def _cancelling(situation: Situation, said: _Said) -> None:
    asked = last_move(situation.events, Status.CANCELLING)
    when = "" if asked is None else f", asked {by(asked.cause)} at {ago(asked.at, situation.now)}"
    if _is_orphan(situation):
        _orphan(situation, said, when)
        return
    said.summary = f"It is being cancelled{when}."
    said.why.append(said.summary)
    if situation.stuck:
        said.why.append("Its body ignores it; its slot was released.")
    said.next.append(
        "When its body has really ended it is cancelled; completed, if it returns a value first."
    )


def _is_orphan(situation: Situation) -> bool:
    return situation.owner is None or situation.owner.alive is False


def _orphan(situation: Situation, said: _Said, since: str) -> None:
    """A dead process left it running."""
    job = situation.job
    said.summary = f"The process that ran attempt {job.fence} died: it does not run any more."
    said.why.append(f"Its row says {job.status}{since}, but no program owns the database.")
    if job.status is Status.CANCELLING:
        said.next.append("The next start cancels it: its body is dead, so the wish is fulfilled.")
    elif job.losses < job.losses_allowed:
        said.next.append(
            f"The next start puts it back into its queue, unless its kind says otherwise (loss "
            f"{job.losses + 1}, {job.losses_allowed} allowed)."
        )
    else:
        said.next.append("The next start fails it as `lost`: its budget of losses is used up.")


def _ended(situation: Situation, said: _Said) -> None:
    job = situation.job
    when = "" if job.completed_at is None else f" at {ago(job.completed_at, situation.now)}"
    took = ""
    if job.completed_at is not None and job.attempt_started_at is not None:
        took = f", {lasting(job.completed_at - job.attempt_started_at)} after its last start"
    said.summary = f"It is {job.status}{when}{took}."
    why = f": {why_in_words(job.reason)}" if job.reason is not None else ""
    said.why.append(f"It {_how(job.status)}{why}, {by(job.cause)}{_error_of_end(job)}.")
    if job.warnings:
        said.why.append(f"Its body gave {job.warnings} warning{'' if job.warnings == 1 else 's'}.")
    said.next.append("Nothing: it has ended for good. retry() makes a new job of it.")


def _how(status: Status) -> str:
    return "was cancelled" if status is Status.CANCELLED else str(status)


def _error_of_end(job: JobRecord) -> str:
    # A row keeps what an earlier attempt died of; it is not how a cancelled job ended.
    return _error(job.error) if job.status is Status.FAILED else ""


def _error(error: JobError | None) -> str:
    if error is None:
        return ""
    first = error.message.partition("\n")[0][:200]
    return f" ({error.type}: {first})" if first else f" ({error.type})"


def _progress(job: JobRecord) -> str:
    progress = job.progress
    assert progress is not None
    of = "" if progress.total is None else f" of {progress.total:g}"
    parts = [f"{progress.done:g}{of}" if progress.done is not None else ""]
    parts += [progress.stage or "", progress.message or ""]
    return ", ".join(part for part in parts if part) or "none that says anything"


def _nth(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"
