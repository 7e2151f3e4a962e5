"""Different pictures get different keys, one picture gets one, and a region is cut from the right picture."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from data_prep.harvest.verb import harvest
from iconoclip.record import sample_key
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest.harvesting import REPORT, config, files


@pytest.fixture
def issues(archive: Any) -> Any:
    """Manifests 0, 1 and 2 call their canvas alike and show different images; 3 and 4 show one image under
    one name."""
    good = archive.manifest

    def manifest(number: int) -> dict[str, Any]:
        value = good(number)
        name = "page" if number < 3 else "twin" if number < 5 else f"own/{number}"
        value["items"][0]["id"] = f"{archive.origin}/canvas/{name}"
        if number == 4:
            value["items"][0]["items"] = good(3)["items"][0]["items"]
        return value

    archive.manifest = manifest
    archive.num_manifests = 7
    return archive


def test_images_of_one_canvas_id_are_told_apart_and_one_image_stays_one(issues, tmp_path):
    harvest(config(issues, tmp_path / "one"))
    records = [record for record, _ in ShardSet(tmp_path / "one").samples()]
    origin = issues.origin
    names = [f"{origin}/canvas/page#{origin}/image/{n}" for n in range(3)]
    names = [name.replace("#http://", "#https://") for name in names]
    names += [f"{origin}/canvas/twin", f"{origin}/canvas/own/5", f"{origin}/canvas/own/6"]
    assert [record.source.id for record in records] == names
    # The key of a canvas id that shows one image is unchanged.
    assert [record.key for record in records] == [
        sample_key(records[0].institution.slug, name) for name in names
    ]
    assert len({record.image.sha256 for record in records}) == 6
    notes = json.loads((tmp_path / "one" / "report.json").read_text())["notes"]
    assert notes["identifiers_with_several_images"] == 1
    assert notes["merged"]["num"] == 1
    assert notes["merged"]["examples"][0]["also_in"] == f"{origin}/manifest/4"


def test_tasks_and_refreshes_tell_images_apart_alike(issues, tmp_path):
    harvest(config(issues, tmp_path / "one"))
    for task in (1, 0):
        harvest(config(issues, tmp_path / "two", num_tasks=2, task=task))
    assert files(tmp_path / "two", but=REPORT) == files(tmp_path / "one", but=REPORT)
    issues.rights = {6: "http://creativecommons.org/publicdomain/zero/1.0/"}
    harvest(config(issues, tmp_path / "one", refresh=True))
    harvest(config(issues, tmp_path / "fresh"))
    assert files(tmp_path / "one", but=REPORT) == files(tmp_path / "fresh", but=REPORT)


# What is cut out


TRUE_SIZE = (200, 280)
RED, BLUE = (200, 30, 30), (30, 30, 200)


def drawing() -> Image.Image:
    """Blue, with a red field from a tenth to a half of each side."""
    image = Image.new("RGB", TRUE_SIZE, BLUE)
    image.paste(RED, (20, 28, 100, 140))
    return image


@pytest.fixture(params=[2, 3])
def placeholder(archive: Any, reply: Any, request: Any) -> Any:
    """A manifest that calls an image of 200x280 one of 100x100, as is its canvas; the comment is on the red
    field."""
    version = request.param
    service_id = f"{archive.origin}/image/0"

    def image(seen: Any) -> Any:
        if seen.path.endswith("info.json"):
            info = {
                "@context": f"http://iiif.io/api/image/{version}/context.json", "protocol": "http://iiif.io/api/image",
                "width": TRUE_SIZE[0], "height": TRUE_SIZE[1], "id": service_id, "@id": service_id,
                "profile": "level1" if version == 3 else ["http://iiif.io/api/image/2/level1.json"],
            }  # fmt: skip
            return reply(json.dumps(info).encode())
        region, size = seen.path.split("/")[3:5]
        picture = drawing()
        if region != "full":
            x, y, width, height = map(int, region.split(","))
            picture = picture.crop((x, y, x + width, y + height))
        if size not in ("full", "max"):
            width, _, height = size.partition(",")
            # In version 3, giving both sides distorts.
            picture = picture.resize(
                (int(width), int(height or round(picture.height * int(width) / picture.width)))
            )
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return reply(buffer.getvalue())

    good = archive.manifest

    def manifest(number: int) -> dict[str, Any]:
        value = good(number)
        canvas = value["items"][0]
        canvas |= {"width": 100, "height": 100}
        body = canvas["items"][0]["items"][0]["body"]
        profile = "level1" if version == 3 else "http://iiif.io/api/image/2/level1.json"
        service = {"id": service_id, "type": f"ImageService{version}", "profile": profile}
        body |= {"width": 100, "height": 100, "service": [service]}
        comment = {"type": "TextualBody", "value": "A red field with nothing else in it", "language": "en"}
        annotation = {
            "type": "Annotation", "motivation": "commenting", "body": comment,
            "target": f"{canvas['id']}#xywh=10,10,40,40",
        }  # fmt: skip
        canvas["annotations"] = [{"id": f"{canvas['id']}/n", "type": "AnnotationPage", "items": [annotation]}]
        return value

    archive.manifest = manifest
    archive.num_manifests = 1
    archive.prefixes["/image/"] = image
    return archive


def test_a_region_is_cut_from_the_image_as_it_truly_is(placeholder, tmp_path):
    harvest(config(placeholder, tmp_path))
    samples = list(ShardSet(tmp_path).samples())
    assert len(samples) == 2
    for record, jpeg in samples:
        image = Image.open(io.BytesIO(jpeg))
        assert (record.image.source_width, record.image.source_height) == TRUE_SIZE
        if record.source.region is None:
            # 64 pixels on the longer side, in the true shape.
            assert image.size == (46, 64)
        else:
            assert str(record.source.region) == "20,28,80,112"
            assert record.key == sample_key(record.institution.slug, record.source.id, record.source.region)
            colours = [image.resize((3, 3)).getpixel((x, y)) for x in range(3) for y in range(3)]
            assert all(red > 150 and blue < 80 for red, _, blue in colours), colours


def test_an_image_of_another_shape_than_its_service_states_is_refused(placeholder, tmp_path, reply, picture):
    good = placeholder.prefixes["/image/"]
    placeholder.prefixes["/image/"] = lambda seen: (
        good(seen) if seen.path.endswith("info.json") else reply(picture(1, (64, 20)))
    )
    from iconoclip.errors import BadInput

    with pytest.raises(BadInput, match="nothing usable"):
        harvest(config(placeholder, tmp_path))
    reasons = {json.loads(line)["reason"] for line in (tmp_path / "refused.jsonl").read_text().splitlines()}
    assert reasons
    assert all("the server sent 64x20: not the same picture" in reason for reason in reasons)
