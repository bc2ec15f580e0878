"""Pictures for people are no reason to stop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from space.errors import SpaceError

_log = logging.getLogger("space.workflow")


@contextmanager
def drawn_or_told(path: Path) -> Iterator[None]:
    """Tell that a picture was not drawn, whatever goes wrong; not for calls to SerialEM."""
    try:
        yield
    except (SpaceError, OSError, MemoryError) as error:
        _log.warning("%s was not drawn: %s", path.name, error)
    except Exception:  # nobody foresaw it
        _log.warning(
            "%s was not drawn, by a mistake in SPACEtomo. All else goes on.",
            path.name,
            exc_info=True,
        )
