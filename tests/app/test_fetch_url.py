import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from odd_server import BODY, OddServer, serve

from cifar10.app import fetch_url
from cifar10.app.fetch_url import fetch, is_public
from cifar10.core.config import InputError


@pytest.fixture
def server() -> Iterator[OddServer]:
    with serve() as server:
        yield server


@pytest.fixture
def base(server: OddServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_a_body_comes_back_through_redirects(base: str):
    assert fetch(f"{base}/a picture é.png?x=1 2", allow_private=True) == BODY
    assert fetch(f"{base}/hops/3", allow_private=True) == BODY


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/hops/4", "more than 3 redirects"),
        ("/to/", "answered with status 302"),
        ("/to/file:///etc/passwd", "not an http or https address"),
        ("/to/ftp://localhost/x", "not an http or https address"),
        ("/to/http://a:99999/x", "not an http or https address"),
        ("/status/404", "answered with status 404"),
        ("/status/304", "answered with status 304"),
    ],
)
def test_what_is_not_an_answer_is_one_line(base: str, path, expected):
    with pytest.raises(InputError) as error:
        fetch(base + path, allow_private=True)
    assert str(error.value) == f"{base}{path}: {expected}"


def test_a_redirect_loop_ends_after_four_requests(server: OddServer, base: str):
    with pytest.raises(InputError, match="more than 3 redirects"):
        fetch(f"{base}/loop", allow_private=True)
    assert [path for path, _ in server.seen] == ["/loop"] * 4


def test_the_loopback_is_refused_and_not_even_asked(server: OddServer, base: str):
    with pytest.raises(InputError) as error:
        fetch(f"{base}/ok")
    assert str(error.value) == (
        f"{base}/ok: 127.0.0.1 leads to 127.0.0.1, which is no public address; --allow-private permits it"
    )
    assert server.seen == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_the_loopback_gets_through(server: OddServer, host):
    with pytest.raises(InputError, match=r"which is no public address|could not be fetched"):
        fetch(f"http://{host}:{server.server_port}/ok")
    assert server.seen == []


def resolve_as(monkeypatch, answers: dict[str, list[str]]) -> list[str]:
    """Names resolve to these addresses, each time anew; returns the names asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int | None, *_: object, **__: object) -> list[tuple]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[host]]

    monkeypatch.setattr(fetch_url.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_redirect_to_a_private_address_is_refused(server: OddServer, monkeypatch):
    """The first host counts as public here; the second, which it redirects to, is looked at again."""
    port = server.server_port
    asked = resolve_as(monkeypatch, {"good.test": ["127.0.0.1"], "10.0.0.7": ["10.0.0.7"]})
    monkeypatch.setattr(fetch_url, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    url = f"http://good.test:{port}/to/http://10.0.0.7/secret"
    with pytest.raises(InputError, match=r"10\.0\.0\.7 leads to 10\.0\.0\.7, which is no public address"):
        fetch(url)
    assert asked[-1] == "10.0.0.7"
    assert [path for path, _ in server.seen] == ["/to/http://10.0.0.7/secret"]


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    resolve_as(monkeypatch, {"mixed.test": ["93.184.216.34", "192.168.1.1"]})
    with pytest.raises(InputError, match=r"mixed\.test leads to 192\.168\.1\.1, which is no public address"):
        fetch("http://mixed.test/")


@pytest.mark.parametrize(
    ("path", "limit", "value", "expected"),
    [
        ("/slow", "MAX_SECONDS", 0.3, "not fetched within 0.3 s"),
        ("/endless", "MAX_BYTES", 3_000_000, "larger than 3 MB"),
        ("/huge", "MAX_SECONDS", 5.0, r"could not be fetched \(IncompleteRead\)"),
    ],
)
def test_slow_endless_and_cut_bodies_end(base: str, monkeypatch, path, limit, value, expected):
    monkeypatch.setattr(fetch_url, limit, value)
    with pytest.raises(InputError, match=expected):
        fetch(base + path, allow_private=True)


def test_nobody_there_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(InputError, match=r"could not be fetched \(Connection refused\)"):
        fetch(f"http://127.0.0.1:{port}/", allow_private=True)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a/b", "http://", "http://[::1", "http://a:99999/", "http://a\x1b[31m/", "HTTPX://a"],
)
def test_what_is_not_a_web_address_is_refused(url):
    with pytest.raises(InputError, match="not an http or https address"):
        fetch(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_addresses_that_are_public(address):
    assert is_public(address)


def test_a_proxy_of_the_environment_is_asked_and_looks_the_name_up_itself(server: OddServer, base: str, monkeypatch):
    monkeypatch.setenv("http_proxy", base)
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetch("http://only-the-proxy-knows.test/ok") == BODY
    assert server.seen == [("http://only-the-proxy-knows.test/ok", "only-the-proxy-knows.test")]


def test_a_site_that_asks_who_is_there_is_told(server: OddServer, base: str):
    """`/polite` answers 403 to the names that libraries give themselves, as many sites do."""
    assert fetch(f"{base}/polite", allow_private=True) == BODY


def certificate_for(name: str, folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified_against_the_name_and_not_the_address(server: OddServer, tmp_path: Path, monkeypatch):
    certificate, key = certificate_for("good.test", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    resolve_as(monkeypatch, {"good.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]})
    assert fetch(f"https://good.test:{server.server_port}/ok", allow_private=True) == BODY
    with pytest.raises(InputError, match=r"TLS certificate refused \(Hostname mismatch"):
        fetch(f"https://other.test:{server.server_port}/ok", allow_private=True)
    with pytest.raises(InputError, match="not fetched within"):
        monkeypatch.setattr(fetch_url, "MAX_SECONDS", 0.5)
        fetch(f"https://good.test:{server.server_port}/slow", allow_private=True)
