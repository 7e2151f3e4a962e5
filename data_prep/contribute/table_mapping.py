"""What the columns of a partner's table mean: as the config says, or guessed, shown and confirmed.

On a terminal the user is asked, and may correct the guess. Elsewhere a guess needs `--yes`; without it the
config is written to a file that can be edited, and nothing is packed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml

from data_prep.contribute.config import PackConfig
from data_prep.contribute.table_questions import ask
from data_prep.sources.table import TableReader, first_rows_of
from data_prep.sources.table_config import Columns
from data_prep.sources.tables.cells import Cells
from data_prep.sources.tables.files import RECORDS, table_files
from data_prep.sources.tables.guess import Guess, example, guess
from data_prep.sources.tables.picture_files import PictureFolder
from data_prep.sources.tables.remote_tables import folder_of, on_disk
from data_prep.sources.tables.rows import Row
from data_prep.sources.tables.web_folders import web_folder
from iconoclip.config import build, laid_over
from iconoclip.errors import BadInput, ConfigError
from iconoclip.files import atomic_write

# Settings that are of one call, and not of how a catalogue is to be read.
_OF_ONE_CALL: Final = {
    "table",
    "more_tars",
    "out",
    "dry_run",
    "json",
    "yes",
    "write_config",
    "contact",
    "network",
    "num_workers",
}
_USUAL_TEXTS: Final = ("title", "caption", "description")


def with_mapping(config: PackConfig) -> PackConfig:
    """The config with the meaning of the columns: as it is where it states one, or where the table has the
    usual names; otherwise with a guess that somebody has confirmed.

    A config that names nothing but the column of files leaves the others to be guessed.

    Raises:
        ConfigError: the guess is not confirmed, or no column holds pictures.
        BadInput: the table cannot be read.
    """
    paths = table_files(on_disk(config.table))
    is_mapped = "columns" in config.model_fields_set
    names_file = is_mapped and config.columns.model_fields_set == {"file"}
    if paths[0].suffix.lower() in RECORDS or (is_mapped and not names_file):
        return config
    rows = first_rows_of(paths, config)
    if not rows:
        raise BadInput("the table holds no rows", where=paths[0], remedy="is this the right file?")
    header = list(dict.fromkeys(name for row in rows for name in row))
    found = guess(rows, _pictures(config, paths[0]))
    if _has_usual_texts(header) if names_file else _has_usual_names(header):
        if _adds_nothing(found):
            return config
        if not (config.yes or _is_terminal()):
            _say_what_is_left_out(found)
            return config
    if names_file and not (config.yes or _is_terminal()):
        _say_what_is_left_out(found)
        return config
    if not (found.has_file or names_file):
        raise ConfigError(
            "no column of the table seems to hold names or addresses of pictures",
            where=paths[0],
            remedy=f"name it with --columns.file; the columns are {', '.join(header[:40])}",
        )
    return _confirmed(config, found, rows, header)


def _pictures(config: PackConfig, table: Path) -> PictureFolder | None:
    if web_folder(config.images or folder_of(config.table)):
        return None
    return PictureFolder(Path(config.images) if config.images is not None else table.parent)


def _has_usual_names(header: list[str]) -> bool:
    """Whether the table has the columns that the guide calls usual."""
    return Cells(header).has("file") and _has_usual_texts(header)


def _has_usual_texts(header: list[str]) -> bool:
    return any(map(Cells(header).has, _USUAL_TEXTS))


def _adds_nothing(found: Guess) -> bool:
    """Whether the guess is the usual mapping and no more."""
    usual = Columns()
    known = {"file", "rights", *usual.captions.values()}
    return not found.separators and all(
        meant == "ignore" or name.casefold() in known for name, meant in found.columns.items()
    )


def _say_what_is_left_out(found: Guess) -> None:
    usual = {"file", "rights", *_USUAL_TEXTS}
    more = [
        f"{name} ({meant})"
        for name, meant in found.columns.items()
        if name.casefold() not in usual and meant != "ignore"
    ]
    if more:
        print(f"not used: {', '.join(more)}; --yes takes what was guessed of these columns", file=sys.stderr)


def _confirmed(config: PackConfig, found: Guess, rows: list[Row], header: list[str]) -> PackConfig:
    """The config with the guess, once it is confirmed; on a terminal the user may correct it first."""
    if not config.json:
        show(found, rows, header, config)
    settings = found.settings()
    is_asked = not config.yes and not config.dry_run and _is_terminal()
    if is_asked:
        answers = ask(found, header, lambda: show(found, rows, header, config), config)
        settings = {**found.settings(), **answers}
    mapped = _with(config, settings)
    is_confirmed = config.yes or config.dry_run or is_asked
    path = _write(mapped, config)
    if not is_confirmed:
        raise ConfigError(
            "the meaning of the columns was guessed, and nobody has confirmed it",
            where=config.table,
            remedy=f"--yes accepts the guess; or correct {path} and give it with --config {path}",
        )
    if is_asked:
        mapped = _with_near_files(mapped)
    return mapped


def _with(config: PackConfig, settings: dict[str, Any]) -> PackConfig:
    """The config with what was guessed under what the user gave."""
    given = config.model_dump(exclude_unset=True)
    return build(PackConfig, laid_over(settings, given), "the guess of the columns")


def _with_near_files(config: PackConfig) -> PackConfig:
    """Ask whether files of nearly the same names are meant, if some are not there as they are written."""
    if config.near_files == "use":
        return config
    near, missing = TableReader(config).near_files()
    if not near:
        return config
    print(f"{sum(near.values()) + missing} pictures are not there as the table writes them; near ones are:")
    for difference, count in near.most_common():
        print(f"  {count:>6}  {difference}")
    answer = input("Use these? [y/N] ").strip().lower()
    return config.model_copy(update={"near_files": "use"}) if answer in ("y", "yes") else config


def show(found: Guess, rows: list[Row], header: list[str], config: PackConfig) -> None:
    """Print the guess with its reasons, and three rows as it reads them."""
    settings = found.settings()
    lines = ["What the columns seem to hold:"]
    width = min(40, max(map(len, header), default=0))
    for name in header:
        meant = found.columns.get(name)
        reason = found.reasons.get(name, "")
        if meant == "ignore":
            meant, reason = (
                None,
                "not used: such columns say nothing of the picture, or are not for the public",
            )
        if found.pattern and f"{{{name}}}" in found.pattern:
            meant = f"{meant or ''} file {found.pattern}".strip()
        divided = f", divided at {found.separators[name]!r}" if name in found.separators else ""
        lines.append(f"  {name[:40]:<{width}}  {meant or '-':<12}  {reason}{divided}".rstrip())
    lines.append("Three rows as they would be read:")
    for number, texts in enumerate(example(rows, settings), 1):
        lines += [f"  {number}  {meant}: {text}" for meant, text in texts.items()]
    if not settings["columns"].get("rights") and not config.rights:
        lines.append(
            "No column holds rights: every picture is refused unless --rights states what holds for all."
        )
    print("\n".join(lines), file=sys.stderr)


def _write(mapped: PackConfig, config: PackConfig) -> Path:
    """Write the config that reads this table; in a dry run only where the user names a file."""
    path = config.write_config
    if path is None:
        if config.dry_run or config.out is None:
            return Path("FILE")
        path = config.out.with_name(f"{config.out.name}.pack.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = mapped.model_dump(mode="json", exclude_unset=True)
    kept = {name: value for name, value in values.items() if name not in _OF_ONE_CALL}
    if "images" in kept and config.images is None:
        kept.pop("images")
    text = (
        "# How to read the export of our catalogue; guessed, and to be corrected by hand. Use it with\n"
        f"#   iconoclip pack TABLE --config {path.name} --out FOLDER\n"
        f"{yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)}"
    )
    if config.write_config is None and path.exists() and path.read_text(encoding="utf-8") != text:
        print(
            f"{path} is kept as it is; use it with --config, or name another file with --write_config",
            file=sys.stderr,
        )
        return path
    with atomic_write(path) as file:
        file.write(text.encode())
    print(f"the config is in {path}", file=sys.stderr)
    return path


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
