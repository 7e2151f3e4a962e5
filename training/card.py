"""The model card, generated from the run: data, cost, scores and intended use of the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from iconoclip import clock
from iconoclip.rights import TERMS, statement


def model_card(
    provenance: Mapping[str, Any], job: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]
) -> str:
    """The text of README.md in a model directory."""
    data, config = provenance["data"], provenance["config"]
    parts = [
        _head(provenance, data),
        f"# {provenance['run']}\n",
        "A text-image (CLIP) model over pictures of libraries and museums, trained with iconoclip.\n",
        _section("Use", _use()),
        _section("Data", _data(provenance, data)),
        _section("Training", _training(provenance, job, config)),
        _section("Scores", _scores(provenance, metrics)),
        _section("Licence", _licence(provenance, data)),
        _section("Limits", _limits()),
    ]
    return "\n".join(parts)


def _head(provenance: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The metadata block at the start of a Hugging Face model card: huggingface.co/docs/hub/model-cards."""
    languages = sorted({tag.partition("-")[0] for tag in data["by_language"]} - {"und", "mul", "zxx"})
    lines = [
        "---",
        "library_name: open_clip",
        "pipeline_tag: zero-shot-image-classification",
        "tags: [clip, iiif, cultural-heritage]",
        f"language: {json.dumps(languages)}",
        *([f"license: {provenance['licence'].lower()}"] if provenance.get("licence") else []),
        "---",
        "",
    ]
    return "\n".join(lines)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}\n"


def _use() -> str:
    return (
        "```python\nimport open_clip\n\n"
        'model, _, preprocess = open_clip.create_model_and_transforms("local-dir:PATH_OF_THIS_FOLDER")\n'
        'tokenizer = open_clip.get_tokenizer("local-dir:PATH_OF_THIS_FOLDER")\n```\n\n'
        "Meant for finding pictures by description, and descriptions by picture, in collections like those "
        "it saw."
    )


