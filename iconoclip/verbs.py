"""The verbs of the command, each with its purpose, its config model and its function.

Model and function are given as text and imported only when the verb is called, so that `--help`
needs no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from iconoclip.errors import MissingRequirement

if TYPE_CHECKING:
    from iconoclip.config import Config


class Verb(NamedTuple):
    """One verb: what it is for, its config model and its function as "package.module:name"."""

    summary: str
    config: str
    function: str


VERBS: dict[str, Verb] = {
    "demo": Verb(
        "run every step on the built-in armorial collection, up to the search page",
        "iconoclip.demo:DemoConfig",
        "iconoclip.demo:demo",
    ),
    "harvest": Verb(
        "download images and captions from collections into a shard set",
        "data_prep.harvest.config:HarvestConfig",
        "data_prep.harvest.verb:harvest",
    ),
    "catalogue": Verb(
        "list what collections offer, without downloading images; harvest selects from it",
        "data_prep.harvest.config:CatalogueConfig",
        "data_prep.harvest.catalogue:catalogue",
    ),
    "pack": Verb(
        "make a shard set from a folder of images and a table",
        "data_prep.contribute.config:PackConfig",
        "data_prep.contribute.pack:pack",
    ),
    "texts": Verb(
        "download what institutions have of the text of pages, which segment reads captions from",
        "data_prep.page_text.config:TextsConfig",
        "data_prep.page_text.verb:texts",
    ),
    "segment": Verb(
        "find the pictures on pages of books, and make a shard set of them",
        "data_prep.segment.config:SegmentConfig",
        "data_prep.segment.verb:segment",
    ),
    "institution": Verb(
        "write the profile of your own institution",
        "data_prep.contribute.config:InstitutionConfig",
        "data_prep.contribute.institution:institution",
    ),
    "check": Verb(
        "verify a shard set: checksums, records, rights, images",
        "data_prep.contribute.config:CheckConfig",
        "data_prep.contribute.check:check",
    ),
    "sign": Verb(
        "sign a shard set with an OpenSSH key",
        "data_prep.contribute.config:SignConfig",
        "data_prep.contribute.sign:sign",
    ),
    "merge": Verb(
        "join shard sets of several institutions into one",
        "data_prep.contribute.config:MergeConfig",
        "data_prep.contribute.merge:merge",
    ),
    "remap": Verb(
        "apply another mapping to a shard set, offline",
        "data_prep.contribute.config:RemapConfig",
        "data_prep.contribute.remap:remap",
    ),
    "takedown": Verb(
        "withdraw items from a shard set",
        "data_prep.contribute.config:TakedownConfig",
        "data_prep.contribute.takedown:takedown",
    ),
    "card": Verb(
        "write the card, Croissant metadata and quality report of a shard set",
        "data_prep.publish.config:CardConfig",
        "data_prep.publish.card:card",
    ),
    "publish": Verb(
        "publish a shard set on the Hugging Face Hub, in S3 or in a folder, and keep it up to date",
        "data_prep.publish.config:PublishConfig",
        "data_prep.publish.verb:publish",
    ),
    "train": Verb(
        "train or fine-tune an OpenCLIP model on shard sets",
        "training.config:TrainConfig",
        "training.train:train",
    ),
    "evaluate": Verb(
        "measure how well a model finds the images and captions of shard sets",
        "training.config:EvaluateConfig",
        "training.evaluate:evaluate",
    ),
    "benchmark": Verb(
        "freeze a public benchmark from a shard set, or score a model or embeddings on one",
        "training.benchmark.config:BenchmarkVerbConfig",
        "training.benchmark.verb:benchmark",
    ),
    "export": Verb(
        "turn a run's checkpoint into a model directory",
        "training.config:ExportConfig",
        "training.export:export",
    ),
    "report": Verb(
        "show a training run as one HTML page: curves, scores, cost, restarts",
        "training.run_report.config:ReportConfig",
        "training.run_report.verb:report",
    ),
    "seen": Verb(
        "tell whether a run has trained on given items", "training.config:SeenConfig", "training.seen:seen"
    ),
    "encode": Verb(
        "compute the embeddings of a shard set with a model",
        "retrieval.config:EncodeConfig",
        "retrieval.encode.verb:encode",
    ),
    "index": Verb(
        "build a search index from embedding stores",
        "retrieval.config:IndexConfig",
        "retrieval.index:index",
    ),
    "search": Verb(
        "search an index from the terminal", "retrieval.config:SearchConfig", "retrieval.search:search"
    ),
    "serve": Verb(
        "serve the search page and the API", "retrieval.config:ServeConfig", "retrieval.service.serve:serve"
    ),
    "federate": Verb(
        "search several services of several institutions on one page",
        "retrieval.config:FederateConfig",
        "retrieval.service.federation.serve:federate",
    ),
    "submit": Verb("submit one stage to SLURM as a job", "slurm.config:SubmitConfig", "slurm.submit:submit"),
    "chain": Verb(
        "submit several stages to SLURM, each after those it needs",
        "slurm.config:ChainConfig",
        "slurm.chain:chain",
    ),
    "status": Verb(
        "show the state of a harvest or of runs", "iconoclip.status:StatusConfig", "iconoclip.status:status"
    ),
    "logs": Verb("show or follow the log of a run", "slurm.config:LogsConfig", "slurm.logs:logs"),
    "resume": Verb("continue a run that stopped", "slurm.config:ResumeConfig", "slurm.submit:resume"),
    "cancel": Verb("cancel a run on the cluster", "slurm.config:CancelConfig", "slurm.submit:cancel"),
    "doctor": Verb(
        "check that jobs can run on this cluster, before the first one",
        "slurm.config:DoctorConfig",
        "slurm.doctor:doctor",
    ),
}


def config_model(name: str) -> type[Config]:
    """The config model of a verb."""
    model: type[Config] = resolve(VERBS[name].config)
    return model


def call(name: str, config: Config) -> int:
    """Run a verb with a config that is already built, and return its exit code."""
    function: Callable[[Any], int | None] = resolve(VERBS[name].function)
    return function(config) or 0


def resolve(target: str) -> Any:
    """Import "package.module:name".

    Raises:
        MissingRequirement: the module needs a package that is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            f"the package '{error.name}' is not installed",
            where=target,
            remedy="pip install iconoclip, in this environment",
        ) from error


def overview() -> str:
    """The text of `iconoclip --help`."""
    width = max(map(len, VERBS))
    rows = [f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "iconoclip: from the picture collections of libraries and museums to a search engine over them",
            "",
            "usage: iconoclip VERB [ARG ...] [--config FILE] [--field value ...]",
            "",
            *rows,
            "",
            (
                "`iconoclip VERB --help` lists a verb's fields; `--print_config` prints them as a commented"
                " file."
            ),
            "Exit codes: 0 done, 1 a bug, 2 bad input or config, 3 some items refused, 4 something missing,",
            "75 try again later.",
        ]
    )
