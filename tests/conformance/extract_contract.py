"""extract_contract.py SPEC.json... : the facts of OpenAPI descriptions that tests check answers against, as one JSON table on standard output.

Of each version (the directory's name, or info.version): operations (method, path, statuses, headers of the answer) and the shapes of what jobs, tasks, files and
nodes are (members, kinds, words, what is required), and nothing of their texts. Public source: Azure/azure-rest-api-specs, specification/batch/data-plane.
"""
import json
import sys

GROUPS = ("Job", "Task", "File", "ComputeNode")
WANTED = ("CloudJob", "CloudJobListResult", "CloudTask", "CloudTaskListResult", "CloudTaskListSubtasksResult", "TaskAddCollectionResult", "TaskCountsResult", "NodeFileListResult",
          "CloudJobListPreparationAndReleaseTaskStatusResult", "ComputeNode", "ComputeNodeListResult", "BatchError")
FORMATS = {"date-time": "datetime", "duration": "duration"}


def reference(schema):
    return schema["$ref"].split("/")[-1] if "$ref" in schema else None


def kind(schema, definitions):
    """One word or a list of words for a value; {"is": name} for an object; {"all": kind} for an array."""
    name = reference(schema)
    if name and definitions[name].get("type") == "string" and "enum" in definitions[name]:
        return sorted(definitions[name]["enum"])
    if name:
        return {"is": name}
    if schema.get("type") == "array":
        return {"all": kind(schema["items"], definitions)}
    if "enum" in schema:
        return sorted(schema["enum"])
    return FORMATS.get(schema.get("format"), schema.get("type", "object"))


def shape(definition, definitions):
    members = {name: kind(schema, definitions) for name, schema in definition.get("properties", {}).items()}
    return {"required": sorted(definition.get("required", [])), "members": dict(sorted(members.items()))}


def names_in(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "is":
                yield inner
            else:
                yield from names_in(inner)


def shapes(definitions):
    found, wanted = {}, list(WANTED)
    while wanted:
        name = wanted.pop()
        if name in definitions and name not in found:
            found[name] = shape(definitions[name], definitions)
            wanted += names_in(found[name]["members"])
    return dict(sorted(found.items()))


def operations(spec):
    found = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"].split("_")[0] in GROUPS:
                answers = {status: sorted(answer.get("headers", {})) for status, answer in operation["responses"].items() if status != "default"}
                found[operation["operationId"]] = {"method": method.upper(), "path": path, "answers": answers}
    return dict(sorted(found.items()))


tables = {}
for file in sys.argv[1:]:
    with open(file) as text:
        spec = json.load(text)
    tables[spec["info"]["version"]] = {"operations": operations(spec), "shapes": shapes(spec["definitions"])}
print("{")
for at, (version, table) in enumerate(sorted(tables.items())):
    print(f' "{version}": {{')
    for last, part in ((False, "operations"), (True, "shapes")):
        lines = [f"   {json.dumps(name)}: {json.dumps(fact)}" for name, fact in table[part].items()]
        print(f'  "{part}": {{\n' + ",\n".join(lines) + ("\n  }" if last else "\n  },"))
    print(" }" if at == len(tables) - 1 else " },")
print("}")