def _data(provenance: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    sets = "\n".join(map(_set, provenance["shardsets"]))
    parts = [
        f"{data['num_samples']:,} samples, all of them allowed for training under the rights policy "
        f"`{data['policy']}`.",
        sets,
        _table("institution", "samples", data["by_institution"]),
        _languages(data),
        _table("rights statement", "samples", data["by_rights"]),
    ]
    if data.get("shares"):
        rows = "\n".join(f"| {_cell(name)} | {100 * one:.1f} % |" for name, one in data["shares"].items())
        parts.append(f"| source | share of the samples drawn |\n|---|---:|\n{rows}")
    if data.get("left_out"):
        parts.append(_table("left out because", "samples", data["left_out"]))
    return "\n\n".join(parts)


def _set(one: Mapping[str, Any]) -> str:
    line = f"- `{one['name']}`, SHA-256 `{one['digest']}`"
    if "rights" in one:
        stated = f"with the rights that the user stated: {_cell(one['rights'])}"
        line += f"; {one['tars']:,} tars of another program, {stated}"
    return line


def _languages(data: Mapping[str, Any]) -> str:
    """Captions by language, and how the tokenizer writes them, which older versions did not measure."""
    if not data.get("tokens"):
        return _table("language", "captions", data["by_language"])
    head = f"| language | captions | tokens per word | longer than {data['context_length']} tokens |"
    rows = [
        f"| {_cell(name)} | {one['captions']:,} | {one['tokens_per_word']:.2f} "
        f"| {100 * one['share_cut']:.1f} % |"
        for name, one in data["tokens"].items()
    ]
    return "\n".join([head, "|---|---:|---:|---:|", *rows])


def _table(name: str, what: str, counts: Mapping[str, int]) -> str:
    rows = "\n".join(f"| {_cell(key)} | {count:,} |" for key, count in counts.items())
    return f"| {name} | {what} |\n|---|---:|\n{rows}"


def _cell(text: str) -> str:
    """Text from a collection, escaped for use in a table."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _training(provenance: Mapping[str, Any], job: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    model, optimizer = config["model"], config["optimizer"]
    lines = [
        f"- architecture: `{model['name']}`, from {_first_weights(model, job)}",
        f"- loss: {config['loss']['function']}, batch of {config['schedule']['batch_size']}, "
        f"{provenance['step']:,} steps, "
        f"{config['data']['captions_per_image']} caption(s) per image and step",
        f"- {optimizer.get('name', 'adamw')}, learning rate {optimizer['learning_rate']}, weight decay "
        f"{optimizer['weight_decay']}, seed {config['seed']}",
        f"- {clock.duration(job.get('train_seconds', 0.0))} of training at "
        f"{job.get('samples_per_second', 0):.0f} samples per second",
        f"- config digest `{provenance['config_digest']}`; {provenance['exported_by']}",
    ]
    if teacher := config.get("distill", {}).get("model"):
        digest = f" (digest `{job['teacher_digest']}`)" if job.get("teacher_digest") else ""
        lines.append(f"- distilled from `{teacher}`{digest}, whose licence may apply to this model")
    if found := provenance["data"].get("hard_negatives"):
        lines.append(
            f"- hard negatives: {config['hard_negatives']['captions']} caption(s) of similar pictures with "
            f"each sample, by the features of `{found['model']}` (digest `{found['model_digest']}`)"
        )
    if cost := job.get("cost"):
        lines.append(
            f"- about {cost['energy_kwh']:.3g} kWh and {cost['co2_grams']:.3g} g of CO2 "
            f"({cost['assumptions']})"
        )
    return "\n".join(lines)


def _first_weights(model: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    """What the run started from. Runs of earlier versions did not record it."""
    if model["pretrained"]:
        return f"`{model['pretrained']}`"
    return "its weights" if job.get("has_first_weights") else "random weights"


def _scores(provenance: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> str:
    evaluations = provenance.get("evaluations") or []
    if evaluations:
        return "\n\n".join(_evaluated(one) for one in evaluations)
    found = [line for line in metrics if any(name.startswith("validation/") for name in line)]
    if not found:
        return "The run had no validation split. `iconoclip evaluate` measures any split."
    last = {
        name.removeprefix("validation/"): value
        for name, value in found[-1].items()
        if name.startswith("validation/")
    }
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in sorted(last.items()))
    return (
        f"Text-to-image retrieval on the validation split, at step {found[-1]['step']:,}:\n\n"
        f"| measure | value |\n|---|---:|\n{rows}"
    )


def _evaluated(found: Mapping[str, Any]) -> str:
    sets = ", ".join(f"`{one['name']}` (SHA-256 `{one['digest'][:16]}…`)" for one in found["shardsets"])
    opening = f"On {found['num_images']:,} images of {sets}, {found['split']} split; 95 % intervals."
    rows = []
    for language, entry in found["languages"].items():
        for direction in ("text_to_image", "image_to_text"):
            rows.append((f"{language}, {direction.replace('_', ' ')}", entry[direction]))
        for slices in ("by_institution", "by_century"):
            rows += [
                (f"{language}, {_slice(name)}", one) for name, one in entry["text_to_image"][slices].items()
            ]
    table = "\n".join(_score_row(name, one) for name, one in rows)
    classes = "".join(
        f"\n- {name}, prompts in {language}: accuracy@1 {_interval(one['accuracy@1'])}, "
        f"{one['num_classes']} classes"
        for name, languages in found.get("zero_shot", {}).items()
        for language, one in languages.items()
    )
    probes = "".join(
        f"\n- {_cell(name)}: linear probe {_interval(one['linear']['accuracy@1'])}, nearest neighbours "
        f"{_interval(one['neighbours']['accuracy@1'])}, {one['num_classes']} classes"
        for name, one in found.get("probes", {}).items()
    )
    classes += f"\n\nProbes of frozen features:\n{probes}" if probes else ""
    head = "| slice | recall@1 | recall@5 | mAP | queries |\n|---|---|---|---|---:|\n"
    return f"{opening}\n\n{head}{table}" + (f"\n\nZero-shot classification:\n{classes}" if classes else "")


def _slice(name: str) -> str:
    """An institution as it is; "16th" as "16th century"."""
    return f"{name} century" if re.fullmatch(r"(before the )?\d+(st|nd|rd|th)", name) else name


def _score_row(name: str, found: Mapping[str, Any]) -> str:
    values = " | ".join(_interval(found[measure]) for measure in ("recall@1", "recall@5", "map"))
    return f"| {_cell(name)} | {values} | {found['num_queries']:,} |"


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"


def _licence(provenance: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    stated = provenance.get("licence")
    weights = (
        f"The weights: {stated}." if stated else "The publisher has stated no licence for the weights yet."
    )
    named = {statement(uri) or "none" for uri in data["by_rights"]}
    asked = sorted(name for name in named if name in TERMS and TERMS[name].needs_attribution)
    if not asked:
        return f"{weights} No picture it was trained on asks for attribution."
    return (
        f"{weights} Some of the pictures it was trained on ask for attribution ({', '.join(asked)}): the "
        "institutions are named "
        "under Data, the credit line of each picture is in its record in the shard set."
    )


def _limits() -> str:
    return (
        "The model repeats what its captions say and how they say it, with their gaps and their dated "
        "words. It knows the "
        "institutions and languages above and little else. It is not fit to identify people, nor to decide "
        "anything about them."
    )
