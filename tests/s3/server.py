"""An S3 of its own for the tests: moto on a free port of this machine, with one empty bucket.

Prints its URL as the first line, and ends when its standard input does, so that it never outlives whoever
started it. Each line that it is sent there is answered with how many requests there were so far, by method.

Requests are answered one after the other. Amazon decides "create if there is none" atomically; moto looks and
creates in two steps, between which another thread could come.
"""

import json
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server


class QuietHandler(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def one_at_a_time(
    application: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]],
    requests: Counter[str],
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    turn = threading.Lock()

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with turn:
            requests[environment["REQUEST_METHOD"]] += 1
            return application(environment, start_response)

    return answer


def main(bucket: str) -> None:
    requests: Counter[str] = Counter()
    application: Any = DomainDispatcherApplication(create_backend_app)
    server = make_server(
        "127.0.0.1",
        0,
        one_at_a_time(application, requests),
        threaded=True,
        request_handler=QuietHandler,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/{bucket}", method="PUT"))
    print(url, flush=True)
    for _ in sys.stdin:
        print(json.dumps(requests), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
