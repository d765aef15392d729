"""An identity provider for the tests: OpenID Connect as far as `st.login` goes.

Its sign-in page lists people; a click on one signs them in.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "vogn", "a secret of the client"


class Provider(ThreadingHTTPServer):
    """A provider that knows some people by their addresses."""

    daemon_threads = True

    def __init__(self, people: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.people = people
        self.key = RSAKey.generate_key(2048, parameters={"kid": "1"})
        self.codes: dict[str, tuple[str, str]] = {}  # address and nonce, by code

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def token(self, email: str, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": email, "email": email,
            "email_verified": True, "nonce": nonce, "iat": now, "exp": now + 600,
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        if place.path == "/.well-known/openid-configuration":
            self._send(json.dumps(_discovery(self.server.issuer)))
        elif place.path == "/jwks":
            key = self.server.key.as_dict(private=False)
            self._send(json.dumps({"keys": [key]}))
        elif place.path == "/authorize" and "person" in query:
            self._let_in(query)
        elif place.path == "/authorize":
            links = [
                f'<a href="/authorize?{urlencode(query | {"person": each})}">{each}</a>'
                for each in self.server.people
            ]
            self._send("<h1>Who are you?</h1>" + " ".join(links), "text/html")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        given = base64.b64decode(self.headers["Authorization"].split()[1]).decode()
        # As the specification has it, both parts are form-encoded in the header.
        if parse_qs(f"x={given.partition(':')[2]}")["x"][0] != SECRET:
            self.send_error(401)
            return
        email, nonce = self.server.codes.pop(form["code"][0])
        token = self.server.token(email, nonce)
        answer = {"access_token": "none", "token_type": "Bearer", "id_token": token}
        self._send(json.dumps(answer | {"expires_in": 600}))

    def _let_in(self, query: dict[str, str]) -> None:
        code = secrets.token_urlsafe()
        self.server.codes[code] = (query["person"], query["nonce"])
        back = urlencode({"code": code, "state": query["state"]})
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{back}")
        self.end_headers()

    def _send(self, text: str, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _discovery(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }


@contextmanager
def providing(people: Sequence[str]) -> Iterator[Provider]:
    """A provider that answers as long as the block lasts."""
    with Provider(people) as provider:
        thread = threading.Thread(target=provider.serve_forever, daemon=True)
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()
