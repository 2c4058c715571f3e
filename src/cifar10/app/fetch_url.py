"""Fetching what a URL points to: `requests`, with limits on size, time and redirects, and a look at each address."""

import ipaddress
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from cifar10.core.config import InputError

MAX_BYTES = 20_000_000
MAX_SECONDS = 20.0  # for one URL with all its redirects; the system's own limit holds for resolving names
MAX_REDIRECTS = 3
# Many sites answer 403 to programs that do not say who they are.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; cifar10 classify)",
    "Accept": "image/*,*/*;q=0.5",
    "Accept-Encoding": "identity",
}
# IPv6 networks that carry an IPv4 address inside, which may be a private one: mapped, NAT64, 6to4, Teredo.
EMBEDDING = [
    ipaddress.ip_network(network)
    for network in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]


def fetch(url: str, allow_private: bool = False) -> bytes:
    """The body that `url` leads to.

    Raises:
        InputError: not http(s), an address that is not public (unless `allow_private`), more than 3 redirects, 20 MB
            or 20 s, a certificate that does not belong to the name, or any answer but 200.
    """
    deadline = time.monotonic() + MAX_SECONDS
    try:
        with requests.Session() as session:
            session.max_redirects = MAX_REDIRECTS
            session.headers.update(HEADERS)
            session.adapters.clear()  # of file names and other protocols
            for scheme in ("http://", "https://"):
                session.mount(scheme, _CheckingAdapter(allow_private, deadline))
            with session.get(url, stream=True) as response:
                if response.status_code != 200:
                    raise InputError(f"answered with status {response.status_code}")
                return _read(response, deadline)
    except InputError as error:
        raise InputError(f"{url}: {error}") from None
    except exceptions.TooManyRedirects:
        raise InputError(f"{url}: more than {MAX_REDIRECTS} redirects") from None
    except exceptions.SSLError as error:
        raise InputError(f"{url}: TLS certificate refused ({_reason(error)})") from None
    except ValueError:  # of which requests' InvalidURL, InvalidSchema and MissingSchema are kinds
        raise InputError(f"{url}: not an http or https address") from None
    except Exception as error:  # requests' own, and those of urllib3 and of the system while a body is read
        if time.monotonic() >= deadline:
            raise InputError(f"{url}: not fetched within {MAX_SECONDS:g} s") from None
        raise InputError(f"{url}: could not be fetched ({_reason(error)})") from None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's: not private, loopback, link-local, reserved, multicast."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in EMBEDDING)
    return ip.is_global and not special


class _CheckingAdapter(HTTPAdapter):
    """Looks at the address of every request, redirects included, before it is sent; a proxy looks names up itself."""

    def __init__(self, allow_private: bool, deadline: float) -> None:
        super().__init__()
        self.allow_private = allow_private
        self.deadline = deadline

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request to a public address, within the time that is left."""
        url = str(request.url)
        if not self.allow_private and not select_proxy(url, options.get("proxies")):
            host = str(urlsplit(url).hostname)
            for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
                if not is_public(str(address[0])):
                    hint = "which is no public address; --allow-private permits it"
                    raise InputError(f"{host} leads to {address[0]}, {hint}")
        options["timeout"] = max(self.deadline - time.monotonic(), 0.001)
        return super().send(request, *args, **options)


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, as it arrives: limits on each read would never end a byte a second."""
    body = b""
    while piece := response.raw.read1(1 << 16, decode_content=True):
        body += piece
        if len(body) > MAX_BYTES:
            raise InputError(f"larger than {MAX_BYTES / 1e6:g} MB")
        if time.monotonic() >= deadline:
            raise TimeoutError
    return body


def _reason(error: BaseException) -> str:
    """What lies below the layers of exceptions, in the system's own words where there are any."""
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None)
    inner = error.__cause__ or error.__context__
    if words or inner is None:
        return str(words or type(error).__name__)
    return _reason(inner)
