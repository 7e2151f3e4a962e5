"""Tars and tables from object storage and web servers, by fsspec: whole, or not at all.

These are addresses that a person types on the command line, not links that a server sends; so they may be on
this machine or in a private network.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Final

from iconoclip.errors import BadInput, MissingRequirement, TryAgainLater

# Seconds between one try and the next.
PAUSES: Final = (1.0, 4.0, 15.0)
STALL_SECONDS: Final = 60.0
# What trying again does not change, but for 408 (timeout) and 429 (too many requests).
FINAL_STATUS: Final = frozenset(range(400, 500)) - {408, 429}


def is_remote(address: str) -> bool:
    """Whether it is an address with a scheme, not a path."""
    return re.match(r"[a-z][a-z0-9+.-]*://", address, re.IGNORECASE) is not None


def fetch_file(address: str, target: Path) -> Path:
    """Fetch a file into the file `target`, trying again when the network or the server fails.

    Raises:
        TryAgainLater: it failed again and again.
        BadInput: the server refuses it.
        MissingRequirement: there is none, or fsspec has no reader for such addresses.
    """
    for pause in (*PAUSES, None):
        try:
            _fetch_once(address, target)
            return target
        except FileNotFoundError:
            raise MissingRequirement("no such file", where=address, remedy="check the address") from None
        except (ImportError, ValueError) as error:
            raise MissingRequirement(
                f"such addresses cannot be read: {error}",
                where=address,
                remedy="install the fsspec reader it names, e.g. s3fs",
            ) from error
        except Exception as error:  # every file system of fsspec raises other errors
            _give_up_if_refused(error, address)
            if pause is None:
                raise TryAgainLater(
                    f"cannot be fetched: {' '.join(str(error).split()) or type(error).__name__}",
                    where=address,
                    remedy="run the same command again",
                ) from error
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _fetch_once(address: str, target: Path) -> None:
    import fsspec

    system, path = fsspec.core.url_to_fs(address, **_options(address))
    system.get_file(path, str(target))


def _options(address: str) -> dict[str, Any]:
    if not address.lower().startswith("http"):
        return {}
    from aiohttp import ClientTimeout

    # A limit on silence, not on the whole: a large tar may take its time.
    timeout = ClientTimeout(total=None, sock_connect=STALL_SECONDS, sock_read=STALL_SECONDS)
    return {"client_kwargs": {"timeout": timeout}, "skip_instance_cache": True}


def _give_up_if_refused(error: Exception, address: str) -> None:
    status = getattr(error, "status", None)
    if isinstance(error, PermissionError) or status in FINAL_STATUS:
        raise BadInput(
            f"the server refuses it{f' ({status})' if status else ''}",
            where=address,
            remedy="check the address and your credentials",
        ) from error
