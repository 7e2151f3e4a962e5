"""Training of the page model: losses, how a reading is fitted, and that the file gives what torch gives."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch

from data_prep.segment.engines.shipped import ShippedEngine
from iconoclip.cli import main
from iconoclip.errors import BadInput
from iconoclip.page_layout.inputs import CELL
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.reading import Reading
from iconoclip.page_layout.regions import Answer
from iconoclip.rights import POLICIES, judge
from iconoclip.shardset import ShardSet, ShardSetWriter
from tests.data_prep.segment.conftest import PDM, PICTURE, page, record_of
from tests.training.marked_pages import write_pages, zone
from training.pages.calibrate import HeldOut, fitted, logistic, multinomial
from training.pages.crossval import folds_of, looked_at
from training.pages.export import read_model, write_model
from training.pages.fit import (
    CLASS_WEIGHTS,
    EDGES_WEIGHT,
    KINDS_WEIGHT,
    LABEL_SMOOTHING,
    SHARES_WEIGHT,
    fit,
    loss_of,
)
from training.pages.network import PageNet
from training.pages.page_kinds import fit_kinds
from training.pages.samples import NO_KIND, Sample
from training.pages.stored import TEXT_OR_OTHER, UNMARKED, stored
from training.pages.truth import corrected_pages, read_pages


def origin_of(path) -> dict[str, object]:
    properties = {one.key: one.value for one in onnx.load(path).metadata_props}
    return json.loads(properties["iconoclip"])["origin"]


def test_pages_of_a_document_share_a_fold(tmp_path):
    rows = [
        {"file": f"images/{n}.jpg", "document": f"d{n % 5}", "page": str(n), "zones": []} for n in range(10)
    ]
    pages = read_pages(write_pages(tmp_path, rows, (40, 50)))
    folds = folds_of(pages, 2)
    assert len({(page.document, fold) for page, fold in zip(pages, folds, strict=True)}) == 5
    assert set(folds) == {0, 1}


def test_regressions_find_what_made_the_labels():
    random = np.random.default_rng(0)
    features = np.column_stack([np.ones(4000), random.normal(size=(4000, 2))])
    true = np.array([0.5, 2.0, -1.0])
    labels = (random.random(4000) < 1 / (1 + np.exp(-features @ true))).astype(float)
    assert logistic(features, labels) == pytest.approx(true, abs=0.2)
    kinds = (features[:, 1] > 0).astype(int)
    weights = multinomial(features, kinds, 2)
    assert ((features @ weights.T).argmax(1) == kinds).mean() > 0.97


def held_out(kind: str, chance: float, is_marked: bool) -> HeldOut:
    maps_CHW = np.zeros((len(CLASSES), 40, 30), np.float32)
    maps_CHW[0] = 1
    maps_CHW[:, 10:20, 10:20] = 0
    maps_CHW[CLASSES.index(kind), 10:20, 10:20] = chance
    wanted = [(kind, (1 / 3, 0.25, 2 / 3, 0.5))] if is_marked else []
    rows, columns = np.indices((40, 30), np.float32) + 0.5
    edges_4HW = np.stack([columns - 10, rows - 10, 20 - columns, 20 - rows])
    answer = Answer(maps_CHW, edges_4HW, np.zeros(len(PAGE_KINDS), np.float32))
    return HeldOut(answer, (30 * CELL, 40 * CELL), (0, 0, 1, 1), wanted, "mixed")


def test_a_fitted_reading_tells_right_candidates_from_wrong_ones():
    pages = [held_out("ornament", 0.95, True)] * 20 + [held_out("ornament", 0.6, False)] * 20
    reading = fitted(pages)
    good, bad = ([reading.score_of(one) for one in page.candidates()] for page in (pages[0], pages[-1]))
    assert good[0] > reading.least_score > bad[0]


def test_the_file_gives_what_torch_gives(tmp_path):
    torch.manual_seed(0)
    network = PageNet().train()
    torch.nn.init.normal_(network.small_things.last.weight)
    # Statistics of the batch normalisations that are not those of a new network.
    network.logits(torch.rand(4, 3, 160, 120))
    network.eval()
    path = tmp_path / "pages.onnx"
    reading = Reading.plain()
    write_model(path, network, reading, {"made_by": "a test"})
    again, same = read_model(path)
    assert same.as_json() == reading.as_json()
    session = ShippedEngine(path)._session
    for shape in ((1, 3, 552, 392), (1, 3, 20, 412)):
        pages = torch.rand(shape) * 2 - 1
        found = session.run(None, {"pages": pages.numpy()})
        with torch.no_grad():
            expected, from_file = network(pages), again(pages)
        for one, other, third in zip(found, expected, from_file, strict=True):
            assert np.allclose(one, other, atol=1e-3)
            assert np.allclose(third, other, atol=1e-3)
        assert found[0].shape == (1, len(CLASSES), shape[2] // CELL, shape[3] // CELL)
        assert np.allclose(found[0].sum(1), 1, atol=1e-4)


@pytest.mark.long
def test_the_command_trains_from_corrections_and_the_model_is_used(tmp_path, capsys):
    marked = write_pages(tmp_path, [
        {"file": f"images/{n}.jpg", "document": f"d{n}", "zones": [zone("GraphicZone", 60, 90, 150, 130)]}
        for n in range(2)
    ])  # fmt: skip
    with ShardSetWriter(tmp_path / "set", name="book", policy="open@1", created_at="2026-01-02T03:04:05Z",
                        created_by="a test") as writer:  # fmt: skip
        record = record_of(1, page(PICTURE))
        writer.add(record, page(PICTURE))
    box = {"kind": "illustration", "box": [0.25, 0.25, 0.75, 0.55]}
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text(json.dumps({"key": record.key, "kind": "mixed", "boxes": [box]}) + "\n")
    out = tmp_path / "mine.onnx"
    options = {"out": out, "num_samples": 8, "num_folds": 2}
    line = ["segment", str(tmp_path / "set"), "--train", str(marked), str(corrections)]
    line += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    assert main(line) == 0
    printed = capsys.readouterr()
    assert "3 pages of 3 documents" in printed.err
    assert "| all | 3 |" in printed.out
    origin = origin_of(out)
    assert origin["pages_by_group"] == {"": 2, "corrections": 1}
    ending = main(["segment", str(tmp_path / "set"), "--model", str(out), "--out", str(tmp_path / "found")])
    # It may find nothing after so few samples; then the command says so.
    assert ending in (0, 2)
    assert (tmp_path / "found" / "pages.parquet").is_file()


IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"
NONCOMMERCIAL = "http://creativecommons.org/licenses/by-nc/4.0/"


def corrected_book(folder, *statements: str | None) -> list[str]:
    """A set of pages with these rights, and corrections of all of them; their keys."""
    image, keys = page(PICTURE), []
    with ShardSetWriter(folder / "set", name="book", policy="research@1", created_at="2026-01-02T03:04:05Z",
                        created_by="a test") as writer:  # fmt: skip
        for number, statement in enumerate(statements):
            record = record_of(number, image, statement, rights=judge(statement, policy="research"))
            writer.add(record, image)
            keys.append(record.key)
    lines = [json.dumps({"key": key, "kind": "text", "boxes": []}) for key in keys]
    (folder / "corrections.jsonl").write_text("\n".join(lines))
    return keys


def test_corrected_pages_that_rights_or_a_withdrawal_forbid_are_not_learned(tmp_path, capsys):
    corrected_book(tmp_path, PDM, NONCOMMERCIAL, None, IN_COPYRIGHT, PDM)
    path = tmp_path / "corrections.jsonl"
    counts = {policy: len(corrected_pages(tmp_path / "set", path, policy)) for policy in POLICIES}
    # docs/rights.md: research includes what is in copyright, never what says nothing.
    assert counts == {"open": 2, "noncommercial": 3, "research": 4}
    assert "3 corrected pages left out: rights, policy 'open'" in capsys.readouterr().err
    gone = next(iter(ShardSet(tmp_path / "set").records())).key
    assert main(["takedown", str(tmp_path / "set"), gone, "--reason", "asked"]) == 0
    assert len(corrected_pages(tmp_path / "set", path, "open")) == 1


@pytest.mark.parametrize(
    ("shardset", "complaint"), [([], "name pages of a shard set"), (["set"], "leaves none of the 1")]
)
def test_corrections_that_cannot_train_are_refused(tmp_path, capsys, shardset, complaint):
    corrected_book(tmp_path, IN_COPYRIGHT)
    line = ["segment", *(str(tmp_path / name) for name in shardset), "--train"]
    out = tmp_path / "mine.onnx"
    assert main([*line, str(tmp_path / "corrections.jsonl"), "--num_folds", "0", "--out", str(out)]) == 2
    assert complaint in capsys.readouterr().err
    assert not out.exists()


def test_corrections_of_another_set_are_refused(tmp_path):
    corrected_book(tmp_path, PDM)
    (tmp_path / "corrections.jsonl").write_text(
        '{"key": "bnf-0123456789abcdef", "kind": "text", "boxes": []}'
    )
    with pytest.raises(BadInput, match="none of the corrected pages"):
        corrected_pages(tmp_path / "set", tmp_path / "corrections.jsonl", "open")


def test_too_few_documents_are_refused(tmp_path, capsys):
    marked = write_pages(tmp_path, [{"file": "images/a.jpg", "document": "d", "zones": []}])
    assert main(["segment", "--train", str(marked), "--out", str(tmp_path / "m.onnx")]) == 2
    assert "1 documents cannot be divided into 3 folds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "complaint"), [("d\nnobody\n", "'nobody'"), ("", "no document"), ("d\n", "or all")]
)
def test_a_list_of_documents_that_holds_out_nothing_is_refused(tmp_path, capsys, names, complaint):
    marked = write_pages(tmp_path, [{"file": "images/a.jpg", "document": "d", "zones": []}])
    (tmp_path / "names.txt").write_text(names)
    line = ["segment", "--train", str(marked), "--held_out", str(tmp_path / "names.txt")]
    assert main([*line, "--out", str(tmp_path / "m.onnx")]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.long
def test_documents_that_are_held_out_measure_one_network_and_are_learned_afterwards(tmp_path, capsys):
    marked = write_pages(tmp_path, [
        {"file": f"images/{n}.jpg", "document": f"d{n}", "zones": [zone("GraphicZone", 60, 90, 150, 130)]}
        for n in range(3)
    ])  # fmt: skip
    (tmp_path / "names.txt").write_text("d1\n")
    out = tmp_path / "m.onnx"
    line = ["segment", "--train", str(marked), "--held_out", str(tmp_path / "names.txt"), "--out", str(out)]
    assert main([*line, "--train_from", "nothing", "--num_samples", "28"]) == 0
    assert "| all | 1 |" in capsys.readouterr().out, "only the page that was held out is measured"
    origin = origin_of(out)
    assert (origin["num_documents"], origin["held_out"], origin["trained_from"]) == (
        3,
        "names.txt",
        "nothing",
    )


@pytest.mark.long
def test_a_model_learns_what_ink_is(tmp_path):
    rows = [
        {
            "file": f"images/{n}.jpg",
            "document": str(n),
            "zones": [zone("GraphicZone", 60, 40 + 40 * n, 150, 130)],
        }
        for n in range(3)
    ]
    pages = read_pages(write_pages(tmp_path, rows))
    network = fit([stored(page) for page in pages], 240)
    found = looked_at(network, pages[1])
    dark = found.answer.maps_CHW[CLASSES.index("illustration")]
    left, top, right, bottom = found.wanted[0][1]
    rows_R, columns_N = (np.arange(size) / size for size in dark.shape)
    inside = ((rows_R > top) & (rows_R < bottom))[:, None] & ((columns_N > left) & (columns_N < right))[None]
    assert dark[inside].mean() > 0.6 > 0.3 > dark[~inside].mean()


def test_a_network_that_is_improved_keeps_half_of_its_weights(tmp_path, monkeypatch):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    pages = [stored(page) for page in read_pages(write_pages(tmp_path, [row]))]
    torch.manual_seed(0)
    start = PageNet()
    half = fit(pages, 4, start=start, workers=0)
    monkeypatch.setattr("training.pages.fit.KEPT", 0.0)
    trained = fit(pages, 4, start=start, workers=0)
    weights = [network.classes.weight for network in (start, half, trained)]
    assert not torch.equal(weights[0], weights[2])
    assert torch.allclose(weights[1], (weights[0] + weights[2]) / 2, atol=1e-7)


def test_what_finds_small_things_can_be_trained_alone(tmp_path):
    row = {"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 90, 120, 120, 140)]}
    pages = [stored(page) for page in read_pages(write_pages(tmp_path, [row]))]
    torch.manual_seed(0)
    start = PageNet().eval()
    trained = fit(pages, 8, start=start, only_small_things=True, workers=0)
    before, after = start.state_dict(), trained.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("small_things.")}
    page = torch.rand(1, 3, 160, 120) * 2 - 1
    with torch.no_grad():
        untrained, (classes, _, kinds) = start.logits(page), trained.logits(page)
        of_others = [n for n, name in enumerate(CLASSES) if name not in ("ornament", "initial", "stamp")]
        assert torch.allclose(classes[:, of_others], untrained[0][:, of_others], atol=1e-5)
        assert not torch.allclose(classes, untrained[0], atol=1e-3)
        assert torch.allclose(kinds, untrained[2], atol=1e-5)


def test_the_kinds_of_pages_are_fitted_to_whole_pages(tmp_path, monkeypatch):
    """Kinds that differ by the number of stripes; the layers of a new network know nothing of them."""
    monkeypatch.setattr("training.pages.page_kinds.LEAST_PAGES", 2)
    rows = [
        {
            "file": f"images/{kind}-{n}.jpg", "document": f"{kind}-{n}", "kind": kind, "boxes": [],
            "zones": [zone("MainZone", 10 + 5 * n, 10 + 20 * stripe, 260, 8) for stripe in range(2 * count)],
        }
        for count, kind in enumerate(PAGE_KINDS) for n in range(3)
    ]  # fmt: skip
    pages = read_pages(write_pages(tmp_path, rows))
    shown = [page for page in pages if not page.document.endswith("1")]
    torch.manual_seed(0)
    network = PageNet().eval()
    before = network.kinds[0].weight.clone()
    fit_kinds(network, shown[:-1])
    assert torch.equal(network.kinds[0].weight, before), "one page of the last kind is too few"
    maps_CHW = looked_at(network, pages[0]).answer.maps_CHW
    fit_kinds(network, shown)
    assert np.array_equal(looked_at(network, pages[0]).answer.maps_CHW, maps_CHW)
    unseen = [page for page in pages if page.document.endswith("1")]
    told = [PAGE_KINDS[int(looked_at(network, page).answer.kinds_K.argmax())] for page in unseen]
    assert sum(kind == page.kind for kind, page in zip(told, unseen, strict=True)) >= 7, told


def test_losses_are_what_their_definitions_say():
    """One picture of 4 x 4 cells on a page of 8 x 8, of which the network is sure, with edges half as far."""
    classes = torch.zeros(1, 8, 8, dtype=torch.long)
    classes[0, 2:6, 2:6] = CLASSES.index("illustration")
    classes[0, 7, 7] = UNMARKED
    rows, columns = torch.meshgrid(torch.arange(8.0) + 0.5, torch.arange(8.0) + 0.5, indexing="ij")
    edges = torch.stack([columns - 2, rows - 2, 6 - columns, 6 - rows])[None].clamp_min(0.2)
    weights = (classes == CLASSES.index("illustration")).float() / 4
    sample = Sample(torch.zeros(1, 3, 32, 32), classes, edges, weights, torch.tensor([NO_KIND]))
    logits = torch.zeros(1, len(CLASSES), 8, 8)

    class Fixed:
        def logits(self, pages: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return logits, (edges / 2).log(), torch.zeros(1, len(PAGE_KINDS))

    # All classes are equally likely, the logarithm of their number for each cell. The cells of so small a
    # picture count four times, as if there were 64 next to 47 bare ones. The smoothed part has the weights of
    # all classes, and all of it is divided by the weights of the cells. Boxes half as wide and high overlap
    # by a quarter.
    mean = sum(CLASS_WEIGHTS) / len(CLASSES)
    smoothed = 111 * mean / (47 * CLASS_WEIGHTS[0] + 64 * CLASS_WEIGHTS[CLASSES.index("illustration")])
    of_classes = np.log(len(CLASSES)) * (1 - LABEL_SMOOTHING + LABEL_SMOOTHING * smoothed)
    # Of 16 cells of the picture that share is found, and of 63 it is taken for the picture.
    share = 1 / len(CLASSES)
    of_shares = 1 - (2 * 16 * share + 1) / (63 * share + 16 + 1)
    expected = of_classes + SHARES_WEIGHT * of_shares + EDGES_WEIGHT * np.log(4)
    assert float(loss_of(Fixed(), sample)) == pytest.approx(expected, rel=1e-5)
    sample = sample._replace(kinds=torch.tensor([3]))
    expected += KINDS_WEIGHT * np.log(len(PAGE_KINDS))
    assert float(loss_of(Fixed(), sample)) == pytest.approx(expected, rel=1e-5)


def test_text_and_paper_are_equally_right_where_nobody_has_told_them_apart():
    classes = torch.full((1, 4, 4), TEXT_OR_OTHER)
    nothing = torch.zeros(1, 4, 4)
    sample = Sample(
        torch.zeros(1, 3, 16, 16), classes, torch.ones(1, 4, 4, 4), nothing, torch.tensor([NO_KIND])
    )

    def loss_with(chances: dict[str, float]) -> float:
        logits = torch.full((1, len(CLASSES), 4, 4), -30.0)
        for name, chance in chances.items():
            logits[:, CLASSES.index(name)] = np.log(chance)

        class Fixed:
            def logits(self, pages: torch.Tensor) -> tuple[torch.Tensor, ...]:
                return logits, torch.zeros(1, 4, 4, 4), torch.zeros(1, len(PAGE_KINDS))

        return float(loss_of(Fixed(), sample))

    for text in (0.01, 0.5, 0.99):
        assert loss_with({"text": text, "other": 1 - text}) == pytest.approx(0, abs=1e-5)
    assert loss_with({"text": 0.2, "other": 0.05, "map": 0.75}) == pytest.approx(np.log(4), rel=1e-4)
    # Text of another page in the same batch is not compared with it.
    classes[0, 0, 0] = CLASSES.index("text")
    alike = [loss_with({"text": 0.9, "other": 0.1}), loss_with({"text": 0.999, "other": 0.001})]
    assert alike[1] < alike[0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [("undecodable", "cannot be read"), ("no marks", "no page is marked"), ("a folder", "this is a folder")],
)
def test_what_would_end_a_training_is_found_before_it(tmp_path, capsys, change, complaint):
    rows = [{"file": "images/a.jpg", "document": "d", "zones": [zone("GraphicZone", 60, 90, 150, 130)]}]
    marked, out = write_pages(tmp_path, rows), tmp_path / "m.onnx"
    if change == "undecodable":
        (tmp_path / "images/a.jpg").write_bytes(b"no picture")
    elif change == "no marks":
        marked.write_text('{"file": "images/a.jpg", "width": 300, "height": 400}\n')
    else:
        out = tmp_path
    assert main(["segment", "--train", str(marked), "--num_folds", "0", "--out", str(out)]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


def test_a_dry_run_says_what_would_be_trained(tmp_path, capsys):
    rows = [
        {"file": f"images/{n}.jpg", "document": f"d{n}", "zones": [zone("GraphicZone", 60, 90, 150, 130)]}
        for n in range(3)
    ]
    marked, out = write_pages(tmp_path, rows), tmp_path / "m.onnx"
    line = ["segment", "--train", str(marked), "--num_samples", "90", "--out", str(out), "--dry_run"]
    assert main(line) == 0
    said = capsys.readouterr()
    assert "3 pages of 3 documents" in said.err
    assert "would train 4 networks, each with at most 90 samples" in said.out
    assert not out.exists()


def test_names_of_documents_to_hold_out_may_have_spaces(tmp_path, capsys):
    rows = [
        {
            "file": f"images/{n}.jpg",
            "document": f"Cod. Pal. {n}",
            "zones": [zone("GraphicZone", 60, 90, 9, 9)],
        }
        for n in range(2)
    ]
    marked = write_pages(tmp_path, rows)
    (tmp_path / "names.txt").write_text("Cod. Pal. 1\n")
    line = ["segment", "--train", str(marked), "--held_out", str(tmp_path / "names.txt"), "--dry_run"]
    assert main([*line, "--out", str(tmp_path / "m.onnx")]) == 0
    assert "would train 2 networks" in capsys.readouterr().out
