"""A crawl, one job a page, while the watchdog sweeps a hundred times a second.

    python examples/crawl.py

The incident behind it: a cleaner looked at the jobs table just when a fast job had left memory and
its row was not updated yet, took it for dead, and marked a *completed* job as failed. Here the end
of a job is one guarded write, and the watchdog acts on proof of death, never on age; so this
example sweeps as often as it can while pages come in, and then reads the proof off the ledger:
every job has exactly one end, nothing follows it, and none was ever marked otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from overseen import Backoff, Context, Event, EventType, Status, Supervisor, job

ENDS = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
PAGES = 300
MOODY = 7  # every seventh page answers "503 Service Unavailable" the first time
LINKS = 3  # page n links to pages 3n+1, 3n+2 and 3n+3: a tree
SWEEP_SECONDS = 0.01

# The status lines of each job, and what must not be among them.
LINES = (
    "select job_id, seq, status from ledger_view where job_id is not null and status is not null"
)
ENDED_AND_CHANGED = f"""
    with line as materialized ({LINES})
    select count(*) from line as late join line as first using (job_id)
    where first.status in ('completed', 'failed', 'cancelled') and late.seq > first.seq
"""
ROW_AND_LEDGER_DIFFER = f"""
    with last as materialized (select job_id, max(seq), status from ({LINES}) group by job_id)
    select count(*) from job_view left join last on last.job_id = job_view.id
    where last.status is not job_view.status
"""


class Site:
    """A web server on a free port of this machine, made of one asyncio callback."""

    def __init__(self) -> None:
        self.asked: set[int] = set()

    async def __aenter__(self) -> Site:
        self.server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    def url_of(self, page: int) -> str:
        return f"http://127.0.0.1:{self.port}/pages/{page}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        page = int(head.split()[1].rpartition("/")[2])
        moody = page % MOODY == 0 and page not in self.asked
        self.asked.add(page)
        links = (self.url_of(n) for n in range(LINKS * page + 1, LINKS * page + 1 + LINKS))
        body = "".join(f'<a href="{link}">more</a>' for link in links if int_of(link) < PAGES)
        status = "503 Service Unavailable" if moody else "200 OK"
        writer.write(f"HTTP/1.0 {status}\r\nContent-Type: text/html\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def int_of(url: str) -> int:
    return int(url.rpartition("/")[2])


async def fetch(url: str) -> str:
    """Get a page, or raise what the server answered."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(f"GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    if " 200 " not in head:
        raise ConnectionError(f"{url}: {head.splitlines()[0]}")
    return body


@job(
    queue="crawl",
    retries=3,
    retry_on=ConnectionError,
    backoff=Backoff(initial="20ms", maximum="1s"),
    timeout="30s",
)
async def crawl(ctx: Context, url: str) -> int:
    """Fetch a page and make a job of every link on it; returns how many there were."""
    links: list[str] = re.findall(r'href="([^"]+)"', await fetch(url))
    for link in links:  # the same link on two pages is one job
        await ctx.submit(crawl.options(idempotency_key=link), link)
    return len(links)


async def main(database: Path) -> list[Event]:
    """Crawl everything; returns what the feed told."""
    events: list[Event] = []
    supervisor = Supervisor(
        database, jobs=[crawl], queues={"crawl": 20}, sweep_interval=SWEEP_SECONDS
    )
    async with Site() as site, supervisor:
        start = site.url_of(0)
        await supervisor.submit(crawl.options(idempotency_key=start), start)
        async for event in supervisor.events(kind=crawl, after="start"):
            events.append(event)
            if event.status in ENDS and is_over(events):
                break
    return events


def is_over(events: Iterable[Event]) -> bool:
    """Whether every job of these events has ended; a page submits its links before it ends."""
    statuses = {event.job_id: event.status for event in events if event.status is not None}
    return all(status in ENDS for status in statuses.values())


def report(events: Iterable[Event]) -> bool:
    """Print the proof; whether no ended job was ever marked otherwise."""
    lives: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.job_id is not None and event.status is not None:
            lives[event.job_id].append(event)
    retried = sum(any(e.type is EventType.RETRYING for e in life) for life in lives.values())
    ends = [[e for e in life if e.status in ENDS] for life in lives.values()]
    kept = sum(
        len(end) == 1 and life[-1] is end[0] for life, end in zip(lives.values(), ends, strict=True)
    )
    completed = sum(end[0].status is Status.COMPLETED for end in ends if end)
    print(f"{len(lives)} pages: {completed} completed, {retried} after a retry")
    print(f"the feed: {kept} of {len(lives)} jobs have exactly one end, and no status after it")
    for event in max(lives.values(), key=len):
        print(f"  seq {event.seq:>5}  job {event.job_id}  {event.type:<10} -> {event.status}")
    return kept == completed == len(lives) == PAGES


def proof(database: Path) -> bool:
    """Ask the file itself, with nothing of overseen in between; whether it agrees."""
    with contextlib.closing(sqlite3.connect(database)) as file:
        changed = int(file.execute(ENDED_AND_CHANGED).fetchone()[0])
        differing = int(file.execute(ROW_AND_LEDGER_DIFFER).fetchone()[0])
    print(f"the file: {changed} ended jobs were changed, {differing} rows differ from the ledger")
    return changed == differing == 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "crawl.db")
        told = report(asyncio.run(main(file)))
        sys.exit(0 if proof(file) and told else 1)
