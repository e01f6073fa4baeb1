"""contract.py: are answers what the service's own description says? The facts are the tables in tests/conformance/contracts; extract.py there makes them
and describes them. What a table does not know is a mismatch, not a pass."""
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parents[1] / "conformance" / "contracts"
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
BESIDE = {"batch": {"odata.metadata"}}          # members of any body that no model of the table has
ON_REQUEST = {"client-request-id"}              # headers that an answer has only if the request asked for them
ENTITY = {"etag", "last-modified"}              # the tables have them nearly everywhere; see is_untagged


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_untagged(operation):
    """Lists and a node have no ETag in answers of the real service (Azure/azure-sdk-for-python, sdk/batch/azure-batch/tests/recordings), whatever the table says."""
    return "List" in operation or operation == "ComputeNode_Get"


def matches(pattern):
    return lambda value: isinstance(value, str) and pattern.fullmatch(value)


WORDS = {
    "any": lambda value: True, "string": lambda value: isinstance(value, str), "boolean": lambda value: isinstance(value, bool),
    "integer": is_whole, "number": lambda value: is_whole(value) or isinstance(value, float), "datetime": matches(DATETIME), "duration": matches(DURATION),
}


class Contract:
    """contract = Contract("batch", version); contract.answer(answer, "Job_Get") and contract.error(answer, 404, "JobNotFound") fail where something is wrong;
    contract.check(method, path, answer) tells it, for the answers that a client got."""

    def __init__(self, name, version, own_paths=(), may_be_null=(), also=()):
        """own_paths: patterns of routes that are our own addition; may_be_null: fields whose null the real service sends as well;
        also: "Model.field" that recorded answers of the real service have and its contract has not."""
        table = json.loads((HERE / f"{name}.json").read_text())[version]
        self.operations, self.models, self.error_kind = table["operations"], table["models"], table["error"]
        self.beside, self.may_be_null = BESIDE.get(name, set()), set(may_be_null)
        for added in also:
            model, field = added.split(".")
            self.models[model]["fields"][field] = "any"
        self.own = [re.compile(pattern) for pattern in own_paths]
        # A literal segment before a parameter: "/certificates/contacts" is no certificate.
        names = sorted(self.operations, key=lambda operation: [segment.startswith("{") for segment in self.operations[operation]["path"].split("/")])
        self.routes = [(self.operations[operation]["method"], self.pattern(self.operations[operation]["path"]), operation) for operation in names]

    @staticmethod
    def pattern(path):
        parts = [r"[^/]*" if part.startswith("{") else re.escape(part) for part in path.rstrip("/").split("/")]
        return re.compile("/".join(parts) + "/?", re.IGNORECASE)

    def find(self, method, path):
        """The operation's name. A version is the one parameter that clients leave empty or out."""
        for tried in (path, path.rstrip("/") + "/"):
            for routed, pattern, operation in self.routes:
                if routed == method and pattern.fullmatch(tried):
                    return operation
        return None

    def check(self, method, path, answer):
        """A list of what is wrong with the answer to a request; empty when all is well."""
        path = path.split("?")[0]
        if any(own.match(path) for own in self.own):
            return []
        operation = self.find(method, path)
        if not operation:
            return [f"{method} {path}: no such operation in the contract"]
        if answer.status >= 400 and str(answer.status) not in self.operations[operation]["answers"]:
            return list(self.error_mismatches(answer, f"{method} {path} {answer.status}"))
        return list(self.answer_mismatches(answer, operation))

    def answer(self, answer, operation):
        """The answer, which is a success of that operation."""
        wrong = list(self.answer_mismatches(answer, operation))
        assert not wrong, f"{wrong} in {answer}"
        return answer

    def error(self, answer, status, code):
        """The answer, which is this refusal."""
        wrong = list(self.error_mismatches(answer, f"{status} {code}"))
        assert not wrong, f"{wrong} in {answer}"
        told = answer.json.get("error", answer.json)["code"]
        assert (answer.status, told) == (status, code), f"{answer}, wanted {status} {code}"
        return answer

    def answer_mismatches(self, answer, operation):
        expected = self.operations[operation]["answers"].get(str(answer.status))
        if not expected:
            yield f"{operation}: status {answer.status} is none of {sorted(self.operations[operation]['answers'])}"
            return
        there = {name.lower() for name, value in answer.headers.items() if value}
        for header in expected["headers"]:
            if header.lower() not in there | ON_REQUEST | (ENTITY if is_untagged(operation) else set()):
                yield f"{operation}: no header {header}"
        yield from self.body_mismatches(expected["kind"], answer.body, operation)

    def error_mismatches(self, answer, where):
        wrong = list(self.body_mismatches(self.error_kind, answer.body, where))
        yield from wrong
        if not wrong:
            error = answer.json.get("error", answer.json)       # Batch has no envelope
            yield from (f"{where}: {name} is missing" for name in ("code", "message") if not error.get(name))

    def body_mismatches(self, kind, text, where):
        if kind is None and text:
            yield f"{where}: a body where none belongs"
        if kind in (None, "file"):
            return
        try:
            value = json.loads(text)
        except ValueError:
            yield f"{where}: the body is no JSON"
            return
        if isinstance(value, dict):
            value = {name: item for name, item in value.items() if name not in self.beside}
        yield from self.mismatches(kind, value, where)

    def mismatches(self, kind, value, where):
        if value is None:
            if where.rsplit(".", 1)[-1] not in self.may_be_null:
                yield f"{where}: null"
        elif isinstance(kind, dict):
            yield from self.compound_mismatches(kind, value, where)
        elif kind in self.models:
            yield from self.model_mismatches(self.models[kind], value, where)
        elif not WORDS[kind](value):
            yield f"{where}: {value!r} is no {kind}"

    def compound_mismatches(self, kind, value, where):
        (form, inner), = kind.items()
        if form == "enum":
            if value not in inner:
                yield f"{where}: {value!r} is none of {inner}"
        elif not isinstance(value, {"list": list, "map": dict}[form]):
            yield f"{where}: {value!r} is no {form}"
        else:
            for item in value if form == "list" else value.values():
                yield from self.mismatches(inner, item, f"{where}[]")

    def model_mismatches(self, model, value, where):
        """Only fields that the model has, each of its kind, and all that it requires."""
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        for name in model["required"]:
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, item in value.items():
            if name not in model["fields"]:
                yield f"{where}.{name}: no such field"
            else:
                yield from self.mismatches(model["fields"][name], item, f"{where}.{name}")
