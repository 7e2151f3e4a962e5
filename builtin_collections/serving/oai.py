"""OAI-PMH 2.0 (openarchives.org/OAI/openarchivesprotocol.html) over any list of entries, in oai_dc.

Resumption tokens contain the whole request, so the server has no state. Withdrawn entries are permanently
reported as deleted records. Datestamps have the granularity of seconds; requests may use days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.etree import ElementTree

from builtin_collections.serving.exchange import Answer, Request, tag

PAGE_SIZE = 100
CONTENT_TYPE = "text/xml; charset=utf-8"
_OAI = "http://www.openarchives.org/OAI/2.0/"
_OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
_DC = "http://purl.org/dc/elements/1.1/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XML = "http://www.w3.org/XML/1998/namespace"
for _prefix, _uri in (("oai_dc", _OAI_DC), ("dc", _DC), ("xsi", _XSI)):
    ElementTree.register_namespace(_prefix, _uri)

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TOKEN = re.compile(r"(oai_dc)\.(\d{1,9})\.([^.]{0,20})\.([^.]{0,20})\.([a-z0-9:-]{0,40})")


class OaiError(Exception):
    """An error of the protocol, with its code and message."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Element:
    """One Dublin Core element of a record, such as a title."""

    name: str
    """without its prefix"""
    text: str
    language: str | None = None


@dataclass(frozen=True)
class Entry:
    """One record of a repository."""

    identifier: str
    """the local part, unique within the repository"""
    created: datetime
    modified: datetime
    set_spec: str
    describe: Callable[[], Sequence[Element]]
    """called when the record's metadata is requested"""
    is_deleted: bool = False


@dataclass(frozen=True)
class _Selection:
    """The selection of a list request. Times are as given; "" means no limit."""

    prefix: str
    start: int
    after: str
    until: str
    set_spec: str

    @property
    def token(self) -> str:
        return ".".join((self.prefix, str(self.start), self.after, self.until, self.set_spec))


