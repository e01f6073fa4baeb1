"""Everything that azure-keyvault-certificates can do."""
import os
import subprocess
import tempfile

from azure.keyvault.certificates import (AdministratorContact, CertificateClient, CertificateContact, CertificatePolicy, CertificatePolicyAction, LifetimeAction,
                                         WellKnownIssuerNames)

from record import Recorder, credential, finish, refused, watch

watch(CertificateClient)
client = CertificateClient(os.environ["VAULT_URL"], credential(), transport=Recorder())
seen = {}


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *arguments], input=input, capture_output=True, check=True).stdout


policy = CertificatePolicy(issuer_name=WellKnownIssuerNames.self, subject="CN=py.example", san_dns_names=["py.example", "www.py.example"], validity_in_months=3,
                           key_type="EC", key_curve_name="P-256", enhanced_key_usage=["1.3.6.1.5.5.7.3.1"], key_usage=["digitalSignature"],
                           lifetime_actions=[LifetimeAction(CertificatePolicyAction.auto_renew, lifetime_percentage=80)])
made = client.begin_create_certificate("py-cert", policy, tags={"a": "b"}).result()
seen["made"] = [made.name, made.policy.subject, made.policy.key_type, made.policy.san_dns_names, made.properties.tags, made.properties.enabled]
seen["subject"] = openssl("x509", "-inform", "DER", "-noout", "-subject", input=bytes(made.cer)).decode().strip()
client.begin_create_certificate("py-cert", CertificatePolicy.get_default()).result()
seen["versions"] = len(list(client.list_properties_of_certificate_versions("py-cert")))
changed = client.update_certificate_policy("py-cert", CertificatePolicy(issuer_name="Self", subject="CN=changed", validity_in_months=5))
seen["policy"] = [changed.validity_in_months, client.get_certificate_policy("py-cert").subject]
seen["disabled"] = client.update_certificate_properties("py-cert", enabled=False, tags={"c": "d"}).properties.enabled
client.update_certificate_properties("py-cert", enabled=True)
seen["version"] = client.get_certificate_version("py-cert", made.properties.version).properties.x509_thumbprint == made.properties.x509_thumbprint

# Issuer Unknown: request, sign elsewhere, merge.
waiting = client.begin_create_certificate("py-csr", CertificatePolicy(issuer_name=WellKnownIssuerNames.unknown, subject="CN=csr.example"))
operation = client.get_certificate_operation("py-csr")
seen["operation"] = [operation.status, operation.status_details]
seen["second create"] = refused(client.begin_create_certificate, "py-csr", policy)
with tempfile.TemporaryDirectory() as folder:
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-subj", "/CN=py ca", "-days", "30")
    open(f"{folder}/csr.der", "wb").write(operation.csr)
    openssl("req", "-inform", "DER", "-in", f"{folder}/csr.der", "-out", f"{folder}/csr.pem")
    signed = openssl("x509", "-req", "-in", f"{folder}/csr.pem", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-days", "20", "-outform", "DER")
    stranger = openssl("x509", "-in", f"{folder}/ca.pem", "-outform", "DER")
    seen["merge of another key"] = refused(client.merge_certificate, "py-csr", [stranger])
    seen["merged"] = client.merge_certificate("py-csr", [signed, stranger]).name
    pfx = openssl("pkcs12", "-export", "-in", f"{folder}/ca.pem", "-inkey", f"{folder}/ca.key", "-passout", "pass:secret")
seen["after merge"] = client.get_certificate_operation("py-csr").status
seen["imported"] = client.import_certificate("py-import", pfx, password="secret").name
seen["wrong password"] = refused(client.import_certificate, "py-import-2", pfx, password="wrong")

client.begin_create_certificate("py-cancel", CertificatePolicy(issuer_name=WellKnownIssuerNames.unknown, subject="CN=cancel"))
seen["cancelled"] = client.cancel_certificate_operation("py-cancel").cancellation_requested
seen["operation deleted"] = client.delete_certificate_operation("py-cancel").name
seen["no operation"] = refused(client.get_certificate_operation, "py-cancel")
seen["names"] = sorted(item.name for item in client.list_properties_of_certificates())
seen["with pending"] = sorted(item.name for item in client.list_properties_of_certificates(include_pending=True))

client.set_contacts([CertificateContact(email="a@example.com", name="A", phone="1"), CertificateContact(email="b@example.com")])
seen["contacts"] = [contact.email for contact in client.get_contacts()]
seen["contacts deleted"] = len(client.delete_contacts())
seen["no contacts"] = refused(client.get_contacts)
issuer = client.create_issuer("py-issuer", "DigiCert", account_id="acc", password="pwd", organization_id="org",
                              admin_contacts=[AdministratorContact(first_name="A", last_name="B", email="a@example.com", phone="1")])
seen["issuer"] = [issuer.name, issuer.provider, issuer.account_id, issuer.admin_contacts[0].email, issuer.enabled]
seen["issuer updated"] = client.update_issuer("py-issuer", enabled=False).enabled
seen["issuer again"] = client.get_issuer("py-issuer").account_id
seen["issuers"] = [item.name for item in client.list_properties_of_issuers()]
seen["issuer deleted"] = client.delete_issuer("py-issuer").name
seen["no issuer"] = refused(client.get_issuer, "py-issuer")

backup = client.backup_certificate("py-cert")
deleted = client.begin_delete_certificate("py-cert").result()
seen["deleted"] = [deleted.name, deleted.recovery_id.endswith("/deletedcertificates/py-cert")]
seen["deleted list"] = [item.name for item in client.list_deleted_certificates()]
seen["recovered"] = client.begin_recover_deleted_certificate("py-cert").result().name
client.begin_delete_certificate("py-cert").result()
seen["got deleted"] = client.get_deleted_certificate("py-cert").name
client.purge_deleted_certificate("py-cert")
seen["purged"] = refused(client.get_deleted_certificate, "py-cert")
seen["restored"] = client.restore_certificate_backup(backup).name
assert client.vault_url == os.environ["VAULT_URL"]
client.close()
finish(seen)
