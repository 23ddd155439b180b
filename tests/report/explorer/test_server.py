"""The server of an explorer: what it answers, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from cli.commands import start
from unveil.errors import RequestError, WorkError
from unveil.report import explorer_of
from unveil.report.explorer.server import Server
from unveil.runs.store import RunStore

LATENTS = 5


@pytest.fixture(scope="module")
def server(images: RunStore) -> Iterator[Server]:
    with explorer_of(images) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an answer; with the token, unless another is given."""
    host, port = server.server_address[:2]
    connection = http.client.HTTPConnection(str(host), int(port), timeout=20)
    sent = {"X-Unveil-Token": server.token} | {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(connection):
        connection.request(method, path, body, {name: value for name, value in sent.items() if value != "-"})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


def numbers(values: np.ndarray | list[float]) -> bytes:
    return np.asarray(values, "<f4").tobytes()


def test_it_decodes_and_judges_as_the_model_does(server: Server, images: RunStore) -> None:
    place = np.linspace(-1, 1, LATENTS)
    status, body, _ = ask(server, "POST", "/decode", numbers(place))
    with torch.no_grad():
        wanted = images.model.decode(torch.tensor(place, dtype=torch.float32).unsqueeze(0)).mean
    assert status == 200
    np.testing.assert_allclose(np.frombuffer(body, "<f4"), wanted.flatten().numpy(), rtol=1e-5, atol=1e-5)
    x = images.data.test.x[:1].float()
    status, body, _ = ask(server, "POST", "/judge", numbers(x.flatten().numpy()))
    sizes = dict(server.answers.layouts()["judge"])
    parts = dict(zip(sizes, np.split(np.frombuffer(body, "<f4"), np.cumsum(list(sizes.values()))[:-1]), strict=True))
    assert status == 200
    np.testing.assert_allclose(parts["elbo"], -parts["distortion"] - parts["rate"], rtol=1e-4)
    posterior = images.model.posterior(images.data.test.expected(torch.tensor([0])))
    np.testing.assert_allclose(parts["place"], posterior.mean[0][0].detach().numpy(), rtol=1e-4)  # type: ignore[index]


def test_the_page_is_given_to_who_knows_the_token(server: Server) -> None:
    path = f"/?token={server.token}"
    status, body, headers = ask(server, "GET", path, X_Unveil_Token="-")
    assert status == 200 and b"explorer-data" in body and headers["cache-control"] == "no-store"
    assert b"connect-src &#39;self&#39;" in body and b"unsafe-eval" not in body
    assert "access-control-allow-origin" not in headers and headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/?Token=x"])
def test_without_the_token_nothing_is_given(server: Server, path: str) -> None:
    status, body, _ = ask(server, "GET", path, X_Unveil_Token="-")
    assert status == 403 and b"explorer" not in body
    status, body, _ = ask(server, "POST", "/decode", numbers([0.0] * LATENTS), X_Unveil_Token="-")
    assert status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
    ],
)
def test_other_hosts_and_origins_are_refused(server: Server, headers: dict[str, str]) -> None:
    given = {name: value.format(port=server.server_address[1]) for name, value in headers.items()}
    assert ask(server, "POST", "/decode", numbers([0.0] * LATENTS), **given)[0] == 403
    assert ask(server, "GET", f"/?token={server.token}", **given)[0] == 403


def test_its_own_page_may_ask(server: Server) -> None:
    own = f"http://127.0.0.1:{server.server_address[1]}"
    assert ask(server, "POST", "/decode", numbers([0.0] * LATENTS), Origin=own)[0] == 200


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/config.json", "/config.json", "/decode/..", "/judge2"])
def test_there_are_no_files(server: Server, path: str) -> None:
    asked = f"{path}?token={server.token}"
    assert ask(server, "GET", asked)[0] == 404
    assert ask(server, "POST", path, numbers([0.0] * LATENTS))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"1234", 400), (b"0" * 21, 413), (b"0" * 5_000_000, 413)],
    ids=["nothing", "too little", "a byte too much", "5 MB"],
)
def test_a_body_of_another_size_is_refused(server: Server, body: bytes, status: int) -> None:
    try:
        assert ask(server, "POST", "/decode", body)[0] == status
    except (BrokenPipeError, ConnectionResetError):  # it hung up on what it does not want to read
        assert status == 413
    assert ask(server, "POST", "/decode", numbers([0.0] * LATENTS))[0] == 200


