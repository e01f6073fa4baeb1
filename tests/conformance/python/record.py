"""record.py: a transport that notes each answer of a vault for the contract check, which methods of a client were called, and what the programs beside it share."""
import functools
import inspect
import json
import os
import sys
import urllib.parse

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential

answers = []
uncalled = set()


class Recorder(RequestsTransport):
    def send(self, request, **kwargs):
        response = super().send(request, **kwargs)
        answers.append([request.method, urllib.parse.urlsplit(request.url).path, response.status_code, dict(response.headers), response.text()])
        return response


def watch(*clients):
    """Notes which public methods are called and do what was asked; calls that a method makes of others do not count."""
    depth = [0]

    def watched(label, function):
        @functools.wraps(function)
        def call(*arguments, **named):
            depth[0] += 1
            try:
                result = function(*arguments, **named)
            finally:
                depth[0] -= 1
            if depth[0] == 0:
                uncalled.discard(label)
            return result
        return call

    for client in clients:
        for name, value in inspect.getmembers_static(client):
            if name.startswith("_"):
                continue
            label = f"{client.__name__}.{name}"
            uncalled.add(label)
            if isinstance(value, property):
                setattr(client, name, property(watched(label, value.fget)))
            elif isinstance(value, classmethod):
                setattr(client, name, classmethod(watched(label, value.__func__)))
            else:
                setattr(client, name, watched(label, value))


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
    json.dump({"seen": dict(seen, uncalled=sorted(uncalled)), "answers": answers}, sys.stdout)
