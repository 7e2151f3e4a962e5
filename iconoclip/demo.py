"""The demo: the whole pipeline on the built-in collections, one verb after the other.

A model is trained on the drawn arms. The pages of a drawn book are harvested with them; the pictures on the
pages join the search, each with its caption. Each step is a verb with its options, printed before it runs, so
that a reader can run the same commands by hand. In addition, child processes serve the collections.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field
from rich.console import Console
from rich.markup import escape

from iconoclip import cli, verbs
from iconoclip.config import Config
from iconoclip.demo_archives import MARKER_NAME, Archive, archives, library
from iconoclip.errors import BadInput, SomeRefused, TryAgainLater
from iconoclip.files import write_json


class DemoConfig(Config):
    """The whole pipeline on the built-in collection, from the archives' server to the search page."""

    folder: Path = Field(Path("demo"), description="folder for everything that the demo makes")
    num_arms: int = Field(
        4800, ge=30, description="coats of arms to draw; fewer is faster, but the model learns less"
    )
    num_pages: int = Field(
        40, ge=24, description="pages of the drawn book whose pictures can be searched as well"
    )
    seed: int = Field(1, ge=0, description="seed of the collections; another seed draws other arms and pages")
    train: Path = Field(Path("train/demo.yaml"), description="config of the training run")
    serve: bool = Field(
        True, description="serve the search page at the end; --no-serve ends after the evaluation"
    )
    host: str = Field("127.0.0.1", description="address to serve at")
    port: int = Field(8000, ge=0, le=65535, description="port to serve at; 0 picks a free one")


def demo(config: DemoConfig) -> int:
    """Run every step; finished steps are skipped.

    Returns:
        0.

    Raises:
        BadInput: the folder holds a demo of another collection.
        IconoclipError: whatever a verb refuses.
    """
    console = Console(stderr=True, highlight=False)
    started = time.monotonic()
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    _same_collection(config)
    shards, run, model = folder / "shards", folder / "run", folder / "model"
    _harvest_all(config, shards, console)
    pages, pictures = folder / "book" / "pages", folder / "book" / "pictures"
    _step(
        console, "segment", str(pages), out=pictures, text_folder=folder / "book" / "texts", report_pages=24
    )
    _step(console, "train", str(shards), run_dir=run, config=config.train)
    _step(console, "export", str(run), out=model)
    _step(console, "evaluate", str(model), str(shards), split="test", out=folder / "evaluation")
    if config.serve:
        index = folder / "index"
        sets = {"embeddings": shards, "book/embeddings-pictures": pictures, "book/embeddings-pages": pages}
        for name, of_set in sets.items():
            _step(console, "encode", str(model), str(of_set), out=folder / name)
        # Each store names its shard set.
        _step(console, "index", *(str(folder / name) for name in sets), model=model, out=index)
        seconds = time.monotonic() - started
        console.print(f"\n[bold]Everything is ready[/] after {seconds:.0f} s. Try it on the terminal too:")
        console.print(
            f'  iconoclip search "Azure, a chevron or between three mullets argent" --index {index}\n'
            f"  iconoclip search picture:yes --index {index}\n",
            soft_wrap=True,
        )
        with contextlib.ExitStack() as stack:
            try:
                # The archives are served as long as the page is, so that its links to manifests work.
                stack.enter_context(_archives(config))
                stack.enter_context(_library(config))
            except TryAgainLater as busy:
                console.print(f"[yellow]the links to the archives will not work: {busy.what}[/]")
            return _step(console, "serve", str(index), host=config.host, port=config.port)
    seconds = time.monotonic() - started
    console.print(f"\n[bold]Done[/] after {seconds:.0f} s; `iconoclip demo` continues to the search page.")
    return 0


def _same_collection(config: DemoConfig) -> None:
    """Refuse to mix two collections in one folder."""
    marker = config.folder / MARKER_NAME
    wanted = {"num_arms": config.num_arms, "seed": config.seed, "num_pages": config.num_pages}
    known = json.loads(marker.read_text()) if marker.exists() else {}
    # An older demo had no book.
    if known and {name: known.get(name, config.num_pages) for name in wanted} != wanted:
        remedy = "choose another with --folder, or remove this one"
        raise BadInput("this folder holds a demo of another collection", where=config.folder, remedy=remedy)
    write_json(marker, {**known, **wanted})


