"""A web page that follows a batch over SSE; however fast the batch, and however late one joins.

    python examples/progress_page.py          follows a batch as a browser does, says what came
    python examples/progress_page.py serve    serves the page until Ctrl-C: look at it in a browser

Look at

* `events`: a snapshot, each event of the ledger once, `end`. The `id:` of an event is its number on
  the ledger, so that a browser whose connection broke goes on after the last one it has seen;
* `PAGE`: the script is ready for everything before it asks for anything. The snapshot and the
  events after it make the state; events that the snapshot already counts are history (`replayed`);
* `Server`: a stopping supervisor ends every stream; only then can the server close.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx2
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from overseen import Batch, BatchNotFound, Supervisor, SupervisorError, job

RECONNECT_MS = 500
TOLD = ["seq", "type", "job_id", "status", "replayed"]
COUNTED = ["status", "total", "completed", "failed", "cancelled"]

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Batch</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px/1.5 sans-serif; max-width: 40rem; margin: 2rem auto }
  progress { width: 100% }
  li.replayed { color: gray }
</style>
<h1>Batch <span id="batch"></span>: <span id="status">...</span></h1>
<progress id="bar" value="0"></progress>
<p><span id="counts"></span> <em id="connection"></em></p>
<form method="post" action="/batches?pages=20"><button>Start another</button></form>
<ol id="events"></ol>
<script>
"use strict";
const batch = location.pathname.split("/").pop();
const GROUP = {draft: "waiting", scheduled: "waiting", pending: "waiting", retrying: "waiting",
               running: "running", cancelling: "running"};
const statusOf = new Map();  // of each job, as far as the events told
let state = null;            // the snapshot, brought up to date by what came after it
let last = 0;                // number of the last event seen
const at = (id) => document.getElementById(id);

function show() {
  const ended = state.completed + state.failed + state.cancelled;
  at("status").textContent = state.status;
  at("bar").max = Math.max(state.total, 1);
  at("bar").value = ended;
  at("counts").textContent = `${ended} of ${state.total} ended: ${state.completed} completed, ` +
    `${state.failed} failed, ${state.cancelled} cancelled; ${state.running} running`;
}

function count(before, now) {
  if (before) state[GROUP[before] ?? before] -= 1;
  else state.total += 1;
  state[GROUP[now] ?? now] += 1;
}

function tell(event) {
  last = event.seq;
  const line = document.createElement("li");
  line.textContent = `${event.type} ${event.job_id ? "job " + event.job_id : ""}`;
  line.dataset.seq = event.seq;
  line.className = event.replayed ? "replayed" : "live";
  at("events").append(line);
  if (event.status && !event.replayed) count(statusOf.get(event.job_id), event.status);
  if (event.status) statusOf.set(event.job_id, event.status);
  if (event.type === "batch_sealed" && !event.replayed) state.status = "processing";
}

function follow() {
  // The stream begins when this function has returned: nothing comes before its listener is there.
  const source = new EventSource(`/batches/${batch}/events?after=${last}`);
  const on = (type, handle) => source.addEventListener(type, (message) => {
    handle(JSON.parse(message.data));
    show();
  });
  on("snapshot", (snapshot) => { state = snapshot; });
  on("message", tell);
  on("end", (summary) => {
    source.close();
    Object.assign(state, summary);
    at("connection").textContent = "That is all.";
  });
  source.onopen = () => { at("connection").textContent = "Live."; };
  source.onerror = () => {
    at("connection").textContent = "Connecting again...";
    // A browser goes on by itself after a broken connection, but not after an error page.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 1000);
  };
}

at("batch").textContent = batch;
follow();
</script>
"""


@job
async def count_words(page: int) -> int:
    """Ends at once."""
    return len(f"the words of page {page}".split())


router = APIRouter()


async def batch_of(batch_id: int, request: Request) -> Batch:
    """The batch in the path; an answer that says so if there is none."""
    supervisor: Supervisor = request.app.state.supervisor
    try:
        batch = supervisor.find_batch(batch_id)
        await batch.record()
    except BatchNotFound as error:
        raise HTTPException(404, str(error)) from error
    except SupervisorError as error:  # it stops, or does not run yet
        raise HTTPException(503, str(error)) from error
    return batch


