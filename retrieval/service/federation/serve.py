"""The verb `federate`: one page over several services."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from retrieval.service.serve import bind, run

if TYPE_CHECKING:
    from retrieval.config import FederateConfig


def federate(config: FederateConfig) -> int:
    """Serve the page and the API of a federation until interrupted.

    Raises:
        TryAgainLater: the port is in use.
        ConfigError: something that is no address of a service, or a host or port that cannot be listened on.
    """
    with contextlib.closing(bind(config.host, config.port)) as listener:
        # Imported after the port is bound, because it takes a second.
        from retrieval.service.federation.app import create_federation

        run(create_federation(config), listener, config.max_connections)
    return 0
