"""record.py: a transport that notes each answer of a vault for the contract check, and what the programs beside it share."""
import json
import os
import sys
import urllib.parse

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential

answers = []


class Recorder(RequestsTransport):
    def send(self, request, **kwargs):
        response = super().send(request, **kwargs)
        answers.append([request.method, urllib.parse.urlsplit(request.url).path, response.status_code, dict(response.headers), response.text()])
        return response


def credential():
    return ClientSecretCredential(os.environ["TENANT_ID"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], authority=os.environ["AUTHORITY_HOST"],
                                  disable_instance_discovery=True)


def refused(function, *arguments, **named):
    """[status, code, inner code] of a call that must fail."""
    try:
        function(*arguments, **named)
    except HttpResponseError as error:
        return [error.status_code, error.error.code if error.error else None, (error.error.innererror or {}).get("code") if error.error else None]
    raise AssertionError(f"{function.__name__} was not refused")


def finish(seen):
    json.dump({"seen": seen, "answers": answers}, sys.stdout)