KnownBatch = Annotated[Batch, Depends(batch_of)]


@router.post("/batches")
async def start(request: Request, pages: int = 20) -> RedirectResponse:
    """Start a batch and show its page; it may be over before the browser has read this answer."""
    supervisor: Supervisor = request.app.state.supervisor
    async with supervisor.batch("words") as batch:
        await batch.submit_many(count_words.call(page) for page in range(pages))
    return RedirectResponse(f"/batches/{batch.id}", status_code=303)


@router.get("/batches/{batch_id}", response_class=HTMLResponse)
async def page(batch: KnownBatch) -> str:
    return PAGE


@router.get("/batches/{batch_id}/events", response_class=EventSourceResponse)
async def events(
    batch: KnownBatch, after: int = 0, last_event_id: Annotated[int | None, Header()] = None
) -> AsyncIterator[ServerSentEvent]:
    """Follow a batch from an event on; what a browser says when it comes back goes first."""
    frames = batch.events(after if last_event_id is None else last_event_id)
    with contextlib.suppress(SupervisorError):  # it stops: the browser comes back to the next one
        async with contextlib.aclosing(frames):
            async for event in frames:
                if event.type == "snapshot":
                    # It has no `id:`. A browser that has seen nothing else must come back for all.
                    state = json.loads(event.data or "{}")
                    yield ServerSentEvent(event="snapshot", data=state, retry=RECONNECT_MS)
                else:
                    told = {name: getattr(event, name) for name in TOLD}
                    yield ServerSentEvent(data=told, id=str(event.seq))
        summary = await batch.summary()
        counts = {name: getattr(summary, name) for name in COUNTED}
        yield ServerSentEvent(event="end", data={**counts, "waiting": 0, "running": 0})


def create_app(folder: Path) -> FastAPI:
    supervisor = Supervisor(folder / "jobs.db", jobs=[count_words])

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with supervisor:
            yield

    app = FastAPI(title="Progress", lifespan=lifespan)
    app.state.supervisor = supervisor
    app.include_router(router)
    return app


class Server(uvicorn.Server):
    """Stops although pages are open: a server waits for its connections, and a stream never ends
    by itself before its batch does. So the supervisor stops first, and with it every stream."""

    def __init__(self, config: uvicorn.Config, supervisor: Supervisor) -> None:
        super().__init__(config)
        self.supervisor = supervisor

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.supervisor.stop()
        await super().shutdown(sockets)


async def follow(client: httpx2.AsyncClient, url: str, last_event_id: int = 0) -> list[int]:
    """What a browser does, without the page: read to the end; say what came, return its ids."""
    types: list[str] = []
    ids: list[int] = []
    async with client.sse(f"{url}/events", headers={"Last-Event-ID": str(last_event_id)}) as source:
        async for event in source:
            types.append(event.event)
            if event.event == "message":
                ids.append(int(event.id))
            if event.event == "end":
                print(f"after event {last_event_id}: {types[0]}, {len(ids)} events, {event.data}")
    return ids


async def use(client: httpx2.AsyncClient) -> None:
    """Start a batch and follow it; again when it is over; again from where a connection broke."""
    url = (await client.post("/batches?pages=50")).headers["location"]
    ids = await follow(client, url)
    assert ids == await follow(client, url), "who joins late gets the same"
    assert ids[20:] == await follow(client, url, last_event_id=ids[19]), "and goes on without a gap"


async def main(folder: Path, *, until_interrupted: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = create_app(folder)
        server = Server(uvicorn.Config(app, log_level="warning"), app.state.supervisor)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = "http://{}:{}".format(*listening.getsockname())
        try:
            async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                if until_interrupted:
                    page = (await client.post("/batches")).headers["location"]
                    print(f"{url}{page} is served until Ctrl-C")
                    await serving
                else:
                    await use(client)
        finally:
            server.should_exit = True
            await serving


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(temporary), until_interrupted=sys.argv[1:] == ["serve"]))
