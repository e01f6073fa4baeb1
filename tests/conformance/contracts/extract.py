"""extract.py SPECIFICATION: the tables beside this file, from OpenAPI descriptions. tests/harness/contract.py holds answers against them.

SPECIFICATION is the folder of that name in a checkout of Azure/azure-rest-api-specs (the tables here: November 2024), or the files of SOURCES in the same places.
A table has, of each version, facts only, and nothing of the descriptions' texts:

    from         the files, below SPECIFICATION
    error        the model of a refusal
    operations   of each: method, path, and by status of a success the headers and the kind of the body (null: there is none)
    models       of each that an answer leads to: what is required, and its fields with their kinds, those of allOf as well

A kind is one of the words string, integer, number, boolean, datetime, duration, file and any, or the name of a model,
or {"list": kind}, {"map": kind} (of names to that), {"enum": [words]}.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
BATCH = "batch/data-plane/Microsoft.Batch/stable"
VAULT = "keyvault/data-plane/Microsoft.KeyVault/stable/7.5"
VAULT_ARM = "keyvault/resource-manager/Microsoft.KeyVault/stable/2023-07-01"
SOURCES = {
    "batch": [[f"{BATCH}/2022-10-01.16.0/BatchService.json"], [f"{BATCH}/2024-07-01.20.0/BatchService.json"]],
    "keyvault": [[f"{VAULT}/secrets.json", f"{VAULT}/keys.json", f"{VAULT}/certificates.json", f"{VAULT}/storage.json"]],
    "keyvault-arm": [[f"{VAULT_ARM}/keyvault.json", f"{VAULT_ARM}/secrets.json", f"{VAULT_ARM}/keys.json", f"{VAULT_ARM}/providers.json"]],
}
METHODS = ("get", "head", "put", "post", "patch", "delete")
WORDS = ("string", "integer", "number", "boolean")
FORMATS = {"date-time": "datetime", "duration": "duration", "file": "file"}


class Extract:
    """One version of a service, as its files describe it."""

    def __init__(self, base, files):
        self.base, self.files, self.documents, self.models, self.homes = base.resolve(), files, {}, {}, {}

    def document(self, path):
        if path not in self.documents:
            self.documents[path] = json.loads(path.read_text())
        return self.documents[path]

    def follow(self, ref, path):
        """(target, path of its document, last name) of a $ref."""
        file, _, pointer = ref.partition("#")
        path = (path.parent / file).resolve() if file else path
        node = self.document(path)
        for part in pointer.strip("/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node, path, pointer.rsplit("/", 1)[-1]

    def fields(self, schema, path, required):
        """All properties of an object, those of allOf as well."""
        found = {}
        for part in schema.get("allOf", []):
            target, where, _ = self.follow(part["$ref"], path) if "$ref" in part else (part, path, None)
            found.update(self.fields(target, where, required))
        required.update(schema.get("required", []))
        for name, value in schema.get("properties", {}).items():
            found[name] = self.kind(value, path)
        return found

    def model(self, name, schema, path):
        home = self.homes.setdefault(name, path)
        if home != path:
            sys.exit(f"{name} is one thing in {home} and another in {path}: the table cannot hold both")
        if name not in self.models:
            self.models[name] = {}                          # stands while its own fields lead back to it
            required = set()
            fields = self.fields(schema, path, required)
            self.models[name] = {"required": sorted(required & set(fields)), "fields": dict(sorted(fields.items()))}
        return name

    def kind(self, schema, path):
        if "$ref" in schema:
            target, where, name = self.follow(schema["$ref"], path)
            return self.model(name, target, where) if target.get("properties") or target.get("allOf") else self.kind(target, where)
        if schema.get("type") == "array":
            return {"list": self.kind(schema["items"], path)}
        if "enum" in schema:
            return {"enum": sorted(schema["enum"])}
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        if schema.get("type") in WORDS:
            return schema["type"]
        if "additionalProperties" in schema:
            return {"map": self.kind(schema["additionalProperties"], path)}
        return {"map": "any"} if schema.get("type") == "object" else "any"

    def answer(self, response, path):
        return {"kind": self.kind(response["schema"], path) if "schema" in response else None, "headers": sorted(response.get("headers", {}))}

    def table(self):
        """(version, facts)"""
        operations, errors, versions = {}, set(), set()
        for path in [(self.base / file).resolve() for file in self.files]:
            document = self.document(path)
            versions.add(document["info"]["version"])
            for url, methods in document["paths"].items():
                for method in set(METHODS) & set(methods):
                    responses = dict(methods[method]["responses"])
                    errors.add(self.kind(responses.pop("default")["schema"], path))
                    answers = {status: self.answer(response, path) for status, response in sorted(responses.items())}
                    operations[methods[method]["operationId"]] = {"method": method.upper(), "path": url, "answers": answers}
        (version,), (error,) = versions, errors             # one each, or these files belong to different tables
        return version, {"from": self.files, "error": error, "operations": dict(sorted(operations.items())), "models": dict(sorted(self.models.items()))}


def written(tables):
    """JSON with a line for each operation and each model: a change of the table reads as what changed."""
    versions = []
    for version, table in sorted(tables.items()):
        parts = [f'  "from": {json.dumps(table["from"])}', f'  "error": {json.dumps(table["error"])}']
        for part in ("operations", "models"):
            parts.append(f'  "{part}": {{\n' + ",\n".join(f"   {json.dumps(name)}: {json.dumps(fact)}" for name, fact in table[part].items()) + "\n  }")
        versions.append(f' "{version}": {{\n' + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(versions) + "\n}\n"


def main():
    for name, versions in SOURCES.items():
        tables = dict(Extract(pathlib.Path(sys.argv[1]), files).table() for files in versions)
        (HERE / f"{name}.json").write_text(written(tables))
        for version, table in tables.items():
            print(f"{name} {version}: {len(table['operations'])} operations, {len(table['models'])} models")


if __name__ == "__main__":
    main()
