"""The knobs of a supervisor that tests turn."""

from __future__ import annotations

from typing import TypedDict

from overseen import Retention
from overseen.durations import Duration


class Knobs(TypedDict, total=False):
    """As the keyword arguments of `Supervisor`."""

    concurrency: int
    queues: dict[str, int]
    threads: int
    sweep_interval: Duration
    progress_interval: Duration
    drain_timeout: Duration
    draft_timeout: Duration
    cancel_timeout: Duration
    retention: Retention
    attachment_limit: int | None
    arguments_limit: int
    result_limit: int
    mailbox_limit: int
    recent_outcomes: int
    logs_per_job: int
    state: object