def _harvest_all(config: DemoConfig, shards: Path, console: Console) -> None:
    book, sets = config.folder / "book", config.folder / "harvest"
    if (shards / "shardset.json").exists() and (book / "texts" / "texts.json").exists():
        console.print(f"[dim]harvested already: {shards}, {book}[/]")
        return
    with _archives(config) as found, _library(config) as owner:
        commands = {
            archive.institution: [*_harvest(archive, sets / archive.institution), "--config",
                                  "harvest/demo.yaml"]
            for archive in found
        }  # fmt: skip
        # Large enough that small pictures on a page are recognised.
        commands[owner.institution] = [*_harvest(owner, book / "pages"), "--max_side_pixels", "1100"]
        _all_at_once(console, commands)
        # The addresses of texts are in the book's manifest, so this machine must be allowed by name.
        host = urlsplit(owner.address).netloc
        _step(console, "texts", str(book / "pages"), "--network.allow_hosts", host, out=book / "texts")
    # Drawn shields of different arms look alike: the default of 6 bits takes hundreds of them for copies.
    parts = [str(sets / archive.institution) for archive in found]
    _step(console, "merge", *parts, out=shards, near_duplicate_bits=2)


def _archives(config: DemoConfig) -> AbstractContextManager[list[Archive]]:
    return archives(config.folder, num_arms=config.num_arms, seed=config.seed)


def _library(config: DemoConfig) -> AbstractContextManager[Archive]:
    return library(config.folder, num_pages=config.num_pages, seed=config.seed)


def _harvest(archive: Archive, out: Path) -> list[str]:
    options = {"source": archive.source, "institution": archive.institution, "out": str(out)}
    return ["harvest", archive.address, *(word for name, value in options.items()
                                          for word in (f"--{name}", value))]  # fmt: skip


def _all_at_once(console: Console, commands: dict[str, list[str]]) -> None:
    """Run command lines at the same time, each in a separate process, and show their output.

    Raises:
        IconoclipError: one of them failed; what it wrote says why.
        KeyboardInterrupt: Ctrl-C, which they received as well.
    """
    for words in commands.values():
        _print_command(console, words)
    console.print()
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(_start(words)) for name, words in commands.items()}
        readers = [
            threading.Thread(target=_relay, args=(console, name, process))
            for name, process in started.items()
        ]
        for reader in readers:
            reader.start()
        try:
            codes = {name: process.wait() for name, process in started.items()}
        except BaseException:
            # The steps keep their work. If only this process got the signal, they have not got one yet.
            for process in started.values():
                process.send_signal(signal.SIGINT)
            raise
        finally:
            for reader in readers:
                reader.join()
    # The rights of some arms forbid any use; the demo shows how they are refused.
    for name, code in codes.items():
        if code not in (0, SomeRefused.exit_code):
            what = f"{name}: the command above ended with exit code {code}"
            kind = TryAgainLater if code == TryAgainLater.exit_code else BadInput
            raise kind(what, remedy="its own lines say what to do; then run the same command again")


def _start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "iconoclip.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # The same code, wherever this process found it.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _relay(console: Console, name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None, "its output is piped"
    for line in process.stdout:
        console.print(f"[dim]{name}[/]  {escape(line.rstrip())}", soft_wrap=True)


def _print_command(console: Console, words: list[str]) -> None:
    console.print(f"\n[bold cyan]iconoclip {words[0]}[/] {' '.join(words[1:])}", soft_wrap=True)


def _step(console: Console, verb: str, *words: str, **options: Any) -> int:
    """Print a verb with its options as one would type it, and run it."""
    arguments = [*words, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    _print_command(console, [verb, *arguments])
    try:
        return verbs.call(verb, cli.parse(verb, arguments))
    except SomeRefused as refused:
        # The rights of some arms forbid any use; the demo shows how they are refused.
        console.print(f"[yellow]{refused}[/]")
        return 0
