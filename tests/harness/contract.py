"""contract.py: are answers what the service's own description says? The facts are in tests/conformance/contracts (extract_contract.py makes them)."""
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parents[1] / "conformance" / "contracts"
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$")
PLAIN = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "object": dict}


class Contract:
    """contract = Contract("batch", version); contract.shape(answer.json, "CloudJob"); contract.answer(answer, "Job_Get")."""

    def __init__(self, name, version):
        self.version = version
        self.table = json.loads((HERE / f"{name}.json").read_text())[version]

    def value(self, value, kind, where):
        if isinstance(kind, list):
            assert value in kind, f"{where}: {value!r} is none of {kind}"
        elif isinstance(kind, dict) and "is" in kind:
            self.shape(value, kind["is"], where)
        elif isinstance(kind, dict):
            assert isinstance(value, list), f"{where}: {value!r} is no array"
            for at, item in enumerate(value):
                self.value(item, kind["all"], f"{where}[{at}]")
        elif kind == "datetime":
            assert isinstance(value, str) and DATETIME.match(value), f"{where}: {value!r} is no time"
        elif kind == "duration":
            assert isinstance(value, str) and DURATION.match(value), f"{where}: {value!r} is no duration"
        else:
            assert isinstance(value, PLAIN[kind]) and (kind == "boolean") == isinstance(value, bool), f"{where}: {value!r} is no {kind}"

    def shape(self, value, name, where=""):
        """Only members that the description has, each of its kind, and all that it requires."""
        shape = self.table["shapes"][name]
        where = where or name
        assert isinstance(value, dict), f"{where}: {value!r} is no {name}"
        for member, inner in value.items():
            if member == "odata.metadata":
                continue
            assert member in shape["members"], f"{where}: the service has no {member}"
            self.value(inner, shape["members"][member], f"{where}.{member}")
        missing = set(shape["required"]) - set(value)
        assert not missing, f"{where}: {missing} missing"
        return value

    def answer(self, answer, operation, shape=None):
        """The status the operation succeeds with, its headers (a list and a deletion have no ETag of their own), and the body's shape."""
        answers = self.table["operations"][operation]["answers"]
        assert str(answer.status) in answers, f"{operation}: {answer}"
        lists = "List" in operation or shape is None and not answer.headers.get("ETag")
        for header in answers[str(answer.status)]:
            if header in ("client-request-id", "ocp-batch-file-mode") or (lists and header in ("ETag", "Last-Modified", "DataServiceId")):
                continue
            assert answer.headers.get(header), f"{operation}: no {header} in {answer.headers}"
        if shape:
            self.shape(answer.json, shape)
        return answer

    def error(self, answer, status, code):
        assert answer.status == status and answer.json["code"] == code, f"{answer}, wanted {status} {code}"
        self.shape(answer.json, "BatchError")
        return answer
