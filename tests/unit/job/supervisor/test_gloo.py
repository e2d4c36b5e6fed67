"""Horovod's rendezvous: what each verb means, and which clients are answered."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence

import pytest

from slurmtf.job.contract.roles import assign_cyclically, assign_in_blocks
from slurmtf.job.supervisor import cluster, gloo
from slurmtf.job.supervisor.gloo import Request, Scopes, parse_request
from tests.patience import HANG_S
from tests.unit.job.supervisor.stores import serving

SIZES = {"global": 2, "local_n1": 1, "cross_0": 2}
Step = tuple[str, tuple[int, bytes]]
"""Requests as 'VERB /scope/key=value', and their answers."""

OK = (200, b"")
NOT_YET = (404, b"")


def request(text: str) -> Request:
    verb, _, path = text.partition(" ")
    path, _, value = path.partition("=")
    _, scope, key = path.split("/")
    return Request(verb, scope, key, value.encode())


CONVERSATIONS: dict[str, Sequence[Step]] = {
    "a value is not there before it is put, and is there for all after": [
        ("GET /global/0", NOT_YET), ("PUT /global/0=a", OK), ("GET /global/0", (200, b"a")), ("GET /global/0", (200, b"a")),
    ],
    "a rank that has finished is still there for one that is late": [
        ("PUT /global/0=a", OK), ("PUT /global/1=b", OK), ("DELETE /global/0", OK), ("GET /global/0", (200, b"a")),
    ],
    "all ranks have finished: the next round begins with nothing": [
        ("PUT /global/0=a", OK), ("PUT /global/1=b", OK), ("DELETE /global/0", OK), ("DELETE /global/1", OK),
        ("GET /global/0", NOT_YET), ("GET /global/1", NOT_YET),
        ("PUT /global/0=c", OK), ("DELETE /global/0", OK), ("GET /global/0", (200, b"c")),
        ("DELETE /global/1", OK), ("GET /global/0", NOT_YET),
    ],
    "a rank that says twice that it has finished is one rank": [
        ("PUT /global/0=a", OK), ("DELETE /global/0", OK), ("DELETE /global/0", OK), ("GET /global/0", (200, b"a")),
    ],
    "each scope ends for itself": [
        ("PUT /global/0=a", OK), ("PUT /local_n1/0=b", OK), ("DELETE /local_n1/0", OK),
        ("GET /local_n1/0", NOT_YET), ("GET /global/0", (200, b"a")),
    ],
    "of a scope that the ranks made, a key goes at once": [
        ("PUT /process_set_1/0=a", OK), ("PUT /process_set_1/1=b", OK), ("DELETE /process_set_1/0", OK),
        ("GET /process_set_1/0", NOT_YET), ("GET /process_set_1/1", (200, b"b")), ("DELETE /process_set_1/7", OK),
        ("DELETE /nowhere/0", OK),
    ],
    "another verb": [("POST /global/0=a", (501, b"")), ("GET /global/0", NOT_YET)],
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_each_verb_is_answered(name: str) -> None:
    scopes = Scopes(SIZES)
    assert [(step, scopes.answer(request(step))) for step, _ in CONVERSATIONS[name]] == list(CONVERSATIONS[name])


WHOLE = {
    b"GET /global/0 HTTP/1.1\r\nHost: a\r\n\r\n": Request("GET", "global", "0", b""),
    b"DELETE /local_n1/3 HTTP/1.0\r\n\r\n": Request("DELETE", "local_n1", "3", b""),
    b"PUT /global/0 HTTP/1.1\r\ncontent-LENGTH:  4\r\n\r\n\x00\xff\r\n": Request("PUT", "global", "0", b"\x00\xff\r\n"),
    b"PUT /global/0 HTTP/1.1\r\nContent-Length: 0\r\n\r\n": Request("PUT", "global", "0", b""),
}


@pytest.mark.parametrize("data", WHOLE)
def test_a_request_may_arrive_in_pieces(data: bytes) -> None:
    assert parse_request(data) == WHOLE[data]
    assert all(parse_request(data[:length]) is None for length in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET /global HTTP/1.1\r\n\r\n",
        b"GET /global/0/1 HTTP/1.1\r\n\r\n",
        b"hello\r\n\r\n",
        b"PUT /global/0 HTTP/1.1\r\nContent-Length: four\r\n\r\n",
        b"PUT /global/0 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /global/0 HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"x" * 9000,
    ],
)
def test_a_malformed_request_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_request(data)


def test_scopes_match_those_of_horovods_launcher() -> None:
    """As RendezvousHTTPServer._extract_scope_size derives them from its hosts' slots."""
    roles = assign_in_blocks([("rank", 4)], 3)
    ranks = cluster.compute_horovod_ranks(roles, {0: "n1", 1: "n1", 2: "n1", 3: "n2"})
    assert gloo.compute_scope_sizes(ranks) == {
        "global": 4,
        "local_n1": 3,
        "local_n2": 1,
        "cross_0": 2,
        "cross_1": 1,
        "cross_2": 1,
    }
    dealt = cluster.compute_horovod_ranks(assign_cyclically([("rank", 3)], 2), {0: "n1", 1: "n2", 2: "n1"})
    assert gloo.compute_scope_sizes(dealt) == {"global": 3, "local_n1": 2, "local_n2": 1, "cross_0": 2, "cross_1": 1}


# --- over HTTP


def ask(port: int, method: str, path: str, body: bytes = b"", host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=HANG_S)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_http_client_is_answered() -> None:
    value = bytes(range(256)) * 4000
    with serving(SIZES) as store:
        assert ask(store.port, "GET", "/global/0") == NOT_YET
        assert ask(store.port, "PUT", "/global/0", value) == OK
        assert ask(store.port, "GET", "/global/0") == (200, value)
        assert ask(store.port, "DELETE", "/global/0") == OK
        assert ask(store.port, "GET", "/global/0") == (200, value)
        assert ask(store.port, "GET", "/global") == (400, b"")


def test_each_launch_has_its_own_store() -> None:
    with serving(SIZES) as first, serving(SIZES) as second:
        ask(first.port, "PUT", "/global/0", b"a")
        assert ask(second.port, "GET", "/global/0") == NOT_YET
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", first.port), timeout=HANG_S)


def test_only_nodes_of_the_job_are_answered() -> None:
    """The node's own addresses, and those that its tasks have reported."""
    from slurmtf.job.common.addresses import list_addresses

    others = [address for address in list_addresses() if not address.startswith("127.")]
    if not others:
        pytest.skip("this machine has no other address than 127.0.0.1")
    with serving(SIZES) as strict, serving(SIZES, others) as store:
        for address in ("127.0.0.1", "127.0.1.1"):
            assert ask(strict.port, "GET", "/global/0", host=address) == NOT_YET
        assert ask(store.port, "GET", "/global/0", host=others[0]) == NOT_YET
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(strict.port, "GET", "/global/0", host=others[0])
