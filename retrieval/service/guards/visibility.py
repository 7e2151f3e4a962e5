"""Visibility: the items of an institution are public, only for people with a token, or hidden.

Items that a user may not see are absent everywhere: in results, facets, items, images, exports. The response
for a concealed item is the same as for one that does not exist.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from starlette.requests import Request

from iconoclip.errors import ConfigError, MissingRequirement
from retrieval.config import ServeConfig
from retrieval.service.guards.refusals import Refusal

COOKIE = "iconoclip_token"
MIN_TOKEN_CHARS = 16
MAX_TOKEN_FILE_BYTES = 1_000_000


class Visibility:
    """The visibility rules of one server.

    Args:
        consortium: slugs whose items are visible only with a token.
        hidden: slugs whose items are visible to nobody.
        tokens: the tokens that give access to the consortium's items.
    """

    def __init__(
        self, consortium: tuple[str, ...] = (), hidden: tuple[str, ...] = (), tokens: tuple[str, ...] = ()
    ) -> None:
        self.consortium, self.hidden = consortium, hidden
        self._tokens = tuple(token.encode() for token in tokens)

    @classmethod
    def from_config(cls, config: ServeConfig) -> Visibility:
        """Make the rules from the config and the file of tokens.

        Raises:
            MissingRequirement: the file does not exist, or institutions need a token and no file is named.
            ConfigError: a token is too short to be secure.
        """
        tokens = _read_tokens(Path(config.token_file)) if config.token_file else ()
        if config.consortium and not tokens:
            raise MissingRequirement(
                "institutions are for holders of a token, but there is no token",
                where="consortium",
                remedy="write one token per line into a file and name it: --token_file FILE",
            )
        return cls(tuple(config.consortium), tuple(config.hidden), tokens)

    def is_member(self, token: str) -> bool:
        """Whether `token` gives access to the consortium's items; compared in constant time."""
        return sum(hmac.compare_digest(token.encode(), known) for known in self._tokens) > 0

    def concealed_from(self, request: Request) -> tuple[str, ...]:
        """The slugs that the sender of `request` may not see.

        Raises:
            Refusal: the request has an unknown token, which must not be ignored silently.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if not self.is_member(token.strip()):
                raise Refusal(
                    401,
                    "the token is not known here",
                    where="Authorization",
                    remedy="ask the consortium for a new one, or leave the header out",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            return self.hidden
        if self.is_member(request.cookies.get(COOKIE, "")):
            return self.hidden
        return (*self.consortium, *self.hidden)


def _read_tokens(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > MAX_TOKEN_FILE_BYTES:
            raise ConfigError(
                "the file of tokens is too large to be one", where=path, remedy="check the path"
            )
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise MissingRequirement(
            f"the file of tokens cannot be read: {error}", where=path, remedy="check --token_file"
        ) from error
    tokens = tuple(line for line in lines if line and not line.startswith("#"))
    if any(len(token) < MIN_TOKEN_CHARS for token in tokens):
        raise ConfigError(
            f"a token is shorter than {MIN_TOKEN_CHARS} characters",
            where=path,
            remedy="make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
        )
    return tokens
