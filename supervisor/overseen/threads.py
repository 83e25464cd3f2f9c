"""Threads for plain ``def`` bodies: daemon threads, so that a stuck one cannot hold up the exit.

The standard ThreadPoolExecutor joins its threads when the interpreter ends; a body that hangs in C
would hang the process with it. These threads are forgotten instead: the owner lock and the row
say that the body was still running.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """An executor of at most `limit` daemon threads, started when they are needed."""

    def __init__(self, limit: int, name: str = "overseen-body") -> None:
        self._limit = limit
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in a thread as soon as one is free."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # it belongs to whoever awaits the future
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._closed:
                raise RuntimeError("the threads were shut down")
            self._work.put(run)
            self._start_one_if_needed()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads that are idle; with `wait`, wait for the busy ones."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def join_idle(self) -> list[str]:
        """After `shutdown(wait=False)`: wait for idle threads; return the names of busy ones."""
        for thread in self._threads:
            if thread.name not in self._busy:  # one at work may stay there for ever
                thread.join(timeout=0.2)
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _start_one_if_needed(self) -> None:
        if self._idle.acquire(blocking=False) or len(self._threads) >= self._limit:
            return
        name = f"{self._name}-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        work: Any
        name = threading.current_thread().name
        while (work := self._work.get()) is not None:
            self._busy.add(name)
            work()
            del work
            self._busy.discard(name)
            self._idle.release()
