"""The table of messages in docs/kaggle.md says what the program says: each message is provoked by a test."""

from kaggle_user import ROOT
from test_kaggle_client import RARE
from test_kaggle_download import CASES
from test_kaggle_environment import EXPIRED, PROXY, TOO_OLD
from test_kaggle_scores import DAMAGE
from test_kaggle_submit import (
    BEFORE,
    ERROR,
    NO_REASON,
    NO_SCORE,
    NO_TERMINAL,
    NOT_TAKEN,
    SENT_AGAIN,
    TAKEN_OVER,
    UNLISTED,
    WRONG_SOURCE,
)


def test_kaggle_messages_are_the_ones_that_are_printed() -> None:
    section = (ROOT / "docs/kaggle.md").read_text().partition("\n## Messages\n")[2]
    listed = {row.split("|")[1].strip(" `") for row in section.splitlines() if row.startswith("| `")}
    printed = {case.message for case in [*CASES.values(), *NOT_TAKEN.values()]}
    printed |= {message for _, message in RARE.values()} | {BEFORE, ERROR, NO_REASON, NO_TERMINAL, WRONG_SOURCE}
    printed |= {TAKEN_OVER, SENT_AGAIN, NO_SCORE, UNLISTED, DAMAGE, EXPIRED, TOO_OLD, PROXY}
    printed = {message.strip("`") for message in printed}
    checked = {message for message in listed if message.startswith(("kaggle:", "submit:")) and "…" not in message}
    assert checked <= printed, sorted(checked - printed)
    assert printed <= listed, sorted(printed - listed)
