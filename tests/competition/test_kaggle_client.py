"""What is said of errors that no stand-in can provoke, and how long is waited."""

import io
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from cifar10.competition import kaggle_client as client
from cifar10.competition.kaggle_client import BrokenOffError, explain
from cifar10.competition.kaggle_errors import AnswerLostError

RARE = {
    "tls": (
        requests.exceptions.SSLError("certificate verify failed"),
        "kaggle: no secure connection (TLS certificate refused); check the clock and the proxy, then run again",
    ),
    "proxy": (
        requests.exceptions.ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"),
        "kaggle: the proxy asks for a user name and password (407); https_proxy takes http://NAME:PASSWORD@HOST",
    ),
    "parts of the client": (
        ImportError("cannot import name 'ApiRequest' from 'kagglesdk'"),
        "kaggle: the package kaggle cannot be used (cannot import name 'ApiRequest' from 'kagglesdk'); "
        "`pip install -U kaggle`",
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


def http_error(status: int, body: str = "", address: str = "", method: str = "POST", **headers: str) -> Any:
    response = requests.Response()
    response.status_code, response.reason, response.url = status, "Reason", address
    response.raw = io.BytesIO(body.encode())
    response.request = requests.Request(method, address or "http://localhost/").prepare()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.HTTPError("told to fail", response=response)


DAILY, RULES, VERIFY = "a daily limit is lifted at 00:00 UTC", "accept the rules at ", "verify the account at "
IS_IT_RIGHT, SEE = "is data.competition right? see ", "; see https"
ADVICE = {
    "Your team has used its daily Submission allowance (5) today, please try again tomorrow UTC": DAILY,
    "Your team has used its submission allowance (5 of 5). This resets at midnight UTC (4.6 hours from now).": DAILY,
    "You have exceeded the number of allowed submissions per day": DAILY,
    "Too many downloads today": DAILY,
    "The competition closed today": SEE,
    "Late submissions are not allowed; the deadline was 24 hours ago": SEE,
    "The file exceeds the submission limit of 100 MB": SEE,
    "You must agree to the competition rules first": RULES,
    "Rules have not been accepted": RULES,
    "The rules of this competition forbid teams of more than 5": SEE,
    "Please verify your identity": VERIFY,
    "Phone verification is required": VERIFY,
    "Your account was suspended": SEE,
    "The caller does not have permission": IS_IT_RIGHT,
    "Forbidden": IS_IT_RIGHT,
    "This competition accepts no submissions": SEE,
}


@pytest.mark.parametrize("words", ADVICE)
def test_advice_fits_the_words(words: str) -> None:
    told = explain(http_error(403, json.dumps({"message": words})), "cifar-10")
    assert f"403: {words[:60]}" in told
    given = [advice for advice in (DAILY, RULES, VERIFY, IS_IT_RIGHT, SEE) if advice in told]
    assert given == [ADVICE[words]]
    assert len(f"error: {told}") <= 200


def test_what_is_not_there_need_not_be_the_competition() -> None:
    for words, told in {
        "Not found": "kaggle: no competition 'cifar-10' (404: Not found)",
        "Blob token not found": "kaggle: cifar-10: refused (404: Blob token not found); see https",
    }.items():
        assert explain(http_error(404, json.dumps({"message": words})), "cifar-10").startswith(told)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"code": 400, "message": "in Google\'s form"}}', "in Google's form"),
        ("as plain\n text", "as plain text"),
        ("<html><title lang='en'>a page &amp; more</title></html>", "a page & more"),
        ('{"message": ""}', "Reason"),
        ("<html>", "Reason"),
        ("", "Reason"),
    ],
)
def test_the_words_of_a_refusal_are_found_in_any_form(body: str, words: str) -> None:
    assert f"refused (400: {words}); see" in explain(http_error(400, body), "cifar-10")


def test_no_part_of_a_signed_address_is_told() -> None:
    address = "https://storage.example/bucket-of-data/cifar-10.zip?Expires=17000&Signature=ab%2Bcd%2F0123"
    for part in ("bucket-of-data/cifar-10.zip", "ab%2Bcd%2F0123", "ab+cd/0123", address):
        told = explain(http_error(403, f"No access: {part}", address, "GET"), "cifar-10")
        assert "refused (403: No access: [address])" in told


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

    with pytest.raises(AnswerLostError, match=r"broke off \(connection lost\); run the same command again"):
        client.call("cifar-10", create, once=True)

    troubles[:] = [http_error(408)]  # of a server between us and Kaggle, which may have taken it
    with pytest.raises(AnswerLostError, match=r"broke off \(408\)"):
        client.call("cifar-10", create, once=True)
