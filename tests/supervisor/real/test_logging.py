"""Logs: silent until the host asks for them; what a body logs names its job."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import structlog

from overseen import Context, EventType, Snooze, Supervisor, job

SCRIPT = """
import asyncio, logging, sys
{configure}
from overseen import Context, Supervisor, job

@job(retries=1, backoff=lambda failures, error: 0)
async def work(ctx: Context, fails: bool) -> int:
    ctx.log("a line", level="warning", colour="red")
    ctx.warn("watch out")
    if fails:
        raise RuntimeError("planted")
    return 1

supervisor = Supervisor(sys.argv[1], jobs=[work])

@supervisor.on("completed")
def bad_hook(event):
    raise ValueError("a hook that fails")

async def main():
    async with supervisor:
        for fails in (True, False):
            await (await supervisor.submit(work, fails)).wait()

asyncio.run(main())
"""


def run_script(database: Path, configure: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program above in a process of its own."""
    script = SCRIPT.format(configure=textwrap.dedent(configure))
    command = [sys.executable, "-c", script, str(database)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_nothing_is_printed_unless_the_host_asks(tmp_path: Path) -> None:
    """A program that has configured no logging sees nothing of ours on stdout or stderr, although
    jobs fail, hooks raise and bodies log."""
    done = run_script(tmp_path / "jobs.db")
    assert (done.stdout, done.stderr) == ("", "")


def test_the_standard_librarys_logging_is_enough(tmp_path: Path) -> None:
    """A host that configures `logging` gets our events with their fields as attributes."""
    done = run_script(
        tmp_path / "jobs.db",
        """
        format = "%(levelname)s %(name)s %(message)s"
        logging.basicConfig(level="INFO", format=format, stream=sys.stdout)
        """,
    )
    assert "INFO overseen supervisor.started" in done.stdout
    assert "WARNING overseen a line" in done.stdout
    assert "ERROR overseen hook.failed" in done.stdout
    assert "INFO overseen supervisor.stopped" in done.stdout
    assert done.stderr == ""


@job
async def talking(ctx: Context) -> dict[str, str]:
    """Tells its context variables."""
    if ctx.attempt == 1:
        raise Snooze(0)
    found = structlog.contextvars.get_contextvars()
    return {name: str(value) for name, value in found.items()}


@job
def talking_in_a_thread(ctx: Context) -> dict[str, str]:
    """The same from a thread."""
    found = structlog.contextvars.get_contextvars()
    return {name: str(value) for name, value in found.items()}


async def test_a_body_logs_in_the_name_of_its_job(tmp_path: Path) -> None:
    """Inside a body, coroutine or thread, job_id, job, attempt and queue are structlog context
    variables; outside and in other bodies they are not."""
    async with Supervisor(tmp_path / "jobs.db", jobs=[talking, talking_in_a_thread]) as supervisor:
        first = await supervisor.submit(talking.options(queue="q"))
        second = await supervisor.submit(talking_in_a_thread)
        assert await first.result() == {
            "job_id": "1",
            "job": "talking",
            "attempt": "2",
            "queue": "q",
        }
        assert await second.result() == {
            "job_id": "2",
            "job": "talking_in_a_thread",
            "attempt": "1",
            "queue": "default",
        }
        assert structlog.contextvars.get_contextvars() == {}


async def test_ctx_log_reaches_the_hosts_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A line of `ctx.log` is stored with the job and handed to the host's log with the job's id,
    at its level."""

    @job
    async def logs(ctx: Context) -> None:
        ctx.log("hello", level="warning", colour="red")

    with caplog.at_level(logging.DEBUG, logger="overseen"):
        async with Supervisor(tmp_path / "jobs.db", jobs=[logs]) as supervisor:
            handle = await supervisor.submit(logs)
            await handle.result()
            stored = await handle.logs()
            assert (await handle.history())[-1].type is EventType.COMPLETED
    lines = [record for record in caplog.records if record.getMessage() == "hello"]
    assert [(line.levelname, line.__dict__["job_id"]) for line in lines] == [("WARNING", 1)]
    assert [(line.level, line.message, line.data) for line in stored] == [
        ("warning", "hello", '{"colour":"red"}')
    ]


async def test_no_field_of_the_host_can_break_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Context variables of the host, whatever their names, break neither our log nor a job."""

    @job
    async def logs(ctx: Context) -> None:
        ctx.log("100 % sure", name="a name", args=[1], msg="x")

    reserved = {"name": "n", "message": "m", "args": "a", "module": "o", "event_": "e"}
    with (
        structlog.contextvars.bound_contextvars(**reserved),
        caplog.at_level(logging.DEBUG, logger="overseen"),
    ):
        async with Supervisor(tmp_path / "jobs.db", jobs=[logs]) as supervisor:
            handle = await supervisor.submit(logs)
            assert (await handle.wait()).answer == "completed"
    assert "100 % sure" in [record.getMessage() for record in caplog.records]
    assert {record.__dict__["name_"] for record in caplog.records} == {"n"}
