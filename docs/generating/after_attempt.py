"""The tables of what follows an attempt: made by running the decisions over all combinations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final, TypeAlias

from docs.generating.markdown import code, table

from overseen.deciding import Decision, Known, Lost, after_attempt, after_loss
from overseen.ended import Cancelled, Ended, GaveUp, Invalid, Raised, Returned, Snoozed
from overseen.job_options import JobDefinition, OnLost
from overseen_storage.items import Finish, PutBack
from overseen_storage.lifecycle import Reason
from overseen_storage.records import JobError

AFTER_ATTEMPT = """
## After an attempt

How the body ended, against what the supervisor had committed before. `a / b` means: `a` if another
attempt is allowed (the budget of failures lasts, and the error is one that `retry_on` names), else
`b`. A timeout or a silence counts as `TimeoutError` there.
"""

COSTS = """
What a move adds to the job's counters. Failures are counted against `retries=`, losses against
`losses=`; the others are free.
"""

Column: TypeAlias = tuple[str, ...]

_ERROR: Final = JobError("ValueError", "an example")

ENDS: Final = MappingProxyType[str, Ended](
    {
        "returned a value": Returned("1"),
        "raised": Raised(_ERROR, ValueError("an example")),
        "ended with CancelledError": Cancelled(JobError("CancelledError", "")),
        "raised `Snooze`": Snoozed(60.0),
        "raised `Abandon`": GaveUp(_ERROR),
        "arguments or result invalid": Invalid(_ERROR),
    }
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What was committed, or told to the body, before it ended."""

    cancelling: bool
    stop_reason: Reason | None
    interrupted: bool

    @property
    def words(self) -> str:
        """In a few words."""
        said = ["cancel asked"] * self.cancelling
        said += [] if self.stop_reason is None else [f"stopping: {self.stop_reason}"]
        said += ["shutdown"] * self.interrupted
        return " + ".join(said) or "nothing"


def _definition(retry_on: type[BaseException]) -> JobDefinition:
    return JobDefinition(
        kind="example",
        function="example",
        location="",
        is_async=True,
        takes_context=False,
        retry_on=(retry_on,),
    )


ALLOWED: Final = (3, _definition(Exception))
REFUSED: Final = ((0, _definition(Exception)), (3, _definition(ZeroDivisionError)))
"""The budget is used up; the error is not one to retry."""


def situations() -> list[Situation]:
    """Every combination, also those in which two things came together."""
    stops = (None, Reason.TIMEOUT, Reason.SILENT)
    return [Situation(*one) for one in product((False, True), stops, (False, True))]


def decide(situation: Situation, ended: Ended, allowance: tuple[int, JobDefinition]) -> Decision:
    """Ask the product."""
    retries, definition = allowance
    known = Known(
        job_id=1,
        fence=1,
        failures=0,
        retries=retries,
        definition=definition,
        cancelling=situation.cancelling,
        stop_reason=situation.stop_reason,
        interrupted=situation.interrupted,
    )
    return after_attempt(known, ended, 0, lambda: 0.5)


def every_decision() -> list[Decision]:
    """What follows, for all combinations."""
    return [
        decide(situation, ended, allowance)
        for situation in situations()
        for ended in ENDS.values()
        for allowance in (ALLOWED, *REFUSED)
    ]


def attempt_table() -> str:
    """One column for each set of situations in which everything goes the same way."""
    columns: dict[Column, list[Situation]] = {}
    for situation in situations():
        cells = tuple(_cell(situation, ended) for ended in ENDS.values())
        columns.setdefault(cells, []).append(situation)
    head = ["the body", *(_title(group) for group in columns.values())]
    rows = [[end, *(column[index] for column in columns)] for index, end in enumerate(ENDS)]
    return table(head, rows)


def costs_table() -> str:
    """Status and reason, and what they add to the counters."""
    costs: dict[tuple[str, str], set[str]] = {}
    for decision in [*every_decision(), *every_loss()]:
        counted = [f"{name} + 1" for name in _COUNTERS if getattr(decision, name, 0)]
        key = (decision.status, decision.reason or "")
        costs.setdefault(key, set()).add(", ".join(counted) or "nothing")
    rows = [
        (code(status), code(reason), _only(cost))
        for (status, reason), cost in sorted(costs.items())
    ]
    return table(["to", "reason", "adds"], rows)


def loss_table() -> str:
    """What becomes of a job whose process died."""
    head = ["`on_lost`", "losses left", "no losses left", "cancel asked before"]
    rows = [
        (
            code(on_lost),
            _shown(after_loss(_lost(on_lost, left=True))),
            _shown(after_loss(_lost(on_lost, left=False))),
            _only({_shown(after_loss(_lost(on_lost, left, cancelling=True))) for left in _EITHER}),
        )
        for on_lost in OnLost
    ]
    return table(head, rows)


_COUNTERS: Final = ("failures", "losses", "interruptions", "snoozes")


_EITHER: Final = (True, False)


def _lost(on_lost: OnLost, left: bool, cancelling: bool = False) -> Lost:
    return Lost(
        job_id=1,
        fence=1,
        cancelling=cancelling,
        losses=0 if left else 3,
        losses_allowed=3,
        on_lost=on_lost,
    )


def every_loss() -> list[Decision]:
    """What becomes of a lost job, for all combinations."""
    return [after_loss(_lost(*one)) for one in product(OnLost, _EITHER, _EITHER)]


def _cell(situation: Situation, ended: Ended) -> str:
    allowed = _shown(decide(situation, ended, ALLOWED))
    refused = _only({_shown(decide(situation, ended, allowance)) for allowance in REFUSED})
    return allowed if allowed == refused else f"{allowed} / {refused}"


def _only(found: set[str]) -> str:
    """The table's form says that these are the same; if they are not, it needs another form."""
    (one,) = found
    return one


def _shown(decision: Finish | PutBack) -> str:
    held = decision.held if isinstance(decision, PutBack) else None
    reason = f" ({decision.reason})" if decision.reason else ""
    return code(decision.status) + reason + (f", held: {held}" if held else "")


def _title(group: list[Situation]) -> str:
    """The shortest member names the group: the others only add what changes nothing."""
    shortest = min(len(one.words.split(" + ")) for one in group)
    return ", or ".join(one.words for one in group if len(one.words.split(" + ")) == shortest)
