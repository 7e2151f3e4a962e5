"""The scores of retrieval against arithmetic on paper, without a model."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from iconoclip import metrics
from iconoclip.record import Caption
from training.data.samples import load
from training.evaluation import retrieval_score
from training.evaluation.centuries import century
from training.evaluation.examples import choose

from .conftest import jpeg, make_record, write_set


def test_recall_is_clip_benchmarks() -> None:
    """clip-benchmark 1.6.2, metrics/zeroshot_retrieval.py: hits among the first k over the positives, then >
    0.

    The formula, written again; benchmarks/evaluate_clip_benchmark.py compares ours with the package itself.
    """
    generator = np.random.default_rng(0)
    queries = retrieval_score.LanguageQueries(
        "en", np.arange(40), generator.integers(0, 15, 40), tuple(map(str, range(15)))
    )
    texts_TD, images_ND = (generator.standard_normal((n, 6), dtype=np.float32) for n in (15, 40))
    scores_QN = torch.from_numpy(texts_TD[queries.text_Q] @ images_ND.T)
    positive_QN = torch.from_numpy(queries.text_Q[:, None] == queries.text_Q[None, :])
    found = retrieval_score.summary(retrieval_score.text_to_image(queries, texts_TD, images_ND))
    for k in (1, 5, 10):
        hits_Q = positive_QN.gather(1, scores_QN.topk(k, dim=1).indices).sum(1) / positive_QN.sum(1)
        assert found[f"recall@{k}"]["value"] == pytest.approx((hits_Q > 0).double().mean().item())


def test_equal_texts_are_equal_answers(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    texts = ["A portrait", "a  portrait ", "a landscape"]
    folder = write_set(
        tmp_path / "set", [(make_record(n, data, {"en": text}), data) for n, text in enumerate(texts)]
    )
    samples = load([str(folder)], split="all", policy="open")
    (queries,) = retrieval_score.choose_queries(samples, [0, 1, 2])
    assert queries.texts == ("A portrait", "a landscape")
    texts_TD = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    images_ND = np.array([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0]], dtype=np.float32)
    # Text 0 scores .6, .8, 1: its answers, images 0 and 1, are third and second. Text 1 scores .8, .6, 0:
    # third.
    found = retrieval_score.text_to_image(queries, texts_TD, images_ND)
    assert [ranks.tolist() for ranks in found.ranks] == [[2, 3], [2, 3], [3]]
    summed = retrieval_score.summary(found)
    assert summed["recall@1"]["value"] == 0
    assert summed["mrr"]["value"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert summed["map"]["value"] == pytest.approx((2 * (1 / 2 + 2 / 3) / 2 + 1 / 3) / 3)
    # Image to text: among two texts, images 0, 1, 2 score (.6, .8), (.8, .6), (1, 0); right are 0, 0, 1.
    backwards = retrieval_score.image_to_text(queries, texts_TD, images_ND)
    assert [ranks.tolist() for ranks in backwards.ranks] == [[2], [1], [2]]


def test_the_caption_of_the_first_field_that_is_there_is_asked_with(tmp_path: Path) -> None:
    data = jpeg("red", "blue", "disc")
    captions = tuple(
        Caption(text=text, language="en", field=field)
        for text, field in (("f. 3r", "title"), ("A lion", "blazon"), ("A beast", "subject"))
    )
    folder = write_set(tmp_path / "set", [(make_record(0, data, {}, captions=captions), data)])
    samples = load([str(folder)], split="all", policy="open")
    assert retrieval_score.choose_queries(samples, [0])[0].texts == ("f. 3r",)
    assert retrieval_score.choose_queries(samples, [0], fields=["blazon", "title"])[0].texts == ("A lion",)
    assert retrieval_score.choose_queries(samples, [0], fields=["nothing"]) == []
    assert retrieval_score.choose_queries(samples, [0], languages=["fr"]) == []


def test_the_report_shows_no_text_twice() -> None:
    # Queries 0 and 3 have one text; 0, 1 and 3 are answered badly, 2 well.
    queries = retrieval_score.LanguageQueries("en", np.arange(4), np.array([0, 1, 2, 0]), ("a", "b", "c"))
    ranks = retrieval_score.Ranks(
        "text_to_image", "en", queries.image_Q, tuple(np.array([r]) for r in (9, 7, 1, 9))
    )
    well, badly = choose(ranks, queries, 3)
    assert well == [2]
    assert badly in ([0, 1], [3, 1])


def test_an_interval_counts_a_group_once() -> None:
    value_C = np.random.default_rng(1).random(30)
    cluster_Q = np.repeat(np.arange(30), 16)
    alone = metrics.bootstrap_interval(value_C)
    together = metrics.bootstrap_interval(np.repeat(value_C, 16), cluster_Q=cluster_Q)
    assert together == pytest.approx(alone)
    # If the sixteen were independent: a quarter of the width.
    apart = metrics.bootstrap_interval(np.repeat(value_C, 16))
    assert (together[1] - together[0]) / (apart[1] - apart[0]) == pytest.approx(4, rel=0.15)
    assert metrics.bootstrap_interval(value_C, cluster_Q=np.zeros(30, dtype=np.int64)) == alone
    # Of two clusters a draw may take one twice: all ones, all zeros, or three ones in four.
    uneven = metrics.bootstrap_interval(np.array([1.0, 1.0, 1.0, 0.0]), cluster_Q=np.array([7, 7, 7, 2]))
    assert uneven == (0, 1)


@pytest.mark.parametrize(("by", "num"), [("group", 4), ("text", 3)])
def test_which_queries_count_as_one_cluster(tmp_path: Path, by: str, num: int) -> None:
    data = jpeg("red", "blue", "disc")
    samples = [
        (
            make_record(
                n,
                data,
                {"en": f"text {n % 3 if by == 'text' else n}"},
                group=f"north-{n % 4 if by == 'group' else n}",
            ),
            data,
        )
        for n in range(12)
    ]
    found = load([str(write_set(tmp_path / "set", samples))], split="all", policy="open")
    (queries,) = retrieval_score.choose_queries(found, range(12))
    assert len(set(queries.cluster_Q.tolist())) == num
    texts_TD = np.eye(len(queries.texts), dtype=np.float32)
    images_ND = texts_TD[queries.text_Q]
    ranks = retrieval_score.text_to_image(queries, texts_TD, images_ND)
    assert ranks.num_clusters == num
    assert ranks.of(queries.image_Q < 2).num_clusters == 2


@pytest.mark.parametrize(
    ("years", "name"),
    [
        ((1501, 1600), "16th"),
        ((1490, 1530), "16th"),
        ((1470, 1520), "15th"),
        ((1600, 1600), "16th"),
        ((1601, None), "17th"),
        ((None, 1015), "11th"),
        ((2001, 2005), "21st"),
        ((None, None), "undated"),
        ((-20, -10), "before the 1st"),
    ],
)
def test_a_date_range_has_one_century(years: tuple[int | None, int | None], name: str) -> None:
    assert century(*years) == name


def test_a_hundred_thousand_images_need_no_square_matrix() -> None:
    generator = np.random.default_rng(0)
    images_ND = generator.standard_normal((100_000, 8), dtype=np.float32)
    queries = retrieval_score.LanguageQueries(
        "en", np.arange(1024), np.arange(1024), tuple(map(str, range(1024)))
    )
    tracemalloc.start()
    found = retrieval_score.text_to_image(queries, images_ND[:1024], images_ND)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.ranks) == 1024
    assert (
        peak < 600e6
    )  # a whole matrix of 1024 by 100,000 and its copies would pass; 100,000 squared is 40 GB
    assert metrics.recall_at_k(found.ranks, 100_000) == 1
