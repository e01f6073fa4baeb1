"""Everything that azure-keyvault-secrets can do."""
import datetime
import os

from azure.keyvault.secrets import SecretClient

from record import Recorder, credential, finish, refused, watch

watch(SecretClient)
client = SecretClient(os.environ["VAULT_URL"], credential(), transport=Recorder())
seen = {}

when = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
made = client.set_secret("py-secret", "one", content_type="text/plain", tags={"a": "b"}, expires_on=when, not_before=when - datetime.timedelta(days=9))
seen["made"] = [made.name, made.value, made.properties.content_type, made.properties.tags, made.properties.expires_on == when, made.properties.enabled]
client.set_secret("py-secret", "two")
seen["versions"] = sorted(client.get_secret("py-secret", item.version).value for item in client.list_properties_of_secret_versions("py-secret"))
updated = client.update_secret_properties("py-secret", content_type="text/x", enabled=False)
seen["updated"] = [updated.content_type, updated.enabled]
seen["disabled"] = refused(client.get_secret, "py-secret")
client.update_secret_properties("py-secret", enabled=True)
for number in range(30):
    client.set_secret(f"py-many-{number:02}", "x")
seen["listed"] = sum(1 for item in client.list_properties_of_secrets() if item.name.startswith("py-many-"))
seen["pages"] = [len(list(page)) for page in client.list_properties_of_secrets(max_page_size=20).by_page()]
seen["missing"] = refused(client.get_secret, "none")
seen["bad name"] = refused(client.set_secret, "bad_name", "v")
seen["too large"] = refused(client.set_secret, "large", "v" * 25601)
seen["too many tags"] = refused(client.set_secret, "tagged", "v", tags={str(n): "v" for n in range(16)})
backup = client.backup_secret("py-secret")
seen["taken"] = refused(client.restore_secret_backup, backup)
deleted = client.begin_delete_secret("py-secret").result()
seen["deleted"] = [deleted.name, deleted.recovery_id.endswith("/deletedsecrets/py-secret"), deleted.scheduled_purge_date > deleted.deleted_date]
seen["deleted name"] = refused(client.set_secret, "py-secret", "again")
seen["deleted list"] = [item.name for item in client.list_deleted_secrets()]
seen["recovered"] = client.begin_recover_deleted_secret("py-secret").result().name
client.begin_delete_secret("py-secret").result()
seen["got deleted"] = client.get_deleted_secret("py-secret").name
client.purge_deleted_secret("py-secret")
seen["purged"] = refused(client.get_deleted_secret, "py-secret")
seen["restored"] = client.restore_secret_backup(backup).name
seen["restored value"] = client.get_secret("py-secret").value
seen["tampered"] = refused(client.restore_secret_backup, backup[:60] + bytes([backup[60] ^ 1]) + backup[61:])
assert client.vault_url == os.environ["VAULT_URL"]
client.close()
finish(seen)
