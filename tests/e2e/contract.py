# SPDX-License-Identifier: MIT
"""Checks answers against servers/openapi.yaml.

An answer is lawful when its operation lists its status, it has the media type, the
required headers and a body that fits the schema, and, for a problem, when the code is
one of the operation's or of the shared response's (x-codes), its `status` is the
answer's, and 429 and 503 say when to come back. A path that no operation has may
only be answered with a problem.
"""
import datetime
import os
import re
from urllib.parse import urlsplit

import jsonschema
import yaml

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "servers",
                    "openapi.yaml")
PROBLEM = "application/problem+json"
STREAM = "text/event-stream"
NOT_PUBLIC = {"internal", "ops"}  # on listeners of their own
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value):
    if isinstance(value, str):
        datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return True


class Contract:
    def __init__(self, path=PATH):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.paths = [(self.pattern_of(path), path) for path in self.document["paths"]]
        # A constant segment is a better match than a parameter.
        self.paths.sort(key=lambda pair: pair[1].count("{"))

    @staticmethod
    def pattern_of(path):
        return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operation(self, method, path):
        """The description of an operation of the public listener, or None."""
        for pattern, template in self.paths:
            if pattern.match(path):
                found = self.document["paths"][template].get(method.lower())
                is_public = found and not set(found["tags"]) & NOT_PUBLIC
                return found if is_public else None
        return None

    def validate(self, value, schema, what):
        errors = list(jsonschema.Draft202012Validator(
            schema, resolver=self.resolver, format_checker=FORMATS).iter_errors(value))
        assert not errors, f"{what}: {errors[0].message} at {list(errors[0].absolute_path)}"

    def check(self, method, url, answer):
        path = urlsplit(url).path
        found = self.operation(method, path)
        what = f"{method} {path} -> {answer.status_code}"
        if not found:
            assert answer.status_code >= 400, f"{what}: answers a path without operation"
            self.check_problem(answer, {"content": {PROBLEM: {"schema": {
                "$ref": "#/components/schemas/Problem"}}}}, [], what, is_any=True)
            return
        operation = found
        responses = operation["responses"]
        listed = responses.get(str(answer.status_code))
        if listed is None:
            listed = responses.get(f"{answer.status_code // 100}XX")
        assert listed is not None, f"{what}: this status is not in the contract: {answer.text}"
        response = self.resolve(listed)
        self.check_headers(answer, response, what)
        if answer.headers.get("Content-Type") == STREAM:
            assert STREAM in response["content"], what  # its body has no end to wait for
        elif answer.status_code >= 400 and PROBLEM in response.get("content", {}):
            self.check_problem(answer, response, operation.get("x-codes", []), what)
        else:
            self.check_body(answer, response, what)

    def check_headers(self, answer, response, what):
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            value = answer.headers.get(name)
            assert value is not None or not header.get("required"), f"{what}: no header {name}"
            if value is not None:
                self.validate(value, header["schema"], f"{what}: header {name}")

    def check_body(self, answer, response, what):
        content = response.get("content")
        if not content:
            assert answer.content == b"", f"{what}: there is a body"
            return
        media = answer.headers.get("Content-Type", "").split(";")[0]
        assert media in content, f"{what}: is {media}"
        if media.endswith("json"):
            self.validate(answer.json(), content[media]["schema"], what)

    def check_problem(self, answer, response, codes, what, is_any=False):
        self.check_body(answer, response, what)
        problem = answer.json()
        assert problem["status"] == answer.status_code, what
        lawful = set(codes) | set(response.get("x-codes", []))
        assert is_any or problem["code"] in lawful, f"{what}: code {problem['code']}"
        if answer.status_code in (429, 503):
            assert int(answer.headers["Retry-After"]) >= 1, what


CONTRACT = Contract()