class Repository:
    """The OAI-PMH interface of one archive.

    Args:
        name: the name of the repository in the response to Identify.
        uri: the base URL.
        domain: the namespace of its identifiers, as in oai:DOMAIN:LOCAL.
        entries: the entries, the oldest change first.
        sets: the setName of each setSpec.
    """

    def __init__(
        self, *, name: str, uri: str, domain: str, entries: Sequence[Entry], sets: Mapping[str, str]
    ) -> None:
        self._name, self._uri, self._prefix, self._sets = name, uri, f"oai:{domain}:", sets
        self._entries = entries
        self._by_identifier = {entry.identifier: entry for entry in entries}
        self._verbs: dict[str, tuple[Callable[[ElementTree.Element, dict[str, str]], None], _Arguments]] = {
            "Identify": (self._identify, _Arguments()),
            "ListMetadataFormats": (self._list_formats, _Arguments(optional=("identifier",))),
            "ListSets": (self._list_sets, _Arguments(exclusive="resumptionToken")),
            "ListIdentifiers": (self._list_identifiers, _LISTING),
            "ListRecords": (self._list_records, _LISTING),
            "GetRecord": (self._get_record, _Arguments(required=("identifier", "metadataPrefix"))),
        }

    def answer(self, request: Request) -> Answer:
        """The response to a GET or POST."""
        schema = f"{_OAI} http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"
        root = ElementTree.Element("OAI-PMH", {"xmlns": _OAI, f"{{{_XSI}}}schemaLocation": schema})
        _add(root, "responseDate", _stamp(datetime.now(UTC)))
        echo = _add(root, "request", self._uri)
        try:
            verb, arguments = self._arguments(request)
            content = ElementTree.Element(verb)
            self._verbs[verb][0](content, arguments)
            echo.attrib.update({"verb": verb, **arguments})
            root.append(content)
        except OaiError as error:
            if error.code not in ("badVerb", "badArgument"):
                echo.attrib.update(request.parameters)
            _add(root, "error", error.reason, {"code": error.code})
        body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return Answer(200, body, CONTENT_TYPE, etag=tag(body))

    def _arguments(self, request: Request) -> tuple[str, dict[str, str]]:
        arguments = dict(request.parameters)
        if len(arguments) != len(request.parameters):
            raise OaiError("badArgument", "an argument is given twice")
        if any(_NOT_XML.search(value) for value in arguments.values()):
            raise OaiError("badArgument", "an argument holds characters that XML cannot carry")
        verb = arguments.pop("verb", "")
        if verb not in self._verbs:
            raise OaiError("badVerb", f"unknown verb {_short(verb)}: use {', '.join(self._verbs)}")
        self._verbs[verb][1].check(arguments)
        return verb, arguments

    def _identify(self, content: ElementTree.Element, _: dict[str, str]) -> None:
        _add(content, "repositoryName", self._name)
        _add(content, "baseURL", self._uri)
        _add(content, "protocolVersion", "2.0")
        _add(content, "adminEmail", "armorial@example.org")
        _add(content, "earliestDatestamp", _stamp(min(entry.created for entry in self._entries)))
        _add(content, "deletedRecord", "persistent")
        _add(content, "granularity", "YYYY-MM-DDThh:mm:ssZ")

    def _list_formats(self, content: ElementTree.Element, arguments: dict[str, str]) -> None:
        if "identifier" in arguments:
            self._entry(arguments["identifier"])
        known = _add(content, "metadataFormat")
        _add(known, "metadataPrefix", "oai_dc")
        _add(known, "schema", "http://www.openarchives.org/OAI/2.0/oai_dc.xsd")
        _add(known, "metadataNamespace", _OAI_DC)

    def _list_sets(self, content: ElementTree.Element, arguments: dict[str, str]) -> None:
        if "resumptionToken" in arguments:
            raise OaiError("badResumptionToken", "the list of sets is given in one piece")
        for spec, name in self._sets.items():
            described = _add(content, "set")
            _add(described, "setSpec", spec)
            _add(described, "setName", name)

    def _list_identifiers(self, content: ElementTree.Element, arguments: dict[str, str]) -> None:
        self._list(content, arguments, self._add_header)

    def _list_records(self, content: ElementTree.Element, arguments: dict[str, str]) -> None:
        self._list(content, arguments, self._add_record)

    def _get_record(self, content: ElementTree.Element, arguments: dict[str, str]) -> None:
        entry = self._entry(arguments["identifier"])
        _check_prefix(arguments["metadataPrefix"])
        self._add_record(content, entry)

    def _list(
        self,
        content: ElementTree.Element,
        arguments: dict[str, str],
        add: Callable[[ElementTree.Element, Entry], None],
    ) -> None:
        selection = _resumed(arguments) if "resumptionToken" in arguments else _selected(arguments)
        chosen = self._select(selection)
        if not chosen:
            raise OaiError("noRecordsMatch", "no record matches the set and the dates")
        if selection.start >= len(chosen):
            raise OaiError("badResumptionToken", "the token points beyond the list")
        for entry in chosen[selection.start : selection.start + PAGE_SIZE]:
            add(content, entry)
        following = selection.start + PAGE_SIZE
        if following < len(chosen) or selection.start:
            rest = replace(selection, start=following)
            attributes = {"completeListSize": str(len(chosen)), "cursor": str(selection.start)}
            _add(content, "resumptionToken", rest.token if following < len(chosen) else "", attributes)

    def _select(self, selection: _Selection) -> Sequence[Entry]:
        after = _time(selection.after, end_of_day=False)
        until = _time(selection.until, end_of_day=True)
        if after and until and after > until:
            raise OaiError("badArgument", "from is later than until")
        return [
            entry
            for entry in self._entries
            if (after is None or entry.modified >= after)
            and (until is None or entry.modified <= until)
            and selection.set_spec in ("", entry.set_spec)
        ]

    def _entry(self, identifier: str) -> Entry:
        local = identifier.removeprefix(self._prefix)
        if local == identifier or local not in self._by_identifier:
            raise OaiError("idDoesNotExist", f"no record {_short(identifier)}")
        return self._by_identifier[local]

    def _add_header(self, parent: ElementTree.Element, entry: Entry) -> None:
        header = _add(parent, "header", attributes={"status": "deleted"} if entry.is_deleted else {})
        _add(header, "identifier", self._prefix + entry.identifier)
        _add(header, "datestamp", _stamp(entry.modified))
        _add(header, "setSpec", entry.set_spec)

    def _add_record(self, parent: ElementTree.Element, entry: Entry) -> None:
        record = _add(parent, "record")
        self._add_header(record, entry)
        if not entry.is_deleted:
            _add_dublin_core(_add(record, "metadata"), entry.describe())


