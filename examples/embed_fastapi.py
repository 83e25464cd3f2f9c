"""Durable jobs inside a FastAPI application: one lifespan, and work that survives the process.

    python examples/embed_fastapi.py

starts the application on a free port, uploads two files and prints what came of them. Look at

* `lifespan`: ``async with supervisor`` is all there is to start and stop;
* `create_upload`: the host commits its own row first, then submits under an idempotency key made
  of that row, so that submitting twice makes one job;
* `create_upload_in_thread`: the same from a plain ``def`` endpoint, which runs in a thread;
* `submit_forgotten`: where the process died between commit and submit, the next start submits.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio.from_thread
import anyio.to_thread
import httpx2
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from overseen import Call, Context, Handle, JobNotFound, Supervisor, job

TABLE = "create table if not exists upload (id integer primary key, name text, content text)"


class Upload(BaseModel):
    name: str
    content: str


class Accepted(BaseModel):
    upload_id: int
    job_id: int


@dataclass(frozen=True)
class Digest:
    name: str
    size: int
    sha256: str


class Uploads:
    """The host's own table in its own database; nothing of overseen is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run(TABLE)

    def run(self, statement: str, *values: object) -> list[tuple[int, str, str]]:
        with contextlib.closing(sqlite3.connect(self.path)) as database, database:
            return database.execute(statement, values).fetchall()

    def add(self, upload: Upload) -> int:
        """Commit a row and return its id."""
        statement = "insert into upload (name, content) values (?, ?) returning id, '', ''"
        return self.run(statement, upload.name, upload.content)[0][0]

    def get(self, upload_id: int) -> Upload:
        _, name, content = self.run("select * from upload where id = ?", upload_id)[0]
        return Upload(name=name, content=content)

    def ids(self) -> list[int]:
        return [row[0] for row in self.run("select id, '', '' from upload")]


@job(retries=3, timeout="1m")
def digest(ctx: Context, upload_id: int) -> Digest:
    """A plain function: it runs in a thread and may wait for the disk."""
    uploads: Uploads = ctx.state
    upload = uploads.get(upload_id)
    content = upload.content.encode()
    ctx.progress(len(content), len(content), message=upload.name)
    return Digest(upload.name, len(content), hashlib.sha256(content).hexdigest())


def digest_of(upload_id: int) -> Call[Digest]:
    return digest.options(idempotency_key=f"digest of upload {upload_id}").call(upload_id)


def create_app(folder: Path) -> FastAPI:
    uploads = Uploads(folder / "app.db")
    supervisor = Supervisor(folder / "jobs.db", jobs=[digest], state=uploads)

    async def submit(upload_id: int) -> Handle[Digest]:
        [handle] = await supervisor.submit_many([digest_of(upload_id)])
        return handle

    async def submit_forgotten() -> None:
        ids = await anyio.to_thread.run_sync(uploads.ids)
        await supervisor.submit_many(map(digest_of, ids))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with supervisor:
            await submit_forgotten()
            yield

    app = FastAPI(title="Uploads", lifespan=lifespan)

    @app.post("/uploads", status_code=202)
    async def create_upload(upload: Upload) -> Accepted:
        upload_id = await anyio.to_thread.run_sync(uploads.add, upload)  # committed
        handle = await submit(upload_id)  # and only then submitted
        return Accepted(upload_id=upload_id, job_id=handle.id)

    @app.post("/uploads/in-thread", status_code=202)
    def create_upload_in_thread(upload: Upload) -> Accepted:
        upload_id = uploads.add(upload)
        handle = anyio.from_thread.run(submit, upload_id)
        return Accepted(upload_id=upload_id, job_id=handle.id)

    @app.get("/jobs/{job_id}")
    async def read_job(job_id: int) -> dict[str, str]:
        try:
            record = await supervisor.job(job_id)
        except JobNotFound as error:
            raise HTTPException(404, str(error)) from error
        return {"status": record.status, "result": record.result or ""}

    @app.get("/jobs/{job_id}/result")
    async def read_result(job_id: int) -> dict[str, object]:
        return asdict(await supervisor.handle(job_id, digest).result(timeout=30))

    return app


async def use(client: httpx2.AsyncClient) -> None:
    """What a client does: upload, go away, come back for the result."""
    for path, name in (("/uploads", "async.txt"), ("/uploads/in-thread", "thread.txt")):
        answer = await client.post(path, json={"name": name, "content": name * 1000})
        job_id = answer.json()["job_id"]
        result = await client.get(f"/jobs/{job_id}/result")
        status = await client.get(f"/jobs/{job_id}")
        print(f"POST {path}: job {job_id} {status.json()['status']}: {result.json()}")


async def main(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(folder), log_level="warning"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = "http://{}:{}".format(*listening.getsockname())
        try:
            async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                await use(client)
        finally:
            server.should_exit = True
            await serving


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
