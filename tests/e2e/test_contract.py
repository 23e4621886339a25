# SPDX-License-Identifier: MIT
"""The contract is whole, and has exactly the routes that the servers mount."""
import glob
import os
import re

import jsonschema
import pytest

from contract import CONTRACT, PATH

SERVERS = os.path.dirname(PATH)
NOT_OURS = ("http", "sandbox")


def every_node(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from every_node(child)


def test_references_lead_somewhere():
    refs = [node["$ref"] for node in every_node(CONTRACT.document)
            if isinstance(node, dict) and isinstance(node.get("$ref"), str)]
    assert len(refs) > 100
    for ref in refs:
        CONTRACT.resolver.resolve(ref)


def test_schemas_are_schemas():
    for schema in CONTRACT.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operations_are_named_once_and_explained():
    operations = [op for item in CONTRACT.document["paths"].values() for op in item.values()]
    names = [op["operationId"] for op in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["summary"] and operation["tags"] and operation["responses"]


def mounted_routes():
    """(method, pattern) of every route table in the servers' sources."""
    routes = set()
    for path in glob.glob(os.path.join(SERVERS, "*", "*.c")):
        if os.path.basename(os.path.dirname(path)) in NOT_OURS:
            continue
        with open(path, encoding="utf-8") as file:
            routes.update(re.findall(r'\.method = "(\w+)",\s*\.pattern = "([^"]+)"', file.read()))
    return routes


def test_contract_has_exactly_the_routes_of_the_servers():
    written = {(method.upper(), path) for path, item in CONTRACT.document["paths"].items()
               for method in item}
    assert written == mounted_routes()


def test_every_path_parameter_is_described():
    for path, item in CONTRACT.document["paths"].items():
        for operation in item.values():
            described = {CONTRACT.resolve(p)["name"] for p in operation.get("parameters", [])
                         if CONTRACT.resolve(p)["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path)), path


class Answer:
    def __init__(self, status_code, body, **headers):
        import json
        self.status_code, self.headers = status_code, headers
        self.content = b"" if body is None else json.dumps(body).encode()
        self.text = self.content.decode()
        self.body = body

    def json(self):
        return self.body


JSON = {"Content-Type": "application/json", "X-Request-Id": "0" * 32}
ME = {"userId": "u", "email": "a@b.c", "name": "A", "createdAt": "2026-01-01T00:00:00.000Z"}
PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "USER_NOT_FOUND",
           "detail": "None.", "instance": "/v1/users/me"}


@pytest.mark.parametrize("answer", [
    Answer(418, ME, **JSON),
    Answer(200, ME, **{**JSON, "Content-Type": "text/plain"}),
    Answer(200, ME, **{"Content-Type": "application/json"}),
    Answer(200, {**ME, "password": "x"}, **JSON),
    Answer(200, {**ME, "createdAt": "2026-01-01T00:00:00Z"}, **JSON),
    Answer(200, {**ME, "createdAt": "2026-13-01T00:00:00.000Z"}, **JSON),
    Answer(200, {k: ME[k] for k in ME if k != "name"}, **JSON),
    Answer(404, {**PROBLEM, "code": "SEATS_TAKEN"}, **{"Content-Type": "application/problem+json"}),
    Answer(404, {**PROBLEM, "status": 400}, **{"Content-Type": "application/problem+json"}),
    Answer(404, PROBLEM, **JSON),
    Answer(503, {**PROBLEM, "status": 503, "code": "BUSY"},
           **{"Content-Type": "application/problem+json"}),
])
def test_the_checker_finds_what_is_wrong(answer):
    CONTRACT.check("GET", "/v1/users/me", Answer(200, ME, **JSON))
    with pytest.raises(AssertionError):
        CONTRACT.check("GET", "/v1/users/me", answer)
