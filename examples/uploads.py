"""Log files are uploaded, slowly; each is one job, which starts when its file is there.

    python examples/uploads.py

The incident behind it: a worker was faster than the upload. It picked the job up before its files
were attached, and every upload left one failed and one completed job. Here an upload is a *draft*:
no worker can see it before its block ends, and a client that goes away leaves nothing behind. The
example makes its own log files, uploads them piece by piece while a hundred workers have nothing to
do, digests each in three stages (ingest, redact, summarise), and reads the proof off the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from overseen import Context, Handle, JobCancelled, Supervisor, job

HOSTS = ("web-1", "web-2", "api-1", "api-2", "mail-1")
LINES = 600
PRIVATE = re.compile(r"[\w.]+@[\w.]+|\b\d+\.\d+\.\d+\.\d+\b")  # addresses of people and machines

STARTED_TOO_EARLY = """
    select count(*) from ledger_view as start join ledger_view as late using (job_id)
    where start.type = 'started' and late.type in ('attached', 'ready') and late.seq > start.seq
"""


@dataclass
class Digest:
    """What is worth knowing about a log file."""

    lines: int
    redacted: int
    levels: dict[str, int]
    worst_minute: str


@job(queue="logs", attachments=["log"], timeout="5m")
async def digest(ctx: Context, host: str) -> Digest:
    """Read a log file, hide what is private, count the rest; `ctx.state` is where copies go."""
    text = bytearray()
    file = ctx.attachments["log"]
    async for chunk in file.chunks(8_192):
        text += chunk
        ctx.progress(len(text), file.size_bytes, stage="ingest", message=host)
    lines = text.decode().splitlines()

    clean: list[str] = []
    redacted = 0
    for number, line in enumerate(lines, 1):
        safe, count = PRIVATE.subn("[redacted]", line)
        clean.append(safe)
        redacted += count
        if number % 100 == 0:
            ctx.progress(number, len(lines), stage="redact", message=host)
            await asyncio.sleep(0.002)  # other jobs have their turn
    copy: Path = ctx.state / f"{host}.log"
    await asyncio.to_thread(copy.write_text, "\n".join(clean), "utf-8")

    levels = Counter(line.split()[1] for line in clean)
    minutes = Counter(line[:5] for line in clean if " ERROR " in line)
    ctx.progress(len(lines), len(lines), stage="summarise", message=host)
    return Digest(len(lines), redacted, dict(levels), minutes.most_common(1)[0][0])


def make_log(host: str) -> bytes:
    """A log file as every server has one."""
    draw = Random(host)
    levels = draw.choices(["INFO", "WARN", "ERROR"], [90, 7, 3], k=LINES)
    who = ("10.0.0.{n} asked for /", "mail to user{n}@example.org", "took {n} ms", "cache is warm")
    rows = (
        f"{8 + n // 60:02}:{n % 60:02} {level} {draw.choice(who).format(n=draw.randrange(99))}"
        for n, level in enumerate(levels)
    )
    return "\n".join(rows).encode()


async def slowly(content: bytes, *, breaks: bool) -> AsyncGenerator[bytes, None]:
    """The client's connection: a piece now and then, and sometimes it breaks."""
    for start in range(0, len(content), 2_048):
        await asyncio.sleep(0.002)
        yield content[start : start + 2_048]
        if breaks and start > len(content) / 2:
            raise ConnectionResetError("the client went away")


async def upload(supervisor: Supervisor, host: str, *, breaks: bool = False) -> Handle[Digest]:
    """One upload: a draft, a file, and the end of the block lets it run."""
    draft = supervisor.draft(digest, host)
    with contextlib.suppress(ConnectionResetError):  # a real client would be told
        async with draft:
            await draft.attach("log", slowly(make_log(host), breaks=breaks))
    return draft.handle


async def main(folder: Path) -> None:
    """Upload everything at once and tell what came of it."""
    copies = folder / "redacted"
    copies.mkdir()
    async with Supervisor(folder / "jobs.db", jobs=[digest], state=copies) as supervisor:
        handles = await asyncio.gather(
            *(upload(supervisor, host) for host in HOSTS),
            upload(supervisor, "lost", breaks=True),
        )
        for host, handle in zip((*HOSTS, "lost"), handles, strict=True):
            print(f"{host:<7} {await line_of(handle)}")


async def line_of(handle: Handle[Digest]) -> str:
    try:
        found = await handle.result()
    except JobCancelled as error:
        return f"job {handle.id} is cancelled ({error.reason}): the client went away"
    last = (await handle.record()).progress
    levels = ", ".join(f"{count} {level}" for level, count in sorted(found.levels.items()))
    return (
        f"{last.stage if last else '?'}: {found.lines} lines, {found.redacted} redacted, "
        f"{levels}, worst minute {found.worst_minute}"
    )


def proof(folder: Path) -> bool:
    """Ask the files themselves; whether no worker was early and nothing was left behind."""
    with contextlib.closing(sqlite3.connect(folder / "jobs.db")) as file:
        early = int(file.execute(STARTED_TOO_EARLY).fetchone()[0])
        ends = dict(file.execute("select status, count(*) from job_view group by 1").fetchall())
    kept = len(list((folder / "jobs.db.files").iterdir()))
    leaks = sum(len(PRIVATE.findall(one.read_text())) for one in (folder / "redacted").iterdir())
    print(f"{early} jobs started before their file was there; jobs by end: {ends}")
    print(
        f"{kept} files are kept for {ends['completed']} completed jobs; {leaks} private words left"
    )
    return (
        early == leaks == 0 and kept == ends["completed"] == len(HOSTS) and ends["cancelled"] == 1
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
        sys.exit(0 if proof(Path(temporary)) else 1)
