"""How overseen logs: through structlog, without configuring anything, silent by default.

A library that logs through a plain ``structlog.get_logger()`` prints to its host's stdout when
the host has configured nothing. So the logger here ends in the standard library's logger
``overseen`` with a NullHandler: nothing appears until the host asks for it, and then every field
is an attribute of the record. ``Supervisor(logger=...)`` takes another one.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["library_logger"]

RESERVED: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Attributes that `logging` sets itself: a field of such a name makes it raise, in our code."""


def library_logger() -> FilteringBoundLogger:
    """Return the logger of the library. Its events are nouns and verbs: ``job.failed``."""
    import structlog  # 0.2 s where rich is installed: not at ``import overseen``

    standard = logging.getLogger("overseen")
    if not any(isinstance(handler, logging.NullHandler) for handler in standard.handlers):
        standard.addHandler(logging.NullHandler())
    logger: Any = structlog.wrap_logger(
        standard,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.stdlib.render_to_log_kwargs,
            _rename_reserved,
        ],
    )
    return cast("FilteringBoundLogger", logger)


def _rename_reserved(
    _logger: object, _method: str, rendered: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Give fields, also context variables of the host, a name that `logging` accepts."""
    fields: dict[str, object] = rendered.get("extra", {})
    rendered["extra"] = {
        f"{name}_" if name in RESERVED else name: value for name, value in fields.items()
    }
    return rendered
