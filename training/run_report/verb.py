"""`iconoclip report RUN`: writes one self-contained HTML file about a training run, finished or not.

It reads only the run's folder, and for the pictures its shard sets. The page loads nothing from other hosts,
and it has no scripts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from iconoclip import clock
from iconoclip.config import read_yaml
from iconoclip.disk_full import disk_full_is_an_answer
from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.files import atomic_write
from iconoclip.rights import statement
from iconoclip.rundir import RunDir
from training.charts import Chart, chart, shown
from training.evaluation.report import environment, language_names
from training.run_report.config import ReportConfig
from training.run_report.pictures import pictures_of
from training.run_report.starts import starts_of

REPORT_NAME = "report.html"
NUM_BARS = 25
# Title, name in metrics.jsonl, factor, and whether the axis begins at zero.
CURVES = (
    ("Loss", "loss", 1.0, False),
    ("Learning rate", "learning_rate", 1.0, True),
    ("Logit scale", "logit_scale", 1.0, False),
    ("Samples per second", "samples_per_second", 1.0, True),
    ("Time spent waiting for data, %", "data_wait_share", 100.0, True),
    ("Gradient norm", "grad_norm", 1.0, True),
    ("Energy, kWh", "energy_kwh", 1.0, True),
    ("Memory, MB", "memory_mb", 1.0, True),
)


def report(config: ReportConfig) -> int:
    """Write the report of a run.

    Returns:
        0.

    Raises:
        MissingRequirement: there is no run in the folder.
        DamagedData: its records cannot be read.
    """
    run = RunDir(config.run_dir)
    if not run.config_path.is_file():
        raise MissingRequirement("no run here", where=run.folder, remedy="`iconoclip train` makes one")
    out = config.out or run.folder / REPORT_NAME
    try:
        facts = facts_of(run, with_pictures=config.pictures)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        reason = f"they lack {error}" if isinstance(error, KeyError) else error
        raise DamagedData(
            f"the run's records cannot be read: {reason}",
            where=run.folder,
            remedy="are they from another program?",
        ) from error
    page = environment("training.run_report").get_template("run.html").render(**facts)
    with disk_full_is_an_answer(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as file:
            file.write(page.encode())
    print(f"report: {out}", file=sys.stderr)
    return 0


def facts_of(run: RunDir, *, with_pictures: bool = True) -> dict[str, Any]:
    """Everything that the page states."""
    job, lines = run.job, list(run.metrics())
    config = read_yaml(run.config_path)
    data = json.loads(run.data_path.read_text()) if run.data_path.is_file() else {}
    starts = starts_of(job)
    marks = sorted({start.step for start in starts if start.step})
    scores = validations(lines)
    languages = language_names(_tags(scores, data))
    return {
        "title": run.folder.resolve().name, "job": job, "config": config, "data": data, "starts": starts,
        "facts": _head(job, config, lines), "cost": cost_of(job, config, lines),
        "curves": curves_of(lines, marks), "marks": marks, "scores": scores,
        "score_chart": score_chart(scores, marks), "languages": languages,
        "names": languages | {uri: statement(uri) or uri for uri in data.get("by_rights", {})},
        "tables": _tables(data), "events": [line for line in lines if "event" in line][-50:],
        "pictures": pictures_of(run, last_step=_last(lines, "step"), shows=with_pictures),
        "written_at": clock.wall_now(), "shown": shown,
    }  # fmt: skip


def _last(lines: list[dict[str, Any]], name: str) -> Any:
    return next((line[name] for line in reversed(lines) if line.get(name) is not None), None)


def _head(
    job: Mapping[str, Any], config: Mapping[str, Any], lines: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """The facts below the title, as pairs of a name and a text."""
    step, samples = _last(lines, "step"), _last(lines, "samples")
    rate = _last(lines, "samples_per_second") or 0
    state, of = job.get("state", "unknown"), job.get("num_steps")
    model, schedule = config["model"], config["schedule"]
    begun = model["pretrained"]
    rows = [
        ("State", f"{state}, step {step or 0:,}" + (f" of {of:,}" if of and state != "finished" else "")),
        ("Model", f"{model['name']}, from {begun}" if begun else f"{model['name']}, from random weights"),
        ("Recipe", f"{config['loss']['function']} loss, batch of {schedule['batch_size']}, "
                   f"{schedule['epochs']:g} epochs, learning rate {config['optimizer']['learning_rate']:g}, "
                   f"seed {config['seed']}"),
        ("Samples", f"{samples:,} seen, {rate:,.0f} per second" if samples else ""),
        ("Begun", f"{job.get('started_at', '')}, last change {job.get('updated_at', '')}"),
        ("Training time", clock.duration(job["train_seconds"]) if job.get("train_seconds") else ""),
        ("Config digest", str(job.get("config_digest", ""))[:16]),
        ("Version", f"iconoclip {job['iconoclip']}" if job.get("iconoclip") else ""),
    ]  # fmt: skip
    return [(name, text) for name, text in rows if text]


def cost_of(
    job: Mapping[str, Any], config: Mapping[str, Any], lines: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Energy and carbon dioxide as the model card states them; for a run that is not over, so far."""
    if job.get("cost"):
        return dict(job["cost"])
    energy = _last(lines, "energy_kwh")
    if energy is None:
        return None
    grams = config["log"]["grams_co2_per_kwh"]
    return {
        "energy_kwh": energy,
        "co2_grams": energy * grams,
        "assumptions": f"so far; {grams:g} g of CO2 per kWh; training steps only, cooling left out",
    }


def curves_of(lines: list[dict[str, Any]], marks: list[int]) -> list[Chart]:
    """The charts of what was recorded at steps."""
    charts = []
    for title, name, factor, from_zero in CURVES:
        points = [(line["step"], line[name] * factor) for line in lines if line.get(name) is not None]
        if found := chart(title, {"": points}, marks=marks, from_zero=from_zero):
            charts.append(found)
    return charts


def validations(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The scores of each validation by language: step and recall@k."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_language: dict[str, dict[str, Any]] = {}
        for name, value in line.items():
            words = name.split("/")
            if len(words) == 3 and words[0] == "validation":
                by_language.setdefault(words[1], {"step": line["step"]})[words[2]] = value
        for language, scores in by_language.items():
            found.setdefault(language, []).append(scores)
    return dict(sorted(found.items()))


def score_chart(scores: Mapping[str, list[dict[str, Any]]], marks: list[int]) -> Chart | None:
    """Recall@1 of each language over the steps, if there was more than one validation."""
    series = {
        language: [(one["step"], one["recall@1"]) for one in found if "recall@1" in one]
        for language, found in scores.items()
    }
    if max(map(len, series.values()), default=0) < 2:
        return None
    return chart("Recall@1 from text to image", series, marks=marks, from_zero=True)


def _tags(scores: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    return sorted({*scores, *data.get("by_language", {})})


def _tables(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The counts of the training data, each with its share of the largest."""
    kinds = (
        ("By institution", "by_institution", "institution", "samples"),
        ("By language", "by_language", "language", "captions"),
        ("By rights statement", "by_rights", "rights statement", "samples"),
        ("Left out", "left_out", "because", "samples"),
    )  # fmt: skip
    tables = []
    for title, name, column, unit in kinds:
        counts = sorted(data.get(name, {}).items(), key=lambda one: -one[1])
        if counts:
            rows = [(key, count, count / max(counts[0][1], 1)) for key, count in counts[:NUM_BARS]]
            others = sum(count for _, count in counts[NUM_BARS:])
            tables.append({"title": title, "column": column, "unit": unit, "rows": rows, "others": others})
    return tables
