"""Uploads a model directory to a hub (huggingface.co, or the one that $HF_ENDPOINT names)."""

from __future__ import annotations

import os
from pathlib import Path

from iconoclip.errors import BadInput, MissingRequirement


def push(folder: Path, repository: str, *, is_public: bool) -> str:
    """Upload a model directory as one commit; the repository is created if it does not exist.

    The token is that of the hub's client: $HF_TOKEN, or the one that `hf auth login` stored.

    Returns:
        The address of the repository.

    Raises:
        BadInput: the hub refuses the name, the token, or the files.
        MissingRequirement: the hub cannot be reached.
    """
    # Imported here: it takes a second, and an export without a push does not need it.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError  # type: ignore[attr-defined]

    client = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        made = client.create_repo(repository, private=not is_public, exist_ok=True)
        client.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="Export from iconoclip")
    except (HfHubHTTPError, HFValidationError) as error:
        raise BadInput(
            f"the hub refuses: {str(error).strip().splitlines()[0]}",
            where=repository,
            remedy="give OWNER/NAME of a place you may write to, with a token of that right in $HF_TOKEN",
        ) from error
    except (HTTPError, OSError) as error:
        raise MissingRequirement(
            f"the hub cannot be reached: {(str(error) or type(error).__name__).strip().splitlines()[0]}",
            where=client.endpoint,
            remedy="the model directory is written; run the same command again with a connection",
        ) from error
    return str(made)
