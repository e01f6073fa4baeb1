"""The include rule of ARCHITECTURE.md, file lengths and banned calls: facts about the tree that a compiler does not check."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ["base", "json", "crypto", "http"]
ORDER = ["base", "json", "crypto", "pkcs11", "http", "acme", "mail", "store", "audit", "runner", "site", "identity", "access", "arm", "managedidentity", "keyvault", "provider", "batch", "egress", "server"]
MAY = {folder: set(ORDER[:at + 1]) for at, folder in enumerate(ORDER)}
MAY["acme"] = set(TOOLS) | {"acme"}
MAY["mail"] = {"base", "mail"}
MAY["provider"] = {"base", "json", "crypto", "provider"}
MAY["egress"] = {"base", "egress"}
MAY["batch"] -= {"keyvault"}                       # vaults are used over the API that customers have
for side in ("certs", "node", "cli"):
    MAY[side] = set(TOOLS) | {side}

wrong = []
for path in sorted((ROOT / "src").rglob("*.[ch]")):
    folder, text = path.relative_to(ROOT / "src").parts[0], path.read_text()
    for included in re.findall(r'#include "([a-z0-9_]+)/', text):
        if included not in MAY[folder]:
            wrong.append(f"{path.relative_to(ROOT)} includes {included}/, which {folder}/ may not")
    if text.count("\n") > 600:
        wrong.append(f"{path.relative_to(ROOT)} has {text.count(chr(10))} lines; past 600 it is usually two files")
    for banned in re.findall(r"\b(strcpy|strcat|sprintf|gets|atoi|strtok)\s*\(", text):
        wrong.append(f"{path.relative_to(ROOT)} calls {banned}")

    for bare in re.findall(r"AUTO\([a-z_]+\) [^=;\n]+;", text):
        wrong.append(f"{path.relative_to(ROOT)}: not initialised, so an early return releases garbage: {bare}")

for path in sorted((ROOT / "tests").rglob("*")):
    if path.suffix in (".c", ".h", ".py") and "node_modules" not in path.parts and path.read_text().count("\n") > 600:
        wrong.append(f"{path.relative_to(ROOT)}: past 600 lines it is usually two tests")

print("\n".join(wrong) or "the house is in order")
sys.exit(1 if wrong else 0)