@pytest.mark.parametrize("length", ["-5", "abc", "1e3", "²", "20, 20", "9" * 20, "9" * 5000])
def test_a_length_that_is_none_is_refused(server: Server, length: str) -> None:
    with socket.create_connection(server.server_address[:2], timeout=20) as raw:
        host = f"127.0.0.1:{server.server_address[1]}"
        lines = [
            "POST /decode HTTP/1.1",
            f"Host: {host}",
            f"X-Unveil-Token: {server.token}",
            f"Content-Length: {length}",
        ]
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        assert raw.recv(4000).split()[1] in (b"400", b"413")


@pytest.mark.parametrize(
    "more",
    ["Host: evil.example", "Origin: http://evil.example", "Content-Length: 3", "Transfer-Encoding: chunked"],
)
def test_what_is_said_twice_or_in_pieces_is_refused(server: Server, more: str) -> None:
    own = f"127.0.0.1:{server.server_address[1]}"
    lines = ["POST /decode HTTP/1.1", f"Host: {own}", f"Origin: http://{own}", f"X-Unveil-Token: {server.token}"]
    with socket.create_connection(server.server_address[:2], timeout=20) as raw:
        sent = "\r\n".join([*lines, f"Content-Length: {4 * LATENTS}", more, "", ""]).encode()
        raw.sendall(sent + numbers([0.0] * LATENTS))
        assert raw.recv(4000).split()[1] == b"400"


def test_an_address_that_is_none_is_refused(server: Server) -> None:
    with socket.create_connection(server.server_address[:2], timeout=20) as raw:
        host = f"127.0.0.1:{server.server_address[1]}"
        raw.sendall(f"GET http://[evil/?token={server.token} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert raw.recv(4000).split()[1] == b"403"


def test_slow_clients_are_bounded_and_do_not_keep_others_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [socket.create_connection(server.server_address[:2], timeout=20) for _ in range(100)]
    try:
        for each in slow:
            each.sendall(b"POST /decode HTTP/1.1\r\n")
        assert ask(server, "POST", "/decode", numbers([0.0] * LATENTS))[0] == 200
        assert threading.active_count() < 160
    finally:
        for each in slow:
            each.close()


def test_a_place_where_the_model_gives_no_numbers_is_refused(server: Server) -> None:
    status, body, _ = ask(server, "POST", "/decode", numbers([3e38] * LATENTS))
    assert status == 400 and b"finite" in body


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(server: Server, wrong: float) -> None:
    status, body, _ = ask(server, "POST", "/decode", numbers([wrong] + [0.0] * (LATENTS - 1)))
    assert status == 400 and b"not finite" in body


def test_an_x_outside_the_domain_is_refused(server: Server) -> None:
    status, body, _ = ask(server, "POST", "/judge", numbers(np.full(64, 99.0)))
    assert status == 400 and b"99" in body


def test_other_methods_are_refused(server: Server) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        status, _, headers = ask(server, method, "/decode")
        assert status == 501 and "access-control-allow-origin" not in headers


def test_a_hundred_clients_at_once(server: Server) -> None:
    places = np.random.default_rng(0).normal(size=(100, LATENTS))
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda place: ask(server, "POST", "/decode", numbers(place)), places))
    assert {status for status, _, _ in answers} == {200}
    again = [ask(server, "POST", "/decode", numbers(place))[1] for place in places[:5]]
    assert [body for _, body, _ in answers[:5]] == again  # nobody gets the answer of another


def test_a_port_that_is_taken_is_a_sentence(server: Server, images: RunStore) -> None:
    with pytest.raises(WorkError, match="cannot be listened on"):
        explorer_of(images, server.server_address[1])


def test_codes_cannot_be_moved(mixture: RunStore) -> None:
    with pytest.raises(RequestError, match="no real numbers that x is decoded from"):
        explorer_of(mixture)


def test_the_command_prints_an_address_and_ends_with_ctrl_c(images: RunStore) -> None:
    import signal

    command = start("explore", str(images.path))
    until = time.monotonic() + 60
    while "Ctrl-C ends it" not in command.told and not command.is_over and time.monotonic() < until:
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    done = command.finish()
    assert done.code == 0 and done.out.startswith("http://127.0.0.1:") and "?token=" in done.out
