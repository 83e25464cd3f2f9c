"""One read for all who want the same thing at the same time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["SharedReads"]

K = TypeVar("K")
V = TypeVar("V")


class SharedReads(Generic[K, V]):
    """Reads under way, and the last answers.

    Whoever comes first reads, in his own task; the others wait for him. If he is cancelled, the
    next one reads; if he gets an error, they all do.
    """

    def __init__(self, kept: int) -> None:
        self._kept_max = kept
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._under_way: dict[K, asyncio.Future[None]] = {}

    async def get(
        self, key: K, read: Callable[[], Awaitable[V]], is_good: Callable[[V], bool] | None = None
    ) -> V:
        """Return what is kept under `key` or being read, if `is_good` says so; else read it."""
        while True:
            if key in self._kept and (is_good is None or is_good(self._kept[key])):
                self._kept.move_to_end(key)
                return self._kept[key]
            under_way = self._under_way.get(key)
            if under_way is None:
                return await self._read(key, read)
            await asyncio.shield(under_way)

    def forget(self) -> None:
        """Keep nothing of what was read so far."""
        self._kept.clear()

    async def _read(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        under_way = self._under_way[key] = asyncio.get_running_loop().create_future()
        error: Exception | None = None
        try:
            value = self._kept[key] = await read()
            self._kept.move_to_end(key)
            if len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
            return value
        except Exception as failure:
            error = failure
            raise
        finally:
            del self._under_way[key]
            if error is None:
                under_way.set_result(None)
            else:
                under_way.set_exception(error)
                under_way.exception()  # looked at: perhaps nobody else waits