def _add_dublin_core(metadata: ElementTree.Element, elements: Sequence[Element]) -> None:
    schema = f"{_OAI_DC} http://www.openarchives.org/OAI/2.0/oai_dc.xsd"
    root = ElementTree.SubElement(metadata, f"{{{_OAI_DC}}}dc", {f"{{{_XSI}}}schemaLocation": schema})
    for element in elements:
        attributes = {} if element.language is None else {f"{{{_XML}}}lang": element.language}
        _add(root, f"{{{_DC}}}{element.name}", element.text, attributes)


@dataclass(frozen=True)
class _Arguments:
    """The arguments that a verb takes; `exclusive` excludes all others."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    exclusive: str = ""

    def check(self, given: dict[str, str]) -> None:
        """Raise OaiError unless `given` is a legal set of arguments."""
        if self.exclusive and self.exclusive in given:
            if len(given) > 1:
                raise OaiError("badArgument", f"{self.exclusive} must be the only argument")
            return
        for name in given:
            if name not in (*self.required, *self.optional):
                raise OaiError("badArgument", f"unknown argument {_short(name)}")
        for name in self.required:
            if name not in given:
                raise OaiError("badArgument", f"{name} is missing")


_LISTING = _Arguments(("metadataPrefix",), ("from", "until", "set"), "resumptionToken")


def _selected(arguments: dict[str, str]) -> _Selection:
    _check_prefix(arguments["metadataPrefix"])
    after, until = arguments.get("from", ""), arguments.get("until", "")
    if after and until and len(after) != len(until):
        raise OaiError("badArgument", "from and until differ in granularity")
    for name in ("from", "until"):
        if arguments.get(name) == "":
            raise OaiError("badArgument", f"{name} is empty")
    return _Selection("oai_dc", 0, after, until, arguments.get("set", ""))


def _resumed(arguments: dict[str, str]) -> _Selection:
    found = _TOKEN.fullmatch(arguments["resumptionToken"])
    if found is None or not int(found[2]):
        raise OaiError("badResumptionToken", "this token was not given out here")
    return _Selection(found[1], int(found[2]), found[3], found[4], found[5])


def _check_prefix(prefix: str) -> None:
    if prefix != "oai_dc":
        raise OaiError("cannotDisseminateFormat", f"unknown metadataPrefix {_short(prefix)}: use oai_dc")


def _time(text: str, *, end_of_day: bool) -> datetime | None:
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            clock = "23:59:59" if end_of_day else "00:00:00"
            return datetime.fromisoformat(f"{text}T{clock}+00:00")
        if _SECOND.fullmatch(text):
            return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        pass
    raise OaiError("badArgument", f"{_short(text)} is no date: use YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(text: str) -> str:
    """The text in a form that an error may repeat: of limited length, and without
    characters that XML forbids.
    """
    return repr(text[:60])


def _add(
    parent: ElementTree.Element, name: str, text: str | None = None, attributes: dict[str, str] | None = None
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name, attributes or {})
    child.text = text
    return child
