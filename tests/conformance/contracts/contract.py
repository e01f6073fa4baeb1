"""contract.py: answers held against a table that extract.py made. What a table does not know is a mismatch, not a pass."""
import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent


class Contract:
    def __init__(self, name, own_paths=(), may_be_null=(), also=()):
        """own_paths: patterns of routes that are our own addition; may_be_null: fields whose null the real service sends as well;
        also: "Model.field" that recorded answers of the real service have and its contract has not."""
        table = json.loads((HERE / f"{name}.json").read_text())
        self.models, self.may_be_null = table["models"], set(may_be_null)
        for name in also:
            model, field = name.split(".")
            self.models[model]["fields"][field] = "any"
        self.own = [re.compile(pattern) for pattern in own_paths]
        self.operations = [(operation, self.pattern(operation["path"])) for operation in table["operations"]]
        # A literal segment before a parameter: "/certificates/contacts" is no certificate.
        self.operations.sort(key=lambda pair: [segment.startswith("{") for segment in pair[0]["path"].split("/")])
        self.seen = set()

    @staticmethod
    def pattern(path):
        parts = [r"[^/]*" if part.startswith("{") else re.escape(part) for part in path.rstrip("/").split("/")]
        # The version is the one parameter that clients leave empty or out.
        text = "/".join(parts)
        return re.compile(text + "/?$", re.IGNORECASE)

    def find(self, method, path):
        for operation, pattern in self.operations:
            if operation["method"] == method and pattern.match(path):
                return operation
        return None

    def check(self, method, path, status, body):
        """A list of what is wrong with an answer; empty when all is well."""
        path = path.split("?")[0]
        if any(own.match(path) for own in self.own):
            return []
        if status >= 400:
            return self.check_error(body, f"{method} {path} {status}")
        operation = self.find(method, path) or self.find(method, path.rstrip("/") + "/")
        where = f"{method} {path}"
        if not operation:
            return [f"{where}: no such operation in the contract"]
        self.seen.add(operation["id"])
        if str(status) not in operation["statuses"]:
            return [f"{operation['id']}: status {status} is not one of {sorted(operation['statuses'])}"]
        kind = operation["statuses"][str(status)]
        if kind is None:
            return [] if body in (None, "") else [f"{operation['id']}: a body where none belongs"]
        return list(self.mismatches(kind, body, operation["id"]))

    @staticmethod
    def check_error(body, where):
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("code"), str) or not isinstance(error.get("message"), str):
            return [f"{where}: no error with code and message"]
        return []

    def mismatches(self, kind, value, where):
        if value is None:
            if where.rsplit(".", 1)[-1] not in self.may_be_null:
                yield f"{where}: null"
        elif isinstance(kind, list):
            if not isinstance(value, list):
                yield f"{where}: no list"
            else:
                for item in value:
                    yield from self.mismatches(kind[0], item, where)
        elif kind in self.models:
            yield from self.object_mismatches(self.models[kind], value, where)
        elif kind != "any":
            good = {"string": isinstance(value, str), "boolean": isinstance(value, bool), "map": isinstance(value, dict),
                    "integer": isinstance(value, int) and not isinstance(value, bool), "number": isinstance(value, (int, float)) and not isinstance(value, bool)}
            if not good[kind]:
                yield f"{where}: {value!r} is no {kind}"

    def object_mismatches(self, model, value, where):
        if not isinstance(value, dict):
            yield f"{where}: no object"
            return
        for name in model["required"]:
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, item in value.items():
            if name not in model["fields"]:
                yield f"{where}.{name}: no such field"
            else:
                yield from self.mismatches(model["fields"][name], item, f"{where}.{name}")
