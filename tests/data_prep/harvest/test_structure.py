"""Canvases that turn their image, and annotations without a body, through the whole harvest."""

from __future__ import annotations

import io
import json

from PIL import Image

from data_prep.harvest.config import HarvestConfig
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


# Static tile sets


def tile_set(server, reply, name: str, *, with_whole: bool) -> dict:
    """Files as vips dzsave writes them for a picture of 200 x 150: tiles of 64, scale factors 1, 2, 4. Its
    info.json has no sizes, and there is no full/max."""
    picture = Image.effect_noise((200, 150), 60).resize((200, 150)).convert("RGB")
    picture.paste((220, 20, 20), (0, 0, 100, 150))
    base = f"{server.origin}/{name}"
    info = {
        "@context": "http://iiif.io/api/image/3/context.json", "id": base, "type": "ImageService3",
        "protocol": "http://iiif.io/api/image", "profile": "level0", "width": 200, "height": 150,
        "tiles": [{"width": 64, "scaleFactors": [1, 2, 4]}],
    }  # fmt: skip
    server.routes[f"/{name}/info.json"] = reply(json.dumps(info).encode())
    for factor in (1, 2, 4):
        step = 64 * factor
        for x in range(0, 200, step):
            for y in range(0, 150, step):
                width, height = min(step, 200 - x), min(step, 150 - y)
                size = (-(-width // factor), -(-height // factor))
                region = "full" if (width, height) == (200, 150) else f"{x},{y},{width},{height}"
                if region == "full" and not with_whole:
                    continue
                buffer = io.BytesIO()
                picture.crop((x, y, x + width, y + height)).resize(size).save(buffer, "JPEG", quality=95)
                path = f"/{name}/{region}/{size[0]},{size[1]}/0/default.jpg"
                server.routes[path] = reply(buffer.getvalue(), headers={"Content-Type": "image/jpeg"})
    service = {"id": base, "type": "ImageService3", "profile": "level0"}
    body = {
        "id": f"{base}/full/max/0/default.jpg", "type": "Image", "format": "image/jpeg", "width": 200,
        "height": 150, "service": [service],
    }  # fmt: skip
    canvas = f"{base}/c"
    annotation = {"type": "Annotation", "motivation": "painting", "body": body, "target": canvas}
    page = {"type": "AnnotationPage", "items": [annotation]}
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json", "id": f"{base}/manifest",
        "type": "Manifest", "label": {"en": ["Plan of a harbour with its bastions"]},
        "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
        "items": [{"id": canvas, "type": "Canvas", "width": 200, "height": 150, "items": [page]}],
    }  # fmt: skip


def harvested(server, reply, manifest, out, **values):
    server.routes["/m"] = reply(json.dumps(manifest).encode(), headers={"Content-Type": "application/json"})
    settings = as_tree(FAST | values)
    assert harvest(HarvestConfig(sources=[f"{server.origin}/m"], out=out, **settings)) == 0
    return list(ShardSet(out).samples())


def test_an_image_of_tiles_alone_is_put_together(server, reply, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=True)
    ((record, jpeg),) = harvested(server, reply, manifest, tmp_path, max_side_pixels=100)
    # Scale factor 2 gives 100 x 75, in 2 x 2 tiles of 64.
    assert [path for path in server.paths if path.startswith("/t/") and "info" not in path] == [
        "/t/0,0,128,128/64,64/0/default.jpg",
        "/t/128,0,72,128/36,64/0/default.jpg",
        "/t/0,128,128,22/64,11/0/default.jpg",
        "/t/128,128,72,22/36,11/0/default.jpg",
    ]
    image = Image.open(io.BytesIO(jpeg))
    assert image.size == record.image.received == record.image.requested == (100, 75)
    assert (record.image.source_width, record.image.source_height) == (200, 150)
    left, right = image.convert("RGB").getpixel((25, 70)), image.convert("RGB").getpixel((75, 70))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 180 > left[1] + 100
    assert abs(right[0] - right[1]) < 30


def test_the_smallest_scale_takes_one_request(server, reply, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=True)
    ((record, _),) = harvested(server, reply, manifest, tmp_path, max_side_pixels=50)
    assert [path for path in server.paths if path.startswith("/t/") and "info" not in path] == [
        "/t/full/50,38/0/default.jpg"
    ]
    assert record.image.received == (50, 38)


def test_a_file_next_to_the_tiles_is_one_request_instead_of_many(server, reply, picture, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=True)
    body = manifest["items"][0]["items"][0]["items"][0]["body"]
    body["id"] = f"{server.origin}/whole.jpg"
    server.routes["/whole.jpg"] = reply(picture(1, (200, 150)))
    harvested(server, reply, manifest, tmp_path, max_side_pixels=100)
    assert [path for path in server.paths if path != "/m"] == ["/t/info.json", "/whole.jpg"]


def test_a_refresh_of_unchanged_tiles_changes_nothing(server, reply, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=True)
    harvested(server, reply, manifest, tmp_path, max_side_pixels=100)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    harvested(server, reply, manifest, tmp_path, max_side_pixels=100, refresh=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_where_the_whole_is_missing_the_tiles_of_the_next_scale_are_taken(server, reply, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=False)
    ((record, _),) = harvested(server, reply, manifest, tmp_path, max_side_pixels=50)
    assert record.image.received == (100, 75)
    assert (record.image.width, record.image.height) == (50, 38)


def test_a_region_is_cut_from_the_tiles_it_touches(server, reply, tmp_path):
    manifest = tile_set(server, reply, "t", with_whole=True)
    canvas = manifest["items"][0]
    note = {
        "type": "Annotation", "motivation": "commenting", "target": f"{canvas['id']}#xywh=130,70,40,30",
        "body": {"type": "TextualBody", "value": "A ship before the mole", "language": "en"},
    }  # fmt: skip
    canvas["annotations"] = [{"type": "AnnotationPage", "items": [note]}]
    samples = harvested(server, reply, manifest, tmp_path, max_side_pixels=40)
    (region,) = [record for record, _ in samples if record.source.region]
    assert str(region.source.region) == "130,70,40,30"
    assert (region.image.width, region.image.height) == (40, 30)
    # One tile of 64 at full scale holds it.
    assert "/t/128,64,64,64/64,64/0/default.jpg" in server.paths
