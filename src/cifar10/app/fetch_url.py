"""Fetching what somebody's URL points to, without being led into the private network.

A name is resolved once, all its addresses are checked, and the connection goes to one that was: a name that changes
its address in between gains nothing. Redirects are followed here and not by a library, so each is checked the same.
Proxies of the environment are left aside on purpose: a proxy resolves names by itself, where nothing can be checked.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import certifi

from cifar10.core.config import InputError

MAX_BYTES = 20_000_000
MAX_SECONDS = 20.0  # for one URL with all its redirects; the system's own limit holds for resolving names
MAX_REDIRECTS = 3

PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)
# IPv6 networks that carry an IPv4 address inside, which may be a private one: mapped, NAT64, 6to4, Teredo.
EMBEDDING = [
    ipaddress.ip_network(network)
    for network in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]
URL_CHARACTERS = "/?%:@!$&'()*+,;=~"  # all others are percent-encoded
Address = tuple[socket.AddressFamily, Any]  # a family and what its sockets connect to
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity"}


def fetch(url: str, allow_private: bool = False) -> bytes:
    """The body that `url` leads to.

    Raises:
        InputError: not http(s), an address that is not public (unless `allow_private`), more than 3 redirects, 20 MB
            or 20 s, a certificate that does not belong to the name, or any answer but 200.
    """
    deadline = time.monotonic() + MAX_SECONDS
    try:
        target = _split("", url)
        for _ in range(MAX_REDIRECTS + 1):
            body, location = _get(target, allow_private, deadline)
            if location is None:
                return body
            target = _split(target.geturl(), location)
    except ssl.SSLCertVerificationError as error:
        raise InputError(f"{url}: TLS certificate refused ({error.verify_message})") from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        if time.monotonic() >= deadline:
            raise InputError(f"{url}: not fetched within {MAX_SECONDS:g} s") from None
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{url}: could not be fetched ({reason})") from None
    except InputError as error:
        raise InputError(f"{url}: {error}") from None
    raise InputError(f"{url}: more than {MAX_REDIRECTS} redirects")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's: not private, loopback, link-local, reserved, multicast."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in EMBEDDING)
    return ip.is_global and not special


def _split(base: str, url: str) -> SplitResult:
    """The parts of a web address, which may be relative to the one that it was found at."""
    try:
        parts = urlsplit(urljoin(base, url))
        if parts.scheme in PORTS and parts.hostname and parts.hostname.isprintable() and parts.port != 0:
            return parts
    except ValueError:  # a port or an IPv6 address that is none
        pass
    raise InputError("not an http or https address")


def _get(url: SplitResult, allow_private: bool, deadline: float) -> tuple[bytes, str | None]:
    """One request: the body, or where the answer redirects to."""
    with _connect(url, allow_private, deadline) as connection:
        query = f"?{url.query}" if url.query else ""
        connection.request("GET", quote((url.path or "/") + query, safe=URL_CHARACTERS), headers=HEADERS)
        with connection.getresponse() as response:
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location:
                return b"", location
            if response.status != 200:
                raise InputError(f"answered with status {response.status}")
            body = _read(response)
    if time.monotonic() >= deadline:  # the end of the body is where it was cut off
        raise TimeoutError
    return body, None


def _read(response: http.client.HTTPResponse) -> bytes:
    body = b""
    while chunk := response.read1(1 << 16):
        body += chunk
        if len(body) > MAX_BYTES:
            raise InputError(f"larger than {MAX_BYTES / 1e6:g} MB")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return body


@contextmanager
def _connect(url: SplitResult, allow_private: bool, deadline: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to a checked address under the name of `url`, cut off at the deadline.

    A limit on each read would not do: a server that sends a byte a second never exceeds it.
    """
    host, port = str(url.hostname), url.port or PORTS[url.scheme]
    connection = http.client.HTTPConnection(host, port)
    with _open_socket(_resolve(host, port, allow_private), deadline) as plain:
        context = ssl.create_default_context(cafile=certifi.where())
        sock = context.wrap_socket(plain, server_hostname=host) if url.scheme == "https" else plain
        timer = threading.Timer(deadline - time.monotonic(), _cut_off, (sock,))
        timer.start()
        try:
            connection.sock = sock
            yield connection
        finally:
            timer.cancel()
            connection.close()


def _cut_off(sock: socket.socket) -> None:
    with suppress(OSError):  # it was closed meanwhile
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's: the other thread is still reading from that


def _resolve(host: str, port: int, allow_private: bool) -> list[Address]:
    found: list[Address] = [
        (family, address) for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    for _, address in found:
        if not allow_private and not is_public(str(address[0])):
            raise InputError(f"{host} leads to {address[0]}, which is no public address; --allow-private permits it")
    return found


def _open_socket(addresses: list[Address], deadline: float) -> socket.socket:
    """A connection to the first that takes one."""
    failure: OSError = TimeoutError()
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure
