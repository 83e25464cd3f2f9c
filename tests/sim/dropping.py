"""What a killed life leaves in memory goes without a word: nobody is left to hear it."""

from __future__ import annotations

import gc
import io
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def quietly() -> Generator[None]:
    """Coroutines that are dropped here may complain as they like."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = hook


@contextmanager
def collecting_between() -> Generator[None]:
    """No garbage is collected by itself, for finalizers would run at moments that do not repeat;
    what is there already is never looked at, which makes `collect` fast."""
    collects = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        collect()
        gc.unfreeze()
        if collects:
            gc.enable()


def collect() -> None:
    """Collect what histories have left."""
    with quietly():
        gc.collect()


def close_files_below(folder: Path) -> None:
    """A process that is killed leaves no file open, whoever still holds its object here: a body
    that cannot be made to end is kept in memory, with all that its frames hold."""
    if not _has_open_files(folder):
        return
    for one in gc.get_objects():
        if isinstance(one, io.FileIO) and not one.closed and str(one.name).startswith(str(folder)):
            one.close()


def _has_open_files(folder: Path) -> bool:
    listed = Path("/proc/self/fd")
    if not listed.exists():
        return False
    for link in listed.iterdir():
        with suppress(OSError):
            if str(link.readlink()).startswith(str(folder)):
                return True
    return False
