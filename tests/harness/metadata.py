"""metadata.py: the metadata address of a machine, for agents of tests that do not run on a node."""
import http.server
import json
import threading


class Metadata(http.server.ThreadingHTTPServer):
    """Answers with tokens of one principal of the site."""

    def __init__(self, site, principal):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                token = site.token(site.vault_resource, principal["appId"], principal["password"])
                body = json.dumps({"access_token": token, "expires_in": "3599"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}/metadata/identity"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
