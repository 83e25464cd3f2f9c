"""What a killed life leaves in memory goes without a word: nobody is left to hear it."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager


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
