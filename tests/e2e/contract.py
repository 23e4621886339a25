# SPDX-License-Identifier: MIT
"""Checks real answers against servers/openapi.yaml."""
import functools
import os
import re

import jsonschema
import yaml

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                    "servers", "openapi.yaml")


@functools.lru_cache(maxsize=None)
def document():
    with open(PATH, encoding="utf-8") as file:
        return yaml.safe_load(file)


def resolve(node):
    while "$ref" in node:
        target = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


@functools.lru_cache(maxsize=None)
def templates():
    """Paths with their patterns, those without parameters first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path) for path in paths]


@functools.lru_cache(maxsize=None)
def validator(path, method, status, media):
    operation = document()["paths"][path].get(method)
    assert operation, f"{method} {path} is not in the contract"
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get("default")
    assert response, f"{method} {path} answered {status}, which is not in the contract"
    content = resolve(response).get("content", {})
    if not content:
        return None
    assert media in content, f"{method} {path} {status}: {media} is not in the contract"
    schema = resolve(content[media].get("schema", {}))
    return jsonschema.Draft202012Validator({**schema, "components": document()["components"]})


def check(method, path, answer):
    """Raise when an answer is not as the contract says."""
    plain = path.split("?")[0]
    found = next((template for pattern, template in templates() if pattern.match(plain)), None)
    assert found, f"{plain} is not in the contract"
    media = answer.headers.get("Content-Type", "").split(";")[0]
    schema = validator(found, method.lower(), answer.status_code, media)
    if schema and "json" in media:
        errors = [f"{'/'.join(map(str, error.path))}: {error.message}"
                  for error in schema.iter_errors(answer.json())]
        assert not errors, f"{method} {found} {answer.status_code}: {errors}"
