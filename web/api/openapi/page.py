"""The description of the API as one page of HTML, without scripts."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Document = Mapping[str, Any]

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>The API of VoiceAgent</title>
<link rel="icon" href="dashboard/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
"""


def page_of(document: Document) -> str:
    """Return the page for an OpenAPI document."""
    return "".join(
        [
            _HEAD,
            *_navigation(document),
            "<main>\n",
            *_introduction(document),
            *_sections(document),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _operations(document: Document, tag: str) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method.upper(), path, operation


def _navigation(document: Document) -> Iterator[str]:
    icon = '<img src="dashboard/icon.svg" alt="" width="24" height="24">'
    yield f'<nav aria-label="Operations">\n<p class="name">{icon}The API</p>\n'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name']).capitalize()}</h2>\n<ul>\n"
        for method, path, operation in _operations(document, tag["name"]):
            link = f'<a href="#{operation["operationId"]}">{escape(operation["summary"])}</a>'
            yield f'<li>{_method(method)} {link}<span class="path"> {escape(path)}</span></li>\n'
        yield "</ul>\n"
    yield "</nav>\n"


def _introduction(document: Document) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])}: the API</h1>\n"
    for paragraph in info["description"].split("\n\n"):
        yield f"<p>{_marked(paragraph)}</p>\n"
    link = '<a href="openapi.json">openapi.json</a>'
    yield f'<p class="soft">Version {escape(info["version"])} · for machines: {link}</p>\n'


def _sections(document: Document) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<section><h2>{escape(tag['name']).capitalize()}</h2>\n<p>{_marked(tag['description'])}</p>\n"
        for method, path, operation in _operations(document, tag["name"]):
            yield from _article(document, method, path, operation)
        yield "</section>\n"
    yield from _shapes(document)


def _shapes(document: Document) -> Iterator[str]:
    """Yield the schemas that others refer to, each once."""
    yield "<section><h2>Shapes</h2>\n<p>What the fields above refer to.</p>\n"
    for name, schema in document["components"]["schemas"].items():
        yield f'<article id="shape-{escape(name)}"><h3>{escape(name)}</h3>\n'
        for paragraph in filter(None, schema.get("description", "").split("\n\n")):
            yield f"<p>{_marked(paragraph)}</p>\n"
        yield from _rows("", _fields(schema))
        yield "</article>\n"
    yield "</section>\n"


def _article(document: Document, method: str, path: str, operation: Document) -> Iterator[str]:
    yield f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>\n'
    scope = f' <span class="scope">scope {escape(operation["x-scope"])}</span>' if "x-scope" in operation else ""
    yield f'<p class="request">{_method(method)} <code>{escape(path)}</code>{scope}</p>\n'
    for paragraph in filter(None, operation.get("description", "").split("\n\n")):
        yield f"<p>{_marked(paragraph)}</p>\n"
    yield from _rows("Parameters", ((it["name"], it["in"], it["description"]) for it in operation["parameters"]))
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        yield from _rows("Body", _fields(_model(document, content["schema"])))
        if "example" in content:
            yield f"<pre><code>{escape(json.dumps(content['example'], indent=2))}</code></pre>\n"
    yield from _answers(document, operation)
    yield "</article>\n"


def _answers(document: Document, operation: Document) -> Iterator[str]:
    problems = [
        status
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    ]
    for status, answer in operation["responses"].items():
        if status in problems:
            continue
        yield f"<h4>{status}: {escape(answer['description'])}</h4>\n"
        for kind, content in answer.get("content", {}).items():
            if "$ref" in content["schema"]:
                yield from _rows("", _fields(_model(document, content["schema"]), in_answer=True))
            else:
                yield f"<p><code>{escape(kind)}</code>: {_marked(content['schema'].get('description', ''))}</p>\n"
    if problems:
        yield f'<p class="soft">Problems: {", ".join(problems)}</p>\n'


def _model(document: Document, schema: Document) -> Document:
    found: Document = document["components"]["schemas"][_name(schema)]
    return found


def _name(schema: Document) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _fields(model: Document, *, in_answer: bool = False) -> Iterator[tuple[str, str, str]]:
    required = () if in_answer else model.get("required", ())
    for name, field in model.get("properties", {}).items():
        wanted = "required" if name in required else ""
        yield name, _kind(field), " ".join(filter(None, (wanted, field.get("description", ""))))


def _kind(schema: Document) -> str:
    """Return what a field holds, as HTML."""
    if "$ref" in schema:
        return f'<a href="#shape-{escape(_name(schema))}">{escape(_name(schema))}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(str(schema.get("const") or schema.get("type", "anything")))


def _rows(title: str, rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a table: a name, what it holds (as HTML), and what it means."""
    found = list(rows)
    if not found:
        return
    if title:
        yield f"<h4>{title}</h4>\n"
    yield "<table>\n"
    for name, kind, about in found:
        head = f'<th scope="row"><code>{escape(name)}</code></th>'
        yield f'<tr>{head}<td class="soft">{kind}</td><td>{_marked(about)}</td></tr>\n'
    yield "</table>\n"


def _method(method: str) -> str:
    return f'<span class="method {method.lower()}">{method}</span>'


def _marked(text: str) -> str:
    """Return text with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
