"""The progress page on a real port, served by a thread of its own; its streams can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import anyio
import uvicorn
from examples.progress_page import Server, count_words, create_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overseen import Batch, Supervisor

R = TypeVar("R")

Mishap: TypeAlias = int | Literal["away"]
"""The connection breaks after so many frames, in the middle of the next one; or there is none: a
proxy answers that its server is away."""

WAIT_SECONDS = 30.0
LEDGER_OF_BATCH = """
    select seq from ledger
    where batch_id = :batch or job_id in (select id from job where batch_id = :batch)
    order by seq
"""


class Connections:
    """Every stream of events goes through here: it is noted, and something can happen to it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        """The query of each stream, and its Last-Event-ID."""
        self._mishaps: Iterator[Mishap] = iter(())

    def expect(self, mishaps: Iterable[Mishap]) -> None:
        """Let these happen to the next streams, one to each."""
        self._mishaps = iter(mishaps)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application, with its streams under control."""

        async def controlled(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].endswith("/events"):
                await app(scope, receive, send)
                return
            last = dict(scope["headers"]).get(b"last-event-id")
            self.asked.append((scope["query_string"].decode(), last.decode() if last else None))
            mishap = next(self._mishaps, None)
            if mishap == "away":
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b"away"})
                return
            await _broken_off(app, scope, receive, send, mishap)

        return controlled


async def _broken_off(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, frames: int | None
) -> None:
    """Run the application; after so many frames half of one is sent, and nothing more: the server
    closes the connection, for the answer is not complete."""
    sent = 0
    with anyio.CancelScope() as connection:

        async def counted(message: Message) -> None:
            nonlocal sent
            body: bytes = message.get("body", b"")
            if frames is None or not body:
                await send(message)
            elif sent < frames:
                sent += 1
                await send(message)
            else:
                await send({**message, "body": body[: len(body) // 2]})
                connection.cancel()
                await anyio.sleep_forever()

        await app(scope, receive, counted)


class AnnouncedServer(Server):
    """Tells when it serves, and on which loop."""

    def __init__(self, app: ASGIApp, supervisor: Supervisor) -> None:
        # No logging of its own: an answer cut short is an error to it.
        super().__init__(uvicorn.Config(app, log_config=None), supervisor)
        self.loop: Future[asyncio.AbstractEventLoop] = Future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop.set_result(asyncio.get_running_loop())


class Serving:
    """One life of the server; `call` runs something on its loop."""

    def __init__(self, folder: Path, port: int, connections: Connections) -> None:
        self.folder = folder
        self.connections = connections
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        app = create_app(folder)
        self._server = AnnouncedServer(connections.wrap(app), app.state.supervisor)
        self._thread = threading.Thread(target=self._run, name="server")

    @property
    def supervisor(self) -> Supervisor:
        """Of this life."""
        return self._server.supervisor

    def start(self) -> None:
        """Return when it serves."""
        self._thread.start()
        self._server.loop.result(WAIT_SECONDS)

    def stop(self) -> None:
        """Stop as on Ctrl-C, with open streams and all; its thread ends. Harmless if it has."""
        if not self._thread.is_alive():
            return
        loop = self._server.loop.result(WAIT_SECONDS)
        loop.call_soon_threadsafe(setattr, self._server, "should_exit", True)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive(), "the server did not stop with streams open"

    def call(self, function: Callable[[], Awaitable[R]]) -> R:
        """Run a coroutine function on the server's loop."""

        async def run() -> R:
            return await function()

        loop = self._server.loop.result(WAIT_SECONDS)
        return asyncio.run_coroutine_threadsafe(run(), loop).result(WAIT_SECONDS)

    def batch(self, pages: int = 3) -> str:
        """Run a batch to its end; the address of its page."""

        async def run() -> Batch:
            async with self.supervisor.batch("before") as batch:
                await batch.submit_many(count_words.call(page) for page in range(pages))
            await batch.summary()
            return batch

        return f"{self.url}/batches/{self.call(run).id}"

    def ledger(self, batch_id: int) -> list[int]:
        """The numbers of all events of a batch, as they are in the file."""
        with contextlib.closing(sqlite3.connect(self.folder / "jobs.db")) as file:
            rows = file.execute(LEDGER_OF_BATCH, {"batch": batch_id})
            return [row[0] for row in rows]

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve([self._listening]))
        except BaseException as error:
            if not self._server.loop.done():
                self._server.loop.set_exception(error)
            raise


@contextlib.contextmanager
def serving(
    folder: Path, port: int = 0, connections: Connections | None = None
) -> Generator[Serving]:
    """Serve until the block is left."""
    life = Serving(folder, port, connections or Connections())
    life.start()
    try:
        yield life
    finally:
        life.stop()
