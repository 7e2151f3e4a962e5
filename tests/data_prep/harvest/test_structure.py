"""Canvases that turn their image, and annotations without a body, through the whole harvest."""

from __future__ import annotations

import io
import json

from PIL import Image

from data_prep.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.config import as_tree
from iconoclip.shardset import ShardSet

FAST = {"harvested_at": "2026-01-02T03:04:05Z", "network.retry_seconds": 0.01, "num_workers": 1}


def red_and_blue() -> bytes:
    """96 x 80 pixels: the left half red, the right half blue."""
    image = Image.new("RGB", (96, 80), (220, 20, 20))
    image.paste((20, 20, 220), (48, 0, 96, 80))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def with_note(archive, **note):
    manifest = archive.manifest(0)
    canvas = manifest["items"][0]
    canvas["annotations"] = [
        {"id": f"{archive.origin}/p", "type": "AnnotationPage", "items": [{"type": "Annotation", **note}]}
    ]
    return manifest


def test_an_image_is_stored_as_its_canvas_turns_it(archive, reply, tmp_path):
    manifest = archive.manifest(0)
    annotation = manifest["items"][0]["items"][0]["items"][0]
    selector = {"type": "ImageApiSelector", "rotation": "90"}
    annotation["body"] = {"type": "SpecificResource", "source": annotation["body"], "selector": selector}
    archive.routes["/turned"] = reply(
        json.dumps(manifest).encode(), headers={"Content-Type": "application/json"}
    )
    archive.routes["/image/0/full/max/0/default.jpg"] = reply(red_and_blue())
    assert harvest(HarvestConfig(sources=[f"{archive.origin}/turned"], out=tmp_path, **as_tree(FAST))) == 0
    ((record, jpeg),) = ShardSet(tmp_path).samples()
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    assert image.size == (record.image.width, record.image.height) == (80, 96)
    # Turned clockwise, the left is at the top.
    top, bottom = image.getpixel((40, 10)), image.getpixel((40, 86))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


def test_a_dry_run_shows_the_region_of_an_image_whose_size_is_not_known(archive, tmp_path, capsys):
    note = {
        "motivation": "describing",
        "target": f"{archive.origin}/manifest/0/c#xywh=8,8,40,40",
        "label": {"en": ["Miniature"]},
        "metadata": [
            {"label": {"en": ["Description"]}, "value": {"en": ["A ship in full sail before a town"]}}
        ],
    }
    manifest = with_note(archive, **note)
    body = manifest["items"][0]["items"][0]["items"][0]["body"]
    for holder in (body, body["service"][0]):
        del holder["width"], holder["height"]
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    assert harvest(HarvestConfig(sources=[str(path)], dry_run=True, json=True, **as_tree(FAST))) == 0
    _, region = (json.loads(line)["record"] for line in capsys.readouterr().out.splitlines())
    assert region["source"]["region"] == {"x": 8, "y": 8, "width": 40, "height": 40}
    assert [caption["text"] for caption in region["captions"]] == ["A ship in full sail before a town"]
    assert region["object_type"] == "Miniature"
