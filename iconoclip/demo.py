"""The demo: the whole pipeline on the built-in armorial collection, one verb after the other.

Each step is a verb with its options, printed before it runs, so that a reader can run the same commands by
hand. In addition, a child process serves the archives.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field
from rich.console import Console
from rich.markup import escape

from iconoclip import cli, verbs
from iconoclip.config import Config
from iconoclip.errors import BadInput, SomeRefused, TryAgainLater
from iconoclip.files import write_json

USUAL_PORTS, ANY_PORTS = (8601, 8602, 8603), (0, 0, 0)


class DemoConfig(Config):
    """The whole pipeline on the built-in collection, from the archives' server to the search page."""

    folder: Path = Field(Path("demo"), description="folder for everything that the demo makes")
    num_arms: int = Field(
        4800, ge=30, description="coats of arms to draw; fewer is faster, but the model learns less"
    )
    seed: int = Field(1, ge=0, description="seed of the collection; another seed draws other arms")
    train: Path = Field(Path("train/demo.yaml"), description="config of the training run")
    serve: bool = Field(
        True, description="serve the search page at the end; --no-serve ends after the evaluation"
    )
    host: str = Field("127.0.0.1", description="address to serve at")
    port: int = Field(8000, ge=0, le=65535, description="port to serve at; 0 picks a free one")


@dataclass(frozen=True)
class Archive:
    """One of the invented archives: its address, its protocol, and the profile of its institution."""

    address: str
    source: str
    institution: str


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
    _step(console, "train", str(shards), run_dir=run, config=config.train)
    _step(console, "export", str(run), out=model)
    _step(console, "evaluate", str(model), str(shards), split="test", out=folder / "evaluation")
    if config.serve:
        index = folder / "index"
        _step(console, "encode", str(model), str(shards), out=folder / "embeddings")
        _step(console, "index", str(folder / "embeddings"), shardset=shards, model=model, out=index)
        seconds = time.monotonic() - started
        console.print(f"\n[bold]Everything is ready[/] after {seconds:.0f} s. Try it on the terminal too:")
        console.print(
            f'  iconoclip search "Azure, a chevron or between three mullets argent" --index {index}\n',
            soft_wrap=True,
        )
        with contextlib.ExitStack() as stack:
            try:
                # The archives are served as long as the page is, so that its links to manifests work.
                stack.enter_context(archives(config))
            except TryAgainLater as busy:
                console.print(f"[yellow]the links to the archives will not work: {busy.what}[/]")
            return _step(console, "serve", str(index), host=config.host, port=config.port)
    seconds = time.monotonic() - started
    console.print(f"\n[bold]Done[/] after {seconds:.0f} s; `iconoclip demo` continues to the search page.")
    return 0


def _same_collection(config: DemoConfig) -> None:
    """Refuse to mix two collections in one folder."""
    marker = config.folder / "demo.json"
    wanted = {"num_arms": config.num_arms, "seed": config.seed}
    known = json.loads(marker.read_text()) if marker.exists() else {}
    if known and {name: known.get(name) for name in wanted} != wanted:
        remedy = "choose another with --folder, or remove this one"
        raise BadInput("this folder holds a demo of another collection", where=config.folder, remedy=remedy)
    write_json(marker, {**known, **wanted})


def _harvest_all(config: DemoConfig, shards: Path, console: Console) -> None:
    if (shards / "shardset.json").exists():
        console.print(f"[dim]harvested already: {shards}[/]")
        return
    sets = config.folder / "harvest"
    with archives(config) as found:
        _all_at_once(
            console,
            {
                archive.institution: [
                    "harvest", archive.address, "--source", archive.source,
                    "--institution", archive.institution, "--out", str(sets / archive.institution),
                    "--config", "harvest/demo.yaml",
                ]
                for archive in found
            },
        )  # fmt: skip
    # Drawn shields of different arms look alike: the default of 6 bits takes hundreds of them for copies.
    parts = [str(sets / archive.institution) for archive in found]
    _step(console, "merge", *parts, out=shards, near_duplicate_bits=2)


def _all_at_once(console: Console, commands: dict[str, list[str]]) -> None:
    """Run command lines at the same time, each in a process of its own, and show what they write.

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
            # As much as is on its way is kept; nobody else tells them when only this process was signalled.
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


@contextlib.contextmanager
def archives(config: DemoConfig) -> Iterator[list[Archive]]:
    """Serve the invented archives from a child process while the block runs.

    The id of a canvas is its address, and sample keys are derived from it, so later runs use the ports of the
    first run. The first run takes the usual ports, so that two machines get the same keys, or else free ones.

    Raises:
        TryAgainLater: a port that an earlier run took is in use.
    """
    marker = config.folder / "demo.json"
    known = json.loads(marker.read_text())
    serve_armorial = verbs.resolve("builtin_collections.armorial.server.process:serve_armorial")
    with contextlib.ExitStack() as stack:
        for ports in [known["ports"]] if "ports" in known else [USUAL_PORTS, ANY_PORTS]:
            try:
                served = stack.enter_context(
                    serve_armorial(num_arms=config.num_arms, seed=config.seed, ports=ports)
                )
                break
            except TryAgainLater:
                if ports is not USUAL_PORTS:
                    raise
        bases = (served.wexcombe, served.aldersheim, served.valcendre)
        write_json(marker, {**known, "ports": [urlsplit(base).port for base in bases]})
        yield [
            Archive(served.wexcombe_collection, "iiif", "armorial-wexcombe"),
            Archive(served.aldersheim_collection, "iiif", "armorial-aldersheim"),
            Archive(served.valcendre_oai, "oai-pmh", "armorial-valcendre"),
        ]
