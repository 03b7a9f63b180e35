"""The smallest app that a test of faults can do with: it counts visits in its database."""

import http.server
import os
import signal
import sys

import psycopg2

ONE_MORE = "INSERT INTO visits DEFAULT VALUES RETURNING number"


def ask(sql):
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=30)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        text = "well" if self.path == "/" else f"visit {ask(ONE_MORE)[0]}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if sys.argv[1:] == ["release"]:
    ask("CREATE TABLE IF NOT EXISTS visits (number bigserial PRIMARY KEY)")
else:
    # Process 1 has no handler of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Answer)
    server.daemon_threads = True
    server.serve_forever()
