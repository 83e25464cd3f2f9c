"""The server side of the progress page, in process: what a browser is sent, and what comes when it
comes back. The page itself is tested in a browser: tests/browser/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
from examples.progress_page import count_words, create_app
from fastapi import FastAPI

from overseen import Supervisor


class Told(msgspec.Struct, frozen=True):
    """What one connection was sent."""

    names: list[str]
    ids: list[int]
    ended: dict[str, str | int] | None


def supervisor_of(app: FastAPI) -> Supervisor:
    supervisor: Supervisor = app.state.supervisor
    return supervisor


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run the application's lifespan and talk to it without a network."""
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


async def start(client: httpx2.AsyncClient, pages: int = 5) -> str:
    """Start a batch; the address of its page."""
    answer = await client.post(f"/batches?pages={pages}")
    assert answer.status_code == 303
    return str(answer.headers["location"])


async def follow(client: httpx2.AsyncClient, page: str, after: int | None = None) -> Told:
    """Read the stream of a page to its end, as a browser that has seen the event `after`."""
    told = Told([], [], None)
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with client.sse(f"{page}/events", headers=headers) as source:
        async for event in source:
            told.names.append(event.event)
            if event.event == "message":
                seq = msgspec.json.decode(event.data)["seq"]
                assert event.id == str(seq), "the id of an event is its number on the ledger"
                told.ids.append(seq)
            if event.event == "snapshot":
                assert not event.id or event.id == str(after), "a snapshot moves no cursor"
            if event.event == "end":
                told = msgspec.structs.replace(told, ended=msgspec.json.decode(event.data))
    return told


async def ledger(app: FastAPI, page: str) -> list[int]:
    """The numbers of all events of the batch of a page."""
    batch = supervisor_of(app).find_batch(int(page.rsplit("/", 1)[1]))
    return [event.seq async for event in batch.events() if event.type != "snapshot"]


async def test_whoever_joins_after_the_end_is_told_everything_and_the_end(tmp_path: Path) -> None:
    """A snapshot, every event of the ledger once, the end; the same an application later.
    (R35, R38)"""
    app = create_app(tmp_path)
    async with client_of(app) as client:
        page = await start(client)
        first = await follow(client, page)
        assert first.ids == await ledger(app, page)
    async with client_of(create_app(tmp_path)) as client:
        again = await follow(client, page)

    assert first.names == ["snapshot", *["message"] * len(first.ids), "end"]
    assert first.ended is not None
    assert (first.ended["status"], first.ended["completed"]) == ("completed", 5)
    assert again == first


async def test_whoever_comes_back_goes_on_after_the_last_event_seen(tmp_path: Path) -> None:
    """`Last-Event-ID` is where the stream goes on, also behind the last event: there is always an
    end. (R36, R37)"""
    app = create_app(tmp_path)
    async with client_of(app) as client:
        page = await start(client)
        everything = await ledger(app, page)
        for seen, seq in enumerate(everything, 1):
            told = await follow(client, page, after=seq)
            assert told.ids == everything[seen:]
            assert told.names[0] == "snapshot"
            assert told.names[-1] == "end"


async def test_what_the_browser_says_goes_before_what_the_address_says(tmp_path: Path) -> None:
    """`?after=` is for the first connection; the browser repeats it, with a newer
    `Last-Event-ID`."""
    app = create_app(tmp_path)
    async with client_of(app) as client:
        page = await start(client)
        everything = await ledger(app, page)
        answer = await client.get(
            f"{page}/events?after={everything[1]}", headers={"Last-Event-ID": str(everything[4])}
        )
        first_connection = await client.get(f"{page}/events?after={everything[1]}")
    assert answer.text.count("\nid: ") == len(everything) - 5
    assert first_connection.text.count("\nid: ") == len(everything) - 2


async def test_whoever_joins_before_the_first_member_is_told_all_of_it_live(
    tmp_path: Path,
) -> None:
    """An open batch without members is followed as well: they come, run, end, and then it ends."""
    app = create_app(tmp_path)
    async with client_of(app) as client:
        batch = await supervisor_of(app).batch("open").open()
        following = asyncio.create_task(follow(client, f"/batches/{batch.id}"))
        await batch.submit(count_words, 1)
        await batch.submit_many(count_words.call(page) for page in (2, 3))
        await batch.seal()
        told = await following
        assert told.ids == await ledger(app, f"/batches/{batch.id}")
    assert told.ended is not None
    assert told.ended["total"] == 3


async def test_a_stop_ends_the_streams_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """A supervisor that stops leaves no stream open and tells no end that is none; who comes back
    with the last event seen gets the rest. (R37)"""
    app = create_app(tmp_path)
    async with client_of(app) as client:
        batch = await supervisor_of(app).batch("open").open()
        handle = await batch.submit(count_words, 1)
        page = f"/batches/{batch.id}"
        following = asyncio.create_task(follow(client, page))
        await handle.wait()
        await supervisor_of(app).stop()
        before = await following
        refused = await client.get(f"{page}/events")
    assert before.names[0] == "snapshot"
    assert before.ended is None
    assert refused.status_code == 503

    app = create_app(tmp_path)
    async with client_of(app) as client:
        await supervisor_of(app).find_batch(batch.id).seal()
        after = await follow(client, page, after=before.ids[-1])
        assert before.ids + after.ids == await ledger(app, page)
    assert after.ended is not None


async def test_a_batch_that_does_not_exist_is_404(tmp_path: Path) -> None:
    """Neither a page nor a stream that never ends is served for it."""
    async with client_of(create_app(tmp_path)) as client:
        assert (await client.get("/batches/77")).status_code == 404
        assert (await client.get("/batches/77/events")).status_code == 404


async def test_the_page_asks_nobody_else(tmp_path: Path) -> None:
    """No script, style or font comes from elsewhere: the page works without a network."""
    async with client_of(create_app(tmp_path)) as client:
        page = await client.get(await start(client))
    assert page.headers["content-type"].startswith("text/html")
    assert "://" not in page.text
    assert " src=" not in page.text
