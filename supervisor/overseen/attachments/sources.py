"""What can be attached, turned into pieces of bytes that fit in memory."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Protocol, TypeAlias, TypeGuard

from overseen.attachments.blocking import BlockingWork
from overseen.attachments.errors import InvalidSource
from overseen.attachments.reading import FileReader, NotAFile, read_exactly

__all__ = ["PIECE_BYTES", "AsyncByteFile", "ByteFile", "Source", "pieces_of"]

PIECE_BYTES = 1 << 20
"""How much is held at a time, twice that at most: one trip to a thread costs 0.1 ms."""

BytesLike: TypeAlias = bytes | bytearray | memoryview


class ByteFile(Protocol):
    """A binary file object: ``open(path, "rb")``, ``io.BytesIO``, a pipe."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        ...


class AsyncByteFile(Protocol):
    """A file object for coroutines: Starlette's UploadFile, asyncio.StreamReader, aiofiles."""

    async def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        ...


Source: TypeAlias = (
    str | os.PathLike[str] | BytesLike | AsyncIterable[BytesLike] | ByteFile | AsyncByteFile
)
"""What can be attached: a path, bytes, an async stream of bytes, or a binary file object.

A file object is read from where it stands, and left open. Reading an ordinary one happens in
threads. An async generator that is not read to its end, because something failed, is closed.
"""


def pieces_of(source: Source, name: str, work: BlockingWork) -> AsyncGenerator[bytes, None]:
    """Return the content of `source` in pieces of some 1 MiB, to be read once.

    The errors of a stream or file object pass unchanged.

    Raises:
        InvalidSource: at once, if `source` is nothing that can be attached; while it is read, if
            the path names no file that can be read, if a file object is closed, or if what comes is
            not bytes.
    """
    if isinstance(source, str | os.PathLike):
        return _of_path(_path(source, name), name, work)
    view = _view(source)
    if view is not None:
        return _of_view(view)
    if _is_async_file(source):
        return _of_async_file(source, name)
    if isinstance(source, AsyncIterable):
        return _of_stream(source, name)
    if _is_file(source):
        return _of_file(source, name, work)
    raise _unknown(source, name)


def _is_async_file(source: object) -> TypeGuard[AsyncByteFile]:
    # Asked before "is it iterable?": asyncio.StreamReader and aiofiles iterate over lines, and a
    # file without line ends would be one line.
    return not isinstance(source, type) and inspect.iscoroutinefunction(
        getattr(source, "read", None)
    )


def _is_file(source: object) -> TypeGuard[ByteFile]:
    return not isinstance(source, type) and callable(getattr(source, "read", None))


async def _of_path(path: Path, name: str, work: BlockingWork) -> AsyncGenerator[bytes, None]:
    try:
        async with FileReader(path, work) as reader:
            while piece := await reader.read(PIECE_BYTES):
                yield piece
    except FileNotFoundError as error:
        raise InvalidSource(
            name,
            f"there is no file {str(path)!r}",
            "A str is taken as a path; to attach the text itself pass text.encode()",
        ) from error
    except (NotAFile, IsADirectoryError) as error:
        raise InvalidSource(
            name,
            f"{str(path)!r} is {error if isinstance(error, NotAFile) else 'a folder'}, not a file",
            "Attach files one by one, or pack a folder first; a pipe can be attached as an open "
            "file object",
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidSource(
            name, f"{str(path)!r} cannot be read: {error}", "Look at its rights and its disk"
        ) from error


async def _of_view(view: memoryview) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(view), PIECE_BYTES):
        # A copy: the caller may change a bytearray while a thread writes it.
        yield bytes(view[start : start + PIECE_BYTES])


async def _of_stream(stream: AsyncIterable[BytesLike], name: str) -> AsyncGenerator[bytes, None]:
    held = bytearray()
    try:
        async for chunk in stream:
            view = _checked(chunk, name)
            for start in range(0, len(view), PIECE_BYTES):
                held += view[start : start + PIECE_BYTES]
                if len(held) >= PIECE_BYTES:
                    yield bytes(held)
                    held.clear()
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
    if held:
        yield bytes(held)


async def _of_async_file(file: AsyncByteFile, name: str) -> AsyncGenerator[bytes, None]:
    held = bytearray()
    while view := _checked(await _read_async(file, name), name):
        held += view
        if len(held) >= PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _read_async(file: AsyncByteFile, name: str) -> object:
    with _named_if_closed(file, name):
        return await file.read(PIECE_BYTES)


@contextlib.contextmanager
def _named_if_closed(file: object, name: str) -> Generator[None]:
    """Python says no more than "I/O operation on closed file", and not of which."""
    try:
        yield
    except ValueError as error:
        if not _is_closed(file):
            raise
        fix = "Open it again, and close it after the attach; uploads end with their request"
        raise InvalidSource(name, "the file object is closed", fix) from error


def _is_closed(file: object) -> bool:
    """Also if what is closed is the file inside, as with an upload of Starlette."""
    inner: object = getattr(file, "file", None)
    return True in (getattr(file, "closed", False), getattr(inner, "closed", False))


async def _of_file(file: ByteFile, name: str, work: BlockingWork) -> AsyncGenerator[bytes, None]:
    read: Callable[[int], bytes | None] = file.read
    while True:
        # A cancellation does not wait for it: it may be a pipe to which nobody writes.
        with _named_if_closed(file, name):
            piece = await work.run_or_leave(lambda: _checked_piece(read, name))
        if not piece:
            return
        yield piece


def _checked_piece(read: Callable[[int], bytes | None], name: str) -> bytes:
    return read_exactly(lambda size: _checked_read(read, size, name), PIECE_BYTES)


def _checked_read(read: Callable[[int], object], size: int, name: str) -> bytes:
    piece = read(size)
    if piece is None:
        raise InvalidSource(
            name,
            "the file object has nothing to read yet: it does not block",
            "Set it to blocking, or attach an async stream that waits",
        )
    return bytes(_checked(piece, name))


def _checked(chunk: object, name: str) -> memoryview:
    view = _view(chunk)
    if view is not None:
        return view
    kind = type(chunk).__qualname__
    fix = "Open the file in binary mode, or encode the text" if kind == "str" else "It must"
    raise InvalidSource(name, f"the source gave a {kind}, not bytes", f"{fix}: give bytes")


def _view(value: object) -> memoryview | None:
    """Return the bytes of anything that has the buffer protocol, one after the other."""
    try:
        view = memoryview(value)  # type: ignore[arg-type] # whether it has one is the question
    except TypeError:
        return None
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def _path(source: str | os.PathLike[str], name: str) -> Path:
    try:
        return Path(source)
    except TypeError as error:  # a PathLike may stand for a path of bytes
        raise InvalidSource(
            name, f"{source!r} is no path of text", "Pass os.fsdecode(it)"
        ) from error


def _unknown(source: object, name: str) -> InvalidSource:
    if inspect.isawaitable(source):
        if isinstance(source, Coroutine):
            source.close()  # else Python warns that nobody awaited it
        return InvalidSource(name, "the source is awaitable", "Await it, and attach what it gives")
    if callable(source):
        kind = getattr(source, "__qualname__", type(source).__qualname__)
        return InvalidSource(name, f"the source is {kind} itself", "Call it, and attach the result")
    return InvalidSource(
        name,
        f"the source has the type {type(source).__qualname__}",
        "It must be a path, bytes, an async iterable of bytes, or a binary file object",
    )
