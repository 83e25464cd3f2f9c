"""A draft, as its author holds it: a job that is given files before anybody can run it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

import anyio
import msgspec

from overseen.attachments.draft_errors import (
    AttachmentExists,
    AttachmentsMissing,
    DraftNotBegun,
    NotADraft,
)
from overseen.attachments.keeping import Keeping
from overseen.attachments.names import check_attachment_name
from overseen.errors import KeyConflict, RequestRefused
from overseen.face_checks import reason_text
from overseen.handle import Handle
from overseen.job_options import SubmitOptions
from overseen.jobs import Call
from overseen.messages import PlaceOrder
from overseen.requesting import ask, place
from overseen_storage.errors import OverseenError
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.orders import Attach, Declined, Discard, KeepDraft, OrderAnswer, Release

if TYPE_CHECKING:
    from overseen.asking import Asking
    from overseen.attachments.folder import StoredFile
    from overseen.attachments.sources import Source
    from overseen.running import Running

__all__ = ["Attached", "Draft"]

R_co = TypeVar("R_co", covariant=True)

DISCARD_SECONDS: Final = 5.0
"""How long a block that is left by an exception waits for its draft to be discarded."""


class Attached(msgspec.Struct, frozen=True):
    """A file that belongs to a draft now."""

    name: str
    """What the job calls it."""
    size_bytes: int
    """Its size."""
    digest: str
    """sha256 of its content, hexadecimal."""


class Draft(Generic[R_co]):
    """A job that cannot run yet: what ``supervisor.draft(...)`` returns.

    ::

        async with supervisor.draft(transcode, preset="slow") as draft:
            await draft.attach("input.mp4", path)
        frames = await draft.handle.result()

    The end of the block releases it: in one transaction the declared files are looked for, the
    job becomes pending (or scheduled) and the event ``ready`` lists its files. An exception that
    leaves the block discards it, and its files with it. One that is abandoned, because its process
    died, expires (``Supervisor(draft_timeout=...)``). `begin`, `release` and `discard` do the same
    by hand, also inside the block, whose end then changes nothing.

    Several authors may share a draft, by its key or id: an upload that is tried again goes on with
    what is there. Whoever's block ends first releases it, for all; the end of another block then
    changes nothing, but a file that is still being attached is refused (`NotADraft`). An exception
    discards it only if it leaves the block that began it.

    When the store does not work at the end of the block, the exception has a note with the draft's
    id and how to go on.
    """

    def __init__(
        self,
        asking: Callable[[], Asking],
        call: Call[R_co] | None,
        *,
        batch_id: int | None = None,
        handle: Handle[R_co] | None = None,
    ) -> None:
        self._asking = asking
        self._call = call
        self._batch_id = batch_id
        self._handle = handle
        self._settled = False
        """It was released or discarded through this object."""

    @property
    def handle(self) -> Handle[R_co]:
        """The job's handle. Raises `DraftNotBegun` before the block is entered."""
        if self._handle is None:
            raise DraftNotBegun(self._call.job.kind if self._call else "job")
        return self._handle

    @property
    def id(self) -> int:
        """The job's id."""
        return self.handle.id

    async def begin(self) -> Self:
        """Store the draft. Raises as `Supervisor.submit`; a `key` or `idempotency_key` finds the
        draft that is there, or raises `KeyConflict` when that job is no draft any more. If it is
        cancelled, nobody will have the id: what it began is discarded."""
        if self._handle is not None:
            return self
        assert self._call is not None, "it has a handle, or a way to get one"
        handle = await self._asking().begin_draft(self._call, self._batch_id)
        if not handle.created:
            await self._check_is_draft(handle, self._call.job.overrides)
        self._handle = handle
        return self

    async def _check_is_draft(self, handle: Handle[R_co], said: SubmitOptions) -> None:
        """Somebody goes on with a draft that is there: it lives on as if it had just begun."""
        running = self._asking().running
        answer = await place(running, KeepDraft(handle.id, running.draft_expires_at()))
        if isinstance(answer, Declined):
            raise KeyConflict(
                f"job {handle.id} holds the key and is {answer.status}, not a draft: look at it "
                "with supervisor.handle(id), or draft with another key",
                key=said.key or said.idempotency_key or "",
                existing_id=handle.id,
                existing_status=answer.status,
            )

    async def attach(self, name: str, source: Source) -> Attached:
        """Give it a file: a path, bytes, or a stream of bytes (an async iterator), of any size.

        The content lies beside the database, flushed to the disk, before the draft knows of it;
        nothing is left of one that breaks off. The draft does not expire meanwhile. Raises
        `NotADraft`, `AttachmentExists`, `InvalidAttachmentName`, `InvalidSource`,
        `AttachmentTooLarge`, `NoSpaceForFile`, and what the stream itself raises.
        """
        check_attachment_name(name)
        running = self._asking().running
        job_id = self.id
        await self._check_name_is_free(running, job_id, name)
        async with Keeping(running, job_id):
            limit = running.settings.attachment_limit
            stored = await running.folder.write(job_id, name, source, bytes_max=limit)
        await self._attach(running, name, stored)
        return Attached(name, stored.size_bytes, stored.digest)

    async def _check_name_is_free(self, running: Running, job_id: int, name: str) -> None:
        """Before gigabytes are written for nothing. The store looks again."""
        record = await running.store.job(job_id)
        if record is None:
            raise NotADraft(job_id, None)
        if record.status is not Status.DRAFT:
            raise NotADraft(job_id, record.status, record.reason)
        if any(one.name == name for one in await running.store.attachments(job_id)):
            raise AttachmentExists(job_id, name)

    async def _attach(self, running: Running, name: str, stored: StoredFile) -> None:
        order = Attach(
            job_id=self.id,
            name=name,
            digest=stored.digest,
            size_bytes=stored.size_bytes,
            stored_name=stored.stored_name,
            expires_at=running.draft_expires_at(),
        )
        reply: asyncio.Future[OrderAnswer] = running.loop.create_future()
        running.tidier.removes_unless_obeyed(reply, stored.stored_name)
        answer = await ask(running, PlaceOrder(order, reply), asyncio.shield(reply))
        if isinstance(answer, Declined):
            if answer.why == "name_taken":
                raise AttachmentExists(self.id, name)
            raise self._refusal(answer, f"file {name!r} of draft {self.id}")

    async def release(self) -> Handle[R_co]:
        """It has all its files: let it run. Raises `AttachmentsMissing`, after which the missing
        ones can be attached, and `NotADraft`."""
        running = self._asking().running
        order = Release(
            job_id=self.id,
            required=await self._required(running),
            now_wall=running.clock.wall_us(),
        )
        answer: OrderAnswer = await place(running, order)
        if isinstance(answer, Declined):
            if answer.why == "missing":
                raise AttachmentsMissing(self.id, answer.missing)
            raise self._refusal(answer, f"the release of draft {self.id}")
        self._settled = True
        return self.handle

    async def _required(self, running: Running) -> tuple[str, ...]:
        kind = self.handle.kind
        if kind is None:
            record = await running.store.job(self.id)
            if record is None:
                raise NotADraft(self.id, None)
            kind = record.kind
        return running.registry.get(kind).definition.attachments

    async def discard(self, reason: str | None = None) -> None:
        """Give it up: it ends `cancelled`, its files go. Harmless if that has happened already.
        Raises `NotADraft` when it was released: cancel its handle instead."""
        order = Discard(self.id, data=reason_text(reason))
        answer: OrderAnswer = await place(self._asking().running, order)
        if isinstance(answer, Declined) and answer.status is not Status.CANCELLED:
            raise self._refusal(answer, f"the discarding of draft {self.id}")
        self._settled = True

    def _refusal(self, declined: Declined, what: str) -> Exception:
        if declined.why in ("no_job", "not_draft"):
            return NotADraft(self.id, declined.status, declined.reason)
        return RequestRefused(what, declined.message or declined.why)

    async def __aenter__(self) -> Self:
        return await self.begin()

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._settled:
            return  # by hand, inside the block
        if error is not None:
            await self._discard_after(error)
            return
        try:
            await self.release()
        except (AttachmentsMissing, asyncio.CancelledError) as failure:
            await self._discard_after(failure)
            raise
        except NotADraft as failure:
            if not _was_released(failure):
                raise
        except OverseenError as failure:
            failure.add_note(self._not_released())
            raise

    async def _discard_after(self, error: BaseException) -> None:
        """The block's own error is what its author must see. Shielded for a while, because a
        cancelled scope of anyio (a request that was given up) would cancel this too.

        Only who began the draft gives it up: others who found it, by its key or id, may have put
        their files into it."""
        if not self.handle.created:
            return
        try:
            with anyio.move_on_after(DISCARD_SECONDS, shield=True) as limit:
                await self.discard(f"its block was left by {type(error).__name__}")
        except NotADraft:
            return  # a release that was cancelled came through; or somebody else decided
        except OverseenError as failure:
            error.add_note(self._not_discarded(str(failure)))
        else:
            if limit.cancelled_caught:
                why = f"the supervisor did not answer within {DISCARD_SECONDS:g} s"
                error.add_note(self._not_discarded(why))

    def _not_discarded(self, why: str) -> str:
        return (
            f"draft {self.id} could not be discarded and will expire: {why}. To discard it sooner: "
            f"`await supervisor.find_draft({self.id}).discard()`"
        )

    def _not_released(self) -> str:
        return (
            f"draft {self.id} was not released, as far as is known; it keeps its files until it "
            "expires. Once the supervisor works again: "
            f"`await supervisor.find_draft({self.id}).release()`"
        )

    def __repr__(self) -> str:
        kind = self._call.job.kind if self._call else None
        return f"<Draft {self._handle.id if self._handle else 'not begun'} of {kind}>"


def _was_released(refusal: NotADraft) -> bool:
    """It is no draft any more because it has been released: what the end of a block is for."""
    gone = (Reason.DRAFT_DISCARDED, Reason.DRAFT_EXPIRED)
    return refusal.status is not None and refusal.reason not in gone
