"""Jobs whose annotations are text, some of whose names exist only for type checkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from overseen.jobs import job

if TYPE_CHECKING:
    from decimal import Decimal

    from overseen.context import Context


@job
async def later(ctx: Context, thing: Thing) -> Thing:
    return thing


@job
async def hidden(ctx: Context, price: Decimal) -> None: ...


@dataclass
class Thing:
    size: int
