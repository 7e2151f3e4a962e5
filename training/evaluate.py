"""`iconoclip evaluate`: measures the retrieval of any open_clip model on shard sets.

Only samples whose rights allow training under the policy are used, so that a published score does not depend
on images without a clear permission.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from iconoclip import clock
from iconoclip.config import digest
from iconoclip.files import sha256_of, write_json
from training.config import EvaluateConfig
from training.evaluation.inputs import inputs_of
from training.model_files import model_digest
from training.world import World, check_world

EVALUATION_NAME, REPORT_NAME = "evaluation.json", "report.html"


def evaluate(config: EvaluateConfig) -> int:
    """Evaluate a model and write evaluation.json and report.html. If the folder contains the same
    evaluation, only report that.

    Returns:
        0.

    Raises:
        IconoclipError: a model or shard set cannot be used, or there is no caption to use as a query.
    """
    asked = World(config.devices, config.num_nodes)
    now = check_world(asked)
    path = config.out / EVALUATION_NAME
    facts = _facts(config)
    if not config.force and path.is_file() and _facts_in(path, facts) == facts:
        print(f"evaluated already: {path}", file=sys.stderr)
    else:
        # Imported here: torch takes seconds to import, and a finished evaluation does not need it.
        from training.evaluation.measure import measure
        from training.evaluation.report import write_report
        from training.hardware import launched
        from training.ranks import is_first
        from training.troubles import machine_troubles

        smaller = "set batch_size lower, or precision to bfloat16"
        with (
            machine_troubles(config.out, smaller),
            launched(config.device, asked, now) as device,
        ):
            measured = measure(config, device)
            if not is_first():
                return 0
        found = {**facts, **measured.scores, "at": clock.now()}
        write_report(config.out / REPORT_NAME, found, measured.well, measured.badly)
        write_json(path, found)
    show(json.loads(path.read_text()))
    print(f"report: {config.out / REPORT_NAME}", file=sys.stderr)
    return 0


def _facts(config: EvaluateConfig) -> dict[str, Any]:
    """Everything that the numbers depend on."""
    asked = config.model_copy(
        update={
            "out": Path(),
            "force": False,
            "num_workers": 0,
            "devices": 1,
            "num_nodes": 1,
            "shardsets": ["*"],
            "data": Path("*"),
            "model": "",
        }
    )
    weights = Path(config.pretrained or "")
    others = [name for name in (config.before, config.interpolate_with) if name]
    return {
        "model": config.model,
        "model_digest": model_digest(config.model),
        "pretrained": config.pretrained,
        **inputs_of(config).facts(),
        "split": config.split,
        "policy": config.policy,
        "config_digest": digest(asked),
        "inputs": [
            *(sha256_of(path) for path in config.labels if path.is_file()),
            *(model_digest(name) for name in others),
            *([sha256_of(weights)] if weights.is_file() else []),
        ],
        "iconoclip": version("iconoclip"),
    }


def _facts_in(path: Path, wanted: Iterable[str]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return {name: found.get(name) for name in wanted}


def show(evaluation: dict[str, Any]) -> None:
    """Print an evaluation as a table; ± is half the width of the 95 % interval."""
    # Names of models, languages and labels are text, whatever brackets they contain.
    evaluation = _escaped(evaluation)
    table = Table(
        title=f"{evaluation['model']} on {evaluation['num_images']:,} images ({evaluation['split']})",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("", "", "recall@1", "recall@5", "recall@10", "MRR", "mAP"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    before, change = evaluation.get("before", {}), evaluation.get("difference", {})
    for language, entry in evaluation["languages"].items():
        for direction, words in (("text_to_image", "text→image"), ("image_to_text", "image→text")):
            if before:
                earlier = before["languages"][language][direction]
                table.add_row(f"[bold]{language}[/]", f"{words} [dim]before[/]", *_cells(earlier))
                table.add_row("", f"{words} [bold]after[/]", *_cells(entry[direction]))
                table.add_row(
                    "", "[dim]difference[/]", *_cells(change[language][direction], "+.3f"), end_section=True
                )
            else:
                table.add_row(f"[bold]{language}[/]", words, *_cells(entry[direction]))
    console = Console(width=max(Console().width, 92), emoji=False)
    console.print(table)
    for language, entry in evaluation["languages"].items():
        if levels := {name: num for name, num in entry.get("levels", {}).items() if name != "unknown"}:
            shown = ", ".join(f"{num:,} {name}" for name, num in levels.items())
            console.print(f"[bold]{language}[/]  what the captions are about: {shown}")
    for name, languages in evaluation.get("zero_shot", {}).items():
        console.print(
            f"{name}: zero-shot classification of {next(iter(languages.values()))['num_images']:,} images"
        )
        for language, found in languages.items():
            accuracy = _with_interval(found["accuracy@1"])
            console.print(f"  [bold]{language}[/]  accuracy@1 {accuracy}, of {found['num_classes']} classes")
    _show_classes(console, evaluation)
    _show_published(console, evaluation)


def _escaped(value: Any) -> Any:
    """The same value, with every text in it written so that rich prints it as it is."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {_escaped(name): _escaped(one) for name, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list) else value


def _show_classes(console: Console, evaluation: dict[str, Any]) -> None:
    for of, found in evaluation.get("probes", {}).items():
        linear, near = (_with_interval(found[name]["accuracy@1"]) for name in ("linear", "neighbours"))
        common = found["most_common_class"]["accuracy@1"]["value"]
        console.print(
            f"probe of [bold]{of}[/], {found['num_classes']} classes, {found['num_images']:,} images: linear "
            f"{linear}, neighbours {near}, always the most common {common:.3f}"
        )


def _show_published(console: Console, evaluation: dict[str, Any]) -> None:
    for one in evaluation.get("published", []):
        ours: Any = evaluation if one["measure"].startswith("zero_shot") else evaluation["languages"]
        for key in one["measure"].split("/"):
            ours = ours.get(key, {}) if isinstance(ours, dict) else {}
        shown = _with_interval(ours) if ours else "not measured"
        doubt = "" if one["is_verified"] else " (not verified)"
        note = f"; {one['note']}" if one["note"] else ""
        console.print(
            f"{one['measure']}: {shown}; published: {one['value']:.3f}{doubt}, {one['model']}{note} "
            f"[dim]{one['source']}[/]"
        )
    for doubt in evaluation.get("unverified", []):
        console.print(f"[dim]not verified: {doubt}[/]")


def _cells(found: dict[str, dict[str, float]], form: str = ".3f") -> list[str]:
    recalls = [_with_interval(found[f"recall@{k}"], form) for k in (1, 5, 10)]
    return recalls + [f"{found[name]['value']:{form}}" for name in ("mrr", "map")]


def _with_interval(value: dict[str, float], form: str = ".3f") -> str:
    return f"{value['value']:{form}} [dim]±{(value['high'] - value['low']) / 2:.3f}[/]"
