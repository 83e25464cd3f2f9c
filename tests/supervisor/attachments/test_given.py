"""What a body gets of its files."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from overseen.attachments import Attachment, AttachmentNotFound, Attachments
from overseen.attachments.blocking import BlockingWork

CONTENT = bytes(range(256)) * 10


@pytest.fixture
async def attachment(tmp_path: Path) -> AsyncIterator[Attachment]:
    with ThreadPoolExecutor(1) as threads:
        yield make(tmp_path, "input", BlockingWork(lambda: threads))


def make(base: Path, name: str, work: BlockingWork) -> Attachment:
    path = base / "7-1-1"
    path.write_bytes(CONTENT)
    return Attachment(
        name=name,
        path=path,
        size_bytes=len(CONTENT),
        digest="0" * 64,
        created_at=1,
        work=work,
    )


async def test_a_body_reads_piece_by_piece(attachment: Attachment) -> None:
    """Reads give what was asked for, less at the end, nothing after it; and one can go back."""
    async with attachment.open() as reader:
        assert await reader.read(10) == CONTENT[:10]
        assert await reader.read() == CONTENT[10:]
        assert await reader.read(10) == b""
        await reader.seek(2550)
        assert await reader.read(100) == CONTENT[2550:]


async def test_a_body_goes_through_a_file_in_chunks(attachment: Attachment) -> None:
    """All chunks have the size that was asked for, but the last."""
    chunks = [chunk async for chunk in attachment.chunks(1000)]

    assert b"".join(chunks) == CONTENT
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 560]


async def test_a_loop_over_chunks_may_be_left_early(attachment: Attachment) -> None:
    """No descriptor stays open behind a loop that is left (looked for after each test)."""
    chunks = attachment.chunks(1000)
    async for chunk in chunks:
        assert chunk == CONTENT[:1000]
        break


async def test_a_chunk_has_a_size(attachment: Attachment) -> None:
    """A size below 1 is an error and not an endless loop."""
    with pytest.raises(ValueError, match="at least 1 byte"):
        await anext(attachment.chunks(0))


async def test_a_body_may_read_all_at_once(attachment: Attachment) -> None:
    """Small files need no loop; a plain body opens the path."""
    assert await attachment.read_bytes() == CONTENT
    assert attachment.path.read_bytes() == CONTENT


async def test_reading_never_blocks_the_loop(tmp_path: Path) -> None:
    """While the disk takes its time, others go on."""
    with ThreadPoolExecutor(1) as threads:
        disk = asyncio.Event()
        loop = asyncio.get_running_loop()
        gate = threads.submit(lambda: asyncio.run_coroutine_threadsafe(disk.wait(), loop).result())
        reading = asyncio.create_task(
            make(tmp_path, "input", BlockingWork(lambda: threads)).read_bytes()
        )
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        disk.set()
        assert await reading == CONTENT
        assert gate.result()


async def test_a_reader_is_read_inside_its_block(attachment: Attachment) -> None:
    """Reading before or after the block is an error that says so; the block can end early."""
    reader = attachment.open()
    with pytest.raises(ValueError, match="async with"):
        await reader.read()
    async with reader:
        pass
    with pytest.raises(ValueError, match="async with"):
        await reader.read()


async def test_a_cancelled_read_closes_the_file(attachment: Attachment) -> None:
    """A body that is cancelled while it reads leaves nothing open (looked for after each test)."""
    opened = asyncio.Event()

    async def body() -> None:
        async with attachment.open() as reader:
            opened.set()
            while True:
                await reader.read(10)

    running = asyncio.create_task(body())
    await opened.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_cancellation_while_the_file_is_opened_closes_it(tmp_path: Path) -> None:
    """A file that a thread was just opening for a cancelled body is closed (a warning if not)."""
    with ThreadPoolExecutor(1) as threads:
        disk: Future[None] = Future()
        threads.submit(disk.result)
        attachment = make(tmp_path, "input", BlockingWork(lambda: threads))

        async def body() -> None:
            async with attachment.open():
                pass

        running = asyncio.create_task(body())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.sleep(0)
        disk.set_result(None)

        with pytest.raises(asyncio.CancelledError):
            await running


async def test_an_attachment_does_not_change(attachment: Attachment) -> None:
    """It is a frozen record, and two of the same file are equal."""
    anything: Any = attachment
    with pytest.raises(dataclasses.FrozenInstanceError):
        anything.name = "other"
    assert attachment == dataclasses.replace(attachment)
    assert "BlockingWork" not in repr(attachment)


async def test_attachments_are_a_mapping_in_order_of_names(attachment: Attachment) -> None:
    """A body asks by name, counts, goes through them; nothing can be put in."""
    other = dataclasses.replace(attachment, name="a second")
    attachments = Attachments([attachment, other])

    assert attachments["input"] is attachment
    assert list(attachments) == ["a second", "input"]
    assert len(attachments) == 2
    assert "input" in attachments
    assert attachments.get("none") is None
    assert isinstance(attachments, Mapping)
    assert repr(attachments) == "Attachments('a second', 'input')"
    anything: Any = attachments
    with pytest.raises(TypeError):
        anything["new"] = attachment


async def test_a_missing_attachment_is_a_key_error_that_lists_what_is_there(
    attachment: Attachment,
) -> None:
    """The message is a sentence: what was asked for, and what there would be."""
    with pytest.raises(KeyError) as caught:
        Attachments([attachment])["inptu"]

    assert isinstance(caught.value, AttachmentNotFound)
    assert caught.value.present == ("input",)
    assert str(caught.value) == "the job has no attachment 'inptu'. It has 'input'"
    with pytest.raises(AttachmentNotFound, match=r"It has none: .*supervisor\.draft"):
        Attachments()["input"]
    many = Attachments(dataclasses.replace(attachment, name=f"{n:02}") for n in range(25))
    with pytest.raises(AttachmentNotFound, match=r"'19' and 5 more$"):
        many["input"]
