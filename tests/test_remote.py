"""Bytes behind URLs: what a web server may do, and that every request ends in time with one line."""

import contextlib
import http.server
import re
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hypotheta import remote
from hypotheta.errors import InputFileError, MissingExtraError, UnreachableFileError
from hypotheta.ntuples import read_tree
from hypotheta.remote import RemoteFile, is_pattern, listed

SMALL = Path(__file__).parents[1] / "samples/small"
CONTENT = bytes(range(256)) * 40


class Moody(http.server.BaseHTTPRequestHandler):
    """Serves files by ranges, and once for each entry of ``moods`` does something else."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        server = self.server
        server.asked[self.command] += 1
        mood = next((m for m in server.moods if m[0] in ("*", self.command)), None)
        if mood is not None and mood[2] != "always":
            server.moods.remove(mood)
        kind = mood[1] if mood else "well"
        if isinstance(kind, int):
            return self.send_error(kind)
        if kind == "silent":
            server.closing.wait(20)
            self.close_connection = True
            return None
        if kind == "redirect" and not self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/moved" + self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self.send(server.files.get(self.path.partition("?")[0].removeprefix("/moved")), kind, body=body)

    def send(self, content, kind, *, body):
        if content is None:
            return self.send_error(404)
        asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and kind != "whole":
            first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        else:
            self.send_response(200)
        if kind == "sizeless":
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not body:
            return None
        if kind == "dropped":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif kind == "dripping":
            for i in range(len(content)):
                self.wfile.write(content[i : i + 1])
                if self.server.closing.wait(0.1):
                    break
        else:
            self.wfile.write(content)
        return None


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # who asked has gone; that is what is tested


@pytest.fixture
def server(monkeypatch):
    """Return a server of a file, whose moods are to be given; nobody waits for long."""
    pytest.importorskip("aiohttp", reason="extra 'remote'")
    monkeypatch.setattr(remote, "PATIENCE", 0.6)
    with Server(("127.0.0.1", 0), Moody) as served:
        served.files, served.moods, served.asked = {"/a.root": CONTENT}, [], Counter()
        served.closing = threading.Event()
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.closing.set()
        served.shutdown()
        thread.join()


def spans(url, *ranges):
    return RemoteFile(url).read(ranges).result()


def test_ranges(server):
    file = RemoteFile(f"{server.url}/a.root")
    assert file.size == len(CONTENT)
    assert file.read([(0, 3), (1000, 2000)]).result() == [CONTENT[:3], CONTENT[1000:2000]]
    # beyond the end there is nothing, and nothing is asked of the server
    assert file.read([(len(CONTENT) - 2, len(CONTENT) + 9)]).result() == [CONTENT[-2:]]
    before = server.asked.total()
    assert file.read([(len(CONTENT), len(CONTENT) + 9), (5, 5)]).result() == [b"", b""]
    assert server.asked.total() == before


@pytest.mark.parametrize("mood", ["well", "whole", "sizeless"])
@pytest.mark.parametrize("length", [len(CONTENT) + 1, 1000, 3333])
def test_all_bytes_in_pieces(server, mood, length):
    server.moods += [("*", mood, "always")]
    with contextlib.closing(RemoteFile(f"{server.url}/a.root")) as file:
        pieces = list(file.pieces(length))
    assert b"".join(pieces) == CONTENT
    assert {len(piece) for piece in pieces[:-1]} <= {length}


def test_a_redirection_is_followed(server):
    server.moods += [("*", "redirect", "always")]
    assert spans(f"{server.url}/a.root", (10, 20)) == [CONTENT[10:20]]


def test_a_server_without_ranges_sends_the_file_once(server):
    server.moods += [("GET", "whole", "always")]
    file = RemoteFile(f"{server.url}/a.root")
    assert file.read([(10, 20), (300, 310)]).result() == [CONTENT[10:20], CONTENT[300:310]]
    before = server.asked["GET"]
    assert file.read([(len(CONTENT) - 4, len(CONTENT) + 5)]).result() == [CONTENT[-4:]]
    assert server.asked["GET"] == before
    file.close()


def test_a_server_that_tells_no_size(server):
    server.moods += [("*", "sizeless", "always")]
    file = RemoteFile(f"{server.url}/a.root")
    assert file.size is None
    assert file.read([(7, 9)]).result() == [CONTENT[7:9]]


def test_a_file_of_root_reads_the_same(server):
    name = "xtt_m500.root"
    server.files[f"/{name}"] = (SMALL / name).read_bytes()
    here = read_tree(SMALL / name, "Runs")
    for mood in (None, "redirect", "whole", "sizeless"):
        server.moods[:] = [] if mood is None else [("*", mood, "always")]
        there = read_tree(f"{server.url}/{name}", "Runs")
        assert here.keys() == there.keys()
        assert all(np.array_equal(here[k], there[k]) for k in here)


@pytest.mark.parametrize(
    ("method", "mood", "match"),
    [
        ("GET", "silent", r"no answer within 1 s"),
        ("HEAD", "silent", r"no answer within 1 s"),
        ("GET", "dripping", r"no answer within 1 s"),
        ("GET", "dropped", r"ContentLengthError|Response payload is not completed"),
        ("GET", 500, r"500 Internal Server Error"),
        ("*", 503, r"503 Service Unavailable"),
        ("*", 429, r"429 Too Many Requests"),
    ],
)
def test_what_may_pass(server, method, mood, match):
    url = f"{server.url}/a.root"
    server.moods += [(method, mood, "always")]
    start = time.monotonic()
    with pytest.raises(UnreachableFileError, match=rf"{url}: cannot be read now \(.*{match}.*\); try again") as caught:
        spans(url, (0, 50))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 3
    server.moods.clear()
    assert spans(url, (0, 50)) == [CONTENT[:50]]


@pytest.mark.usefixtures("server")
def test_no_server():
    with pytest.raises(UnreachableFileError, match=r"cannot be read now \(Cannot connect to host 127\.0\.0\.1:1 "):
        spans("http://127.0.0.1:1/a.root", (0, 5))


@pytest.mark.parametrize(
    ("mood", "match"),
    [
        (404, "there is no such file; check the path"),
        (410, "there is no such file; check the path"),
        (401, r"access is refused \(401 Unauthorized\); check your rights, token or certificate"),
        (403, r"access is refused \(403 Forbidden\)"),
        (400, r"the server refuses \(400 Bad Request\); check the address"),
    ],
)
def test_what_will_not_pass(server, mood, match):
    server.moods += [("*", mood, "always")]
    with pytest.raises(InputFileError, match=f"a.root: {match}") as caught:
        spans(f"{server.url}/a.root", (0, 5))
    assert not isinstance(caught.value, UnreachableFileError)


@pytest.mark.parametrize("mood", ["well", "whole"])
def test_a_file_cut_short_is_told_from_a_network_that_failed(server, mood):
    name = "xtt_m500.root"
    server.moods += [("GET", mood, "always")]
    server.files[f"/{name}"] = (SMALL / name).read_bytes()[:50_000]
    with pytest.raises(InputFileError, match=rf"{name}: truncated or not a ROOT file") as caught:
        read_tree(f"{server.url}/{name}", "Runs")
    assert not isinstance(caught.value, UnreachableFileError)


def test_addresses_that_nobody_knows():
    with pytest.raises(InputFileError, match=r"nowhere://a/b\.root: this address cannot be used \(Protocol not known"):
        RemoteFile("nowhere://a/b.root")


def test_a_protocol_without_its_package(monkeypatch):
    def missing(_):
        raise ImportError("Install fsspec-xrootd")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)  # the outside world: what is installed
    with pytest.raises(MissingExtraError, match=r"x//a\.root: the protocol .* pip install 'hypotheta\[remote\]'"):
        RemoteFile("root://x//a.root")


def test_patterns(server):
    links = "".join(f'<a href="{n}">{n}</a>' for n in ("b.root", "a.root", "a.txt", "sub/"))
    server.files |= {"/dir/": links.encode(), "/dir/sub/": b'<a href="c.root">c</a>'}
    url = server.url
    assert listed(f"{url}/dir/*.root") == [f"{url}/dir/a.root", f"{url}/dir/b.root"]
    assert listed(f"{url}/dir/s*/c.root") == [f"{url}/dir/sub/c.root"]
    assert listed(f"{url}/dir/c*.root?token=1") == []
    with pytest.raises(InputFileError, match=r"/none/: there is no such file; check the path"):
        listed(f"{url}/none/*.root")
    server.moods += [("*", 503, "always")]
    with pytest.raises(UnreachableFileError, match=r"/dir/: cannot be read now \(503 Service Unavailable\)"):
        listed(f"{url}/dir/*.root")


def test_only_a_star_in_the_path_makes_a_pattern():
    assert is_pattern("root://host//store/top_*.root")
    assert not is_pattern("https://host/x.root?names=[1]*")
