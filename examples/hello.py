"""The shortest real thing: a durable job, its progress, its result.

    python examples/hello.py

It works in a temporary folder; with a fixed one, a killed process would go on where it was.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from overseen import Context, Supervisor, job


@job(retries=3, timeout="1m")
async def count_words(ctx: Context, text: str) -> dict[str, int]:
    words: dict[str, int] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for word in line.lower().split():
            words[word] = words.get(word, 0) + 1
        ctx.progress(number, len(lines), message=line)
        await asyncio.sleep(0)  # here would be real work
    return words


async def main(database: Path) -> None:
    async with Supervisor(database, jobs=[count_words]) as supervisor:
        handle = await supervisor.submit(count_words, "to be or\nnot to be")
        async for event in handle.events():
            print(f"{event.seq:>3}  {event.type:<10} {event.data or ''}")
        print(await handle.result())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder, "hello.db")))
