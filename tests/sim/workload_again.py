"""What clients do once more, in a later life too; and nothing at all for a while."""

from __future__ import annotations

import asyncio

from tests.sim.bodies import INPUT, KINDS, content_of, reader
from tests.sim.client import Answer
from tests.sim.scripts import draw_scripts
from tests.sim.workload import Client
from tests.sim.workload_batches import promise_file

from overseen import Handle, KeyConflict


async def repeat_once(client: Client) -> None:
    """Ask again for what was asked for with an idempotency key, perhaps in a former life (I18)."""
    book = client.book
    if not book.once:
        return
    tag = client.draw.choice(sorted(book.once))
    kind = KINDS[0].options(idempotency_key=f"once {tag}")
    request = client.supervisor.submit(kind, tag, book.once[tag])
    answered = await client.ask(f"submit once {tag} again", request)
    if answered.value is not None:
        client.learn(answered.value.id)
        client.promise_created(Answer.OK, [tag], [answered.value.id], kind.kind)


async def submit_rejecting(client: Client) -> None:
    """Several jobs with keys that may be taken: all of them or none (I19)."""
    tags = [client.tag() for _ in range(client.draw.randint(2, 4))]
    kind = KINDS[client.draw.randrange(2)]
    calls = [
        kind.options(key=f"key {n % 3}", on_conflict="reject").call(tag, draw_scripts(client.draw))
        for n, tag in enumerate(tags, client.draw.randrange(3))
    ]
    request = client.supervisor.submit_many(calls)
    answered = await client.ask(f"submit {kind.kind} {tags} with keys", request)
    client.book.sometimes.reach_if(
        isinstance(answered.error, KeyConflict), "a client's key was refused"
    )
    handles: list[Handle[int]] = answered.value or []
    ids = [handle.id for handle in handles]
    client.learn(*ids)
    client.promise_created(answered.answer, tags, ids, kind.kind)


async def retry_upload(client: Client) -> None:
    """A job with a file is repeated: both have the file, and the first may be pruned meanwhile."""
    tag = client.tag()
    draft = client.supervisor.draft(reader, tag, [["sleep 30", "read"]])
    begun = await client.ask(f"draft {tag}", draft.begin())
    if not begun.ok:
        client.promise_created(begun.answer, [tag], [], reader.kind)
        return
    client.learn(draft.id)
    if not (await client.ask("attach", draft.attach(INPUT, content_of(tag)))).ok:
        return
    if not (await client.ask(f"release {draft.id}", draft.release())).ok:
        return
    promise_file(client, draft.id)
    ended = client.supervisor.handle(draft.id).wait()
    if (await client.ask(f"result of {draft.id}", ended, 200.0)).ok:
        await asyncio.sleep(client.draw.uniform(0, 3))
        again = await client.ask(f"retry {draft.id}", client.supervisor.retry(draft.id))
        if again.value is not None:
            client.learn(again.value.id)


async def be_idle(client: Client) -> None:
    """Nothing, for so long that old jobs go."""
    await asyncio.sleep(client.draw.uniform(5, 80))
