"""The FastAPI example, in process: what happens around the commit of the host's own row."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "embed_fastapi.py"


@pytest.fixture
def create_app(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], FastAPI]:
    """The example's factory; examples are programs, not a package."""
    spec = importlib.util.spec_from_file_location("embed_fastapi_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its annotations are looked up
    spec.loader.exec_module(module)
    factory: Callable[[Path], FastAPI] = module.create_app
    return factory


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run the application's lifespan and talk to it without a network."""
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


def jobs_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "jobs.db")) as database:
        return int(database.execute("select count(*) from job").fetchone()[0])


@pytest.mark.parametrize("path", ["/uploads", "/uploads/in-thread"])
async def test_an_upload_becomes_one_job_with_a_typed_result(
    path: str, create_app: Callable[[Path], FastAPI], tmp_path: Path
) -> None:
    """The answer names the job at once, and its result can be asked for later."""
    async with client_of(create_app(tmp_path)) as client:
        accepted = await client.post(path, json={"name": "a.txt", "content": "abc"})
        assert accepted.status_code == 202
        result = await client.get(f"/jobs/{accepted.json()['job_id']}/result")

    assert result.json()["name"] == "a.txt"
    assert result.json()["size"] == 3


async def test_a_row_committed_without_its_job_gets_it_at_the_next_start(
    create_app: Callable[[Path], FastAPI], tmp_path: Path
) -> None:
    """Death between the host's commit and the submit loses nothing, and starts make no doubles."""
    app = create_app(tmp_path)
    with closing(sqlite3.connect(tmp_path / "app.db")) as database, database:
        database.execute("insert into upload (name, content) values ('lost.txt', 'x')")

    async with client_of(app) as client:
        first = await client.get("/jobs/1/result")
    async with client_of(create_app(tmp_path)) as client:
        again = await client.get("/jobs/1/result")

    assert first.json() == again.json()
    assert first.json()["name"] == "lost.txt"
    assert jobs_in(tmp_path) == 1


async def test_a_job_that_does_not_exist_is_404(
    create_app: Callable[[Path], FastAPI], tmp_path: Path
) -> None:
    """Asking for a job that nobody submitted is answered, not hidden."""
    async with client_of(create_app(tmp_path)) as client:
        assert (await client.get("/jobs/77")).status_code == 404
