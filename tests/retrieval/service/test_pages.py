"""The pages as HTML: their contents, languages and escaping."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from tests.retrieval.service.conftest import ClientOf

HTML = {"Accept": "text/html"}


class Outline(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(client: TestClient, path: str, **headers: str) -> str:
    answer = client.get(path, headers=HTML | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


@pytest.fixture(scope="module")
def paths(client: TestClient, shown_key: str, link_key: str) -> list[str]:
    return [
        "/",
        "/about",
        "/search",
        "/search?q=lion",
        f"/search?like={shown_key}",
        f"/item/{shown_key}",
        f"/item/{link_key}",
        f"/item/{shown_key}?seen=a+lion&branch=46A12",
        f"/search?q=lion&like={shown_key}&unlike={link_key}&plus=a+rose&minus=a+bend&term=0.5:gules",
    ]


def test_every_page_has_one_heading_its_landmarks_and_a_way_past_them(
    client: TestClient, paths: list[str]
) -> None:
    for path in paths:
        outline = Outline(page(client, path))
        assert [len(outline.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5, path
        assert outline.all("html")[0]["lang"] == "en"
        assert {"class": "skip", "href": "#main"} in outline.all("a")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: TestClient, paths: list[str]) -> None:
    for path in paths:
        outline = Outline(page(client, path))
        assert outline.elements
        for tag, attributes in outline.elements:
            assert "style" not in attributes, (path, tag)
            assert not [name for name in attributes if name.startswith("on")], (path, tag)
            assert tag != "style"
            loaded = attributes.get("src") or (attributes.get("href") if tag == "link" else None) or "/"
            assert loaded.startswith(("/", "#")), (path, tag, loaded)
        assert all(script.get("src") for script in outline.all("script"))


def test_every_picture_has_a_text_and_its_size(client: TestClient, paths: list[str]) -> None:
    images = [image for path in paths for image in Outline(page(client, path)).all("img")]
    assert len(images) > len(paths)
    for image in images:
        assert image.get("alt") is not None
        assert image.get("width")
        assert image.get("height")


def test_every_field_has_a_label(client: TestClient, paths: list[str]) -> None:
    for path in paths:
        text = page(client, path)
        outline = Outline(text)
        labelled = {label.get("for") for label in outline.all("label")}
        for field in outline.all("input"):
            if field.get("type") in ("hidden", "checkbox", "radio"):
                continue
            assert field.get("id") in labelled, (path, field)
        wrapped = re.findall(r"<label[^>]*><input type=\"(?:checkbox|radio)\"", text)
        labelled_apart = [field for field in outline.all("input") if field.get("id") == "filters-shown"]
        assert len(wrapped) + len(labelled_apart) == len(
            [field for field in outline.all("input") if field.get("type") in ("checkbox", "radio")]
        )


def test_captions_are_text_whatever_they_hold(client: TestClient) -> None:
    text = page(client, "/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    keys = [hit["key"] for hit in client.get("/api/search?k=200").json()["hits"]]
    marked = 0
    for key in keys:
        text = page(client, f"/item/{key}")
        assert '<script>alert("x")' not in text
        marked += "&lt;script&gt;alert(&#34;x&#34;)" in text
    assert marked >= 3, "the collection holds captions that carry markup"


def test_addresses_from_outside_become_links_only_when_they_are_web_addresses() -> None:
    from retrieval.service.hit_links import outward

    assert outward("https://example.org/a") == "https://example.org/a"
    assert outward("javascript:alert(1)") is None
    assert outward("data:text/html,x") is None
    assert outward(None) is None


def test_the_page_is_in_the_readers_language_and_keeps_it(client_of: ClientOf) -> None:
    client = client_of()
    assert "Beschreiben Sie ein Bild" in page(client, "/", **{"Accept-Language": "de-CH,de;q=0.9"})
    chosen = client.get("/?lang=fr", headers=HTML)
    assert "Décrivez une image" in chosen.text
    assert "iconoclip_lang=fr" in chosen.headers["set-cookie"]
    assert "Décrivez une image" in page(client, "/about", **{"Accept-Language": "de"})


def test_an_item_shows_its_captions_in_all_languages_the_readers_first(
    client: TestClient, shown_key: str
) -> None:
    text = page(client, f"/item/{shown_key}?lang=de")
    outline = Outline(text)
    tags = [paragraph.get("lang") for paragraph in outline.all("p") if paragraph.get("class") == "text"]
    assert tags[0] == "de"
    assert set(tags) == {"de", "en", "fr"}
    for needed in ("Rechte", "Bildnachweis", "Manifest", "Herkunft", "46A122"):
        assert needed in text
    client.cookies.clear()


def test_what_a_machine_wrote_is_said_to_be(client: TestClient) -> None:
    keys = [hit["key"] for hit in client.get("/api/search?k=200").json()["hits"]]
    machine = [key for key in keys if "machine:demo" in client.get(f"/api/items/{key}").text]
    assert machine
    assert "written by a machine (demo)" in page(client, f"/item/{machine[0]}")


def test_filters_live_in_the_address_and_show_as_chosen(client: TestClient) -> None:
    outline = Outline(page(client, "/search?q=lion&institution=armorial-valcendre&language=fr&earliest=1400"))
    chosen = {(field["name"], field["value"]) for field in outline.all("input") if "checked" in field}
    assert ("institution", "armorial-valcendre") in chosen
    assert ("language", "fr") in chosen
    assert {field["value"] for field in outline.all("input") if field.get("name") == "earliest"} == {"1400"}
    exports = [link["href"] or "" for link in outline.all("a") if (link["href"] or "").startswith("/export")]
    assert "institution=armorial-valcendre" in exports[0]


def test_the_next_page_begins_where_this_one_ends(client: TestClient) -> None:
    first = Outline(page(client, "/search?q=lion&k=10"))
    link = next(link["href"] for link in first.all("a") if link.get("rel") == "next")
    second = Outline(page(client, str(link)))
    keys = [
        [hit["data-key"] for hit in outline.all("li") if "data-key" in hit] for outline in (first, second)
    ]
    assert len(keys[0]) == len(keys[1]) == 10
    assert not set(keys[0]) & set(keys[1])


def test_empty_fields_of_a_form_and_unknown_parameters_are_ignored(client: TestClient) -> None:
    plain, strange = (
        Outline(page(client, f"/search?q=lion{tail}"))
        for tail in ("", "&earliest=&latest=&language=&utm_source=letter")
    )
    hits = [[hit["data-key"] for hit in each.all("li") if "data-key" in hit] for each in (plain, strange)]
    assert hits[0]
    assert hits[0] == hits[1], "the same answer"
    # The same page in another language keeps the address as it is.
    links = [link["href"] or "" for link in strange.all("a") if "hreflang" not in link]
    assert [address for address in links if "utm_source" in address] == [], (
        "no link passes on unknown parameters"
    )


def test_a_value_out_of_bounds_is_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/search?k=9999", headers=HTML)
    assert answer.status_code == 422
    assert "This did not work." in answer.text
    assert "K should be less than or equal to 200." in answer.text, "and what does not"
    assert "<h1>" in answer.text


def test_a_missing_page_is_html_for_people_and_json_for_programs(client: TestClient) -> None:
    assert "There is nothing here." in client.get("/nowhere", headers=HTML).text
    assert (
        client.get("/nowhere", headers={"Accept": "application/json"}).json()["error"]["code"] == "not_found"
    )


def test_nothing_that_fits_is_said_in_words(client: TestClient) -> None:
    assert "No picture here matches all of this." in page(client, "/search?creator=nobody")


def test_an_uploaded_picture_is_searched_with_and_can_be_filtered(client: TestClient, shown_key: str) -> None:
    picture = client.get(f"/image/{shown_key}.jpg").content
    answer = client.post("/search/image", files={"image": picture}, headers=HTML)
    assert answer.status_code == 200
    address = answer.url.query.decode()
    assert address.startswith("image=")
    outline = Outline(answer.text)
    assert ("hidden", "image") in {(field.get("type"), field.get("name")) for field in outline.all("input")}
    assert (
        client.get(f"/kept/{address.removeprefix('image=')}.jpg").headers["cache-control"]
        == "private, no-store"
    )
    filtered = page(client, f"/search?{address}&institution=armorial-valcendre")
    assert "Pictures like yours" in filtered
    gone = client.get(f"/search?image={'x' * 22}", headers=HTML)
    assert gone.status_code == 404
    assert "half an hour" in gone.text


def test_the_results_of_an_uploaded_picture_can_be_exported(client: TestClient, shown_key: str) -> None:
    picture = client.get(f"/image/{shown_key}.jpg").content
    answer = client.post("/search/image", files={"image": picture}, headers=HTML)
    links = [link["href"] or "" for link in Outline(answer.text).all("a")]
    (exports,) = [link for link in links if link.startswith("/export?image=")]
    links = [link["href"] or "" for link in Outline(page(client, exports)).all("a")]
    for path in ("/iiif/search/manifest.json", "/api/v1/search.csv", "/api/v1/search.jsonld"):
        address, _ = [link for link in links if link.startswith(f"{path}?image=")]
        taken = client.get(address)
        assert taken.status_code == 200
        assert shown_key in taken.text


def test_a_picture_or_its_address_is_needed(client: TestClient) -> None:
    for form in ({}, {"url": ""}, {"url": "http://127.0.0.1/"}, {"url": "nonsense"}):
        answer = client.post("/search/image", data=form, headers=HTML)
        assert answer.status_code == 422
        assert "This did not work." in answer.text


def test_where_a_text_is_seen_is_said_in_words_and_laid_over_the_picture(
    client: TestClient, shown_key: str, link_key: str
) -> None:
    text = page(client, f"/item/{shown_key}?seen=a+lion")
    said = re.search(r'<p class="said" role="status">(.*?)</p>', text, re.DOTALL)
    assert said is not None
    assert "a lion" in said[1]
    (overlay,) = [image for image in Outline(text).all("img") if image.get("class") == "overlay"]
    assert overlay["alt"] == "", "what it shows is said in words next to it"
    drawn = client.get(str(overlay["src"]))
    assert drawn.headers["content-type"] == "image/png"
    assert "lion" not in str(overlay["src"]), "an overlay's address says nothing of the question"
    withheld = page(client, f"/item/{link_key}?seen=a+lion")
    assert 'class="overlay"' not in withheld
    assert "a lion" in withheld


def test_a_cataloguer_gets_notations_below_a_branch(client: TestClient, shown_key: str) -> None:
    text = page(client, f"/item/{shown_key}?branch=46A12&lang=de")
    client.cookies.clear()
    notations = re.findall(r"<tr><td><a href=\"/search\?iconclass=([^\"]+)\">", text)
    assert len(notations) == 8
    # A doubled letter (46AA122) is below the single one.
    assert all(re.match("46AA?12", notation) for notation in notations)
    assert "Wappen" in text
    assert "Iconclass has no such notation: 99Z" in page(client, f"/item/{shown_key}?branch=99Z")


def test_hits_are_marked_as_fitting_or_not_without_a_script(client: TestClient) -> None:
    outline = Outline(page(client, "/search?q=azure&institution=armorial-valcendre"))
    step = [link["href"] or "" for link in outline.all("a") if "data-step" in link]
    assert len(step) == 2 * len([hit for hit in outline.all("li") if "data-key" in hit])
    yes, no = step[0], step[1]
    for address, name in ((yes, "like"), (no, "unlike")):
        assert f"{name}=" in address
        assert "q=azure" in address
        assert "institution=armorial-valcendre" in address
        after = Outline(page(client, address))
        hidden = {field.get("name") for field in after.all("input") if field.get("type") == "hidden"}
        assert name in hidden, "the next question keeps it"
        drops = [link["href"] for link in after.all("a") if link.get("class") == "drop"]
        assert set(drops) == {
            "/search?institution=armorial-valcendre&q=azure",
            address.replace("institution=armorial-valcendre&", ""),
        }


def test_a_list_without_a_query_has_no_buttons_to_mark_hits(client: TestClient) -> None:
    outline = Outline(page(client, "/search?institution=armorial-valcendre"))
    assert [link for link in outline.all("a") if link.get("href", "").startswith("/item/")]
    assert not [link for link in outline.all("a") if "data-step" in link]


def test_folded_copies_are_linked_from_the_results_and_from_each_of_them(client: TestClient) -> None:
    hits = client.get("/api/search?k=200").json()["hits"]
    folded = next(hit for hit in hits if hit["num_near_duplicates"])
    address = f"/item/{folded['key']}/copies"
    assert f'href="{address}"' in page(client, "/search?k=200")
    keys = set(re.findall(r'href="/item/([\w-]+)"', page(client, address)))
    assert len(keys) == folded["num_near_duplicates"] + 1
    for key in keys:
        assert f'href="/item/{key}/copies"' in page(client, f"/item/{key}?lang=en")
    single = next(hit for hit in hits if not hit["num_near_duplicates"])
    assert f'href="/item/{single["key"]}/copies"' not in page(client, f"/item/{single['key']}")


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_example_of_a_field_on_the_help_page_finds_something(client: TestClient, language: str) -> None:
    text = page(client, f"/help?lang={language}")
    client.cookies.clear()
    examples = [
        html.unescape(each) for each in re.findall(r'href="/search\?q=[^"]*"[^>]*><code>([^<]*:[^<]+)<', text)
    ]
    names = [each.partition(":")[0] for each in examples]
    assert len(names) == len(set(names)) == 11
    for example in examples:
        found = client.get("/api/v1/search", params={"q": example, "k": 1}).json()
        # These records are no pictures of pages.
        assert found["total"] or example.startswith(("picture:", "bild:", "image:")), example
        assert [part["kind"] for part in found["query"]["parts"]] == ["field"], example


def test_browsers_can_add_this_search(client: TestClient) -> None:
    description = client.get("/opensearch.xml")
    assert description.headers["content-type"].startswith("application/opensearchdescription+xml")
    assert "http://testserver/search?q={searchTerms}" in description.text


def test_a_misspelt_word_is_said_to_be_searched_as_another(client: TestClient) -> None:
    page = client.get("/search?q=lion+rampent&lang=en").text
    assert "Did you mean" in page
    assert 'href="/search?q=lion+rampant"' in page
    assert "“rampent”" in page
    alone = re.search(r'href="(/search\?q=lion\+rampent&amp;literal=true)"', page)
    assert alone is not None
    literal = client.get(alone[1].replace("&amp;", "&") + "&lang=en").text
    assert "Only what you typed was searched." in literal
    assert "Did you mean" not in literal
    told = client.get("/api/v1/search?q=lion+rampent").json()["spelling"]
    assert told["suggested"] == "lion rampant"
    assert client.get("/api/v1/search?q=lion+rampant").json()["spelling"] is None


def test_a_misspelt_word_is_text_whatever_it_holds(client: TestClient) -> None:
    page = client.get("/search", params={"q": 'rampent"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "said", "address"),
    [
        ("q=(lion", "A parenthesis has no partner", None),
        ("q=--lion", "A hyphen excludes it:", "q=-lion"),
        ("q=creator:Aulnoi+lion", "Did you mean", "q=creator%3A%22Perrine+Aulnoy%22+lion"),
        ("q=language:xx", "Did you mean “de”, “en”, “fr”?", None),
        ("q=lion&language=xx", "Did you mean", "language=de&amp;q=lion"),
        (
            "q=year:1900..",
            "Nothing here is dated “1900..”. All dates here are within:",
            "q=year%3A1350..1700",
        ),
        ("q=(lion&lang=de", "Eine Klammer hat kein Gegenstück", None),
        ("q=lion+xyzzy&lang=de", "„xyzzy“", None),
        ("q=xyzzy&lang=fr", "« xyzzy »", None),
    ],
)
def test_what_was_not_understood_is_said_with_what_to_write(
    client: TestClient, query: str, said: str, address: str | None
) -> None:
    page = client.get(f"/search?{'' if 'lang=' in query else 'lang=en&'}{query}").text
    client.cookies.clear()
    assert said in re.sub("<[^>]*>", "", page)
    assert address is None or re.search(rf'href="/search\?[^"]*{re.escape(address)}"', page)


def test_what_was_typed_does_not_turn_the_heading_around(client: TestClient) -> None:
    text = page(client, "/search?lang=en&q=%E2%80%AElion%E2%81%A6")
    client.cookies.clear()
    assert "<h1>“lion”</h1>" in text
