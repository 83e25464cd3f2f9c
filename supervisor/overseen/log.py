"""How overseen logs: through structlog, without configuring anything, silent by default.

A library that logs through a plain ``structlog.get_logger()`` prints to its host's stdout when
the host has configured nothing. So the logger here ends in the standard library's logger
``overseen`` with a NullHandler: nothing appears until the host asks for it, and then every field
is an attribute of the record. ``Supervisor(logger=...)`` takes another one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["library_logger"]


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
        ],
    )
    return cast("FilteringBoundLogger", logger)
