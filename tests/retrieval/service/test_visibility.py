"""The file of tokens, and who is a member."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.errors import ConfigError, MissingRequirement
from retrieval.config import ServeConfig
from retrieval.service.guards.visibility import Visibility

TOKEN = "a-token-that-is-long-enough"


def test_tokens_are_read_from_a_file_without_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# for the partners\n\n{TOKEN}\n")
    visibility = Visibility.from_config(ServeConfig(index="x", consortium=["b"], token_file=str(file)))
    assert visibility.is_member(TOKEN)
    assert not visibility.is_member(TOKEN[:-1])
    assert not visibility.is_member("# for the partners")
    assert not visibility.is_member("")


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("secret\n")
    with pytest.raises(ConfigError, match="shorter than 16"):
        Visibility.from_config(ServeConfig(index="x", token_file=str(file)))


def test_a_consortium_without_tokens_would_be_hidden_and_is_refused() -> None:
    with pytest.raises(MissingRequirement, match="there is no token"):
        Visibility.from_config(ServeConfig(index="x", consortium=["b"]))


def test_a_missing_file_of_tokens_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement) as missing:
        Visibility.from_config(ServeConfig(index="x", token_file=str(tmp_path / "gone")))
    assert missing.value.where == str(tmp_path / "gone")
