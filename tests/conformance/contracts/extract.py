"""extract.py SPECS NAME FILE...: tables of facts from swagger files (paths, statuses, field names, types, required) into NAME.json.

No texts are taken over: what a service answers, not what its documentation says. SPECS is a checkout of
Azure/azure-rest-api-specs or a folder of the same files; FILE is relative to it. contract.py reads the tables.

    keyvault.json       keyvault/data/7.5/{secrets,keys,certificates}.json
    keyvault-arm.json   keyvault/mgmt/2023-07-01/{keyvault,secrets,keys}.json
"""
import json
import pathlib
import sys

METHODS = ("get", "put", "post", "patch", "delete")


class Extract:
    def __init__(self, base):
        self.base, self.documents, self.models = base, {}, {}

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

    def kind(self, schema, path):
        """A type as a word: string, integer, number, boolean, any, map, [word], or the name of a model."""
        if "$ref" in schema:
            target, where, name = self.follow(schema["$ref"], path)
            if target.get("properties") or target.get("allOf"):
                if name not in self.models:
                    self.models[name] = {}                  # stands while its own fields lead back to it
                    required = set()
                    fields = self.fields(target, where, required)
                    self.models[name] = {"fields": fields, "required": sorted(required & set(fields))}
                return name
            return self.kind(target, where)
        if schema.get("type") == "array":
            return [self.kind(schema["items"], path)]
        if schema.get("type") in ("string", "integer", "number", "boolean"):
            return schema["type"]
        return "map" if "additionalProperties" in schema else "any"

    def operations(self, file):
        path = (self.base / file).resolve()
        for url, methods in self.document(path)["paths"].items():
            for method in METHODS:
                if method not in methods:
                    continue
                statuses = {}
                for status, answer in methods[method]["responses"].items():
                    if status != "default":
                        statuses[status] = self.kind(answer["schema"], path) if "schema" in answer else None
                yield {"id": methods[method]["operationId"], "method": method.upper(), "path": url, "statuses": statuses}


def main():
    base, name, files = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    extract = Extract(base)
    operations = sorted((operation for file in files for operation in extract.operations(file)), key=lambda o: (o["path"], o["method"]))
    table = {"from": files, "operations": operations, "models": dict(sorted(extract.models.items()))}
    text = json.dumps(table, indent=1, sort_keys=False)
    (pathlib.Path(__file__).parent / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {len(operations)} operations, {len(extract.models)} models")


if __name__ == "__main__":
    main()
