"""What is said of errors that no stand-in can provoke, and how long is waited."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from cifar10.competition import kaggle_client as client
from cifar10.competition.kaggle_client import BrokenOffError, explain

RARE = {
    "tls": (
        requests.exceptions.SSLError("certificate verify failed"),
        "kaggle: no secure connection (TLS certificate refused); check the clock and the proxy, then run again",
    ),
    "login page": (
        requests.exceptions.JSONDecodeError("Expecting value", "<html>", 0),
        "kaggle: an answer that makes no sense (JSONDecodeError); run again, or update the package kaggle",
    ),
}


@pytest.mark.parametrize("name", RARE)
def test_rare_errors_are_one_line_too(name: str) -> None:
    error, message = RARE[name]
    assert explain(error, "cifar-10") == message


def http_error(status: int, **headers: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.HTTPError("told to fail", response=response)


def test_pause_is_what_is_asked_for_else_doubles() -> None:
    assert client._pause(http_error(429, Retry_After="7"), attempt=1) == 7
    assert [client._pause(http_error(503), attempt) for attempt in (1, 2, 3)] == [1, 2, 4]
    assert client._pause(http_error(503, Retry_After="soon"), attempt=2) == 2
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < client._pause(http_error(503, Retry_After=soon), attempt=1) <= 90
    assert client._pause(BrokenOffError("cut"), attempt=5) == 1


def test_lost_network_is_waited_for_once_the_transfer_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any network at the start there is nothing to wait for: the other tests see that told at once."""
    monkeypatch.setattr(client, "_authenticated_api", lambda: "api")
    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)
    troubles: list[Exception] = [BrokenOffError("cut"), requests.ConnectionError("no route"), requests.Timeout()]

    def transfer(api: str) -> str:
        if troubles:
            raise troubles.pop(0)
        return f"done with {api}"

    assert client.call("cifar-10", transfer) == "done with api"


def test_what_must_not_happen_twice_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_authenticated_api", lambda: "api")
    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)
    troubles: list[Exception] = [http_error(429), requests.ConnectionError("reset"), AssertionError("a third try")]

    def create(api: str) -> str:
        raise troubles.pop(0)

    with pytest.raises(client.InputError, match=r"broke off \(connection lost\); run the same command again"):
        client.call("cifar-10", create, once=True)
