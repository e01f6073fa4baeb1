"""More keys than a vault makes in ten seconds: the client waits as it is told and all of them get made."""
import os
import time

from azure.keyvault.keys import KeyClient

from record import Recorder, answers, credential, finish

client = KeyClient(os.environ["VAULT_URL"], credential(), transport=Recorder())
begun = time.monotonic()
names = [client.create_ec_key(f"py-{number}").name for number in range(24)]
refused = [answer for answer in answers if answer[2] == 429]
finish({"made": len(set(names)), "refused": len(refused) > 0, "waits": all(1 <= int({k.lower(): v for k, v in answer[3].items()}["retry-after"]) <= 10 for answer in refused),
        "seconds": time.monotonic() - begun})
