"""How the stand-in for Kaggle treats its visitors."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Failure:
    """What a call answers instead: so many times, after so many that went well."""

    status: int = 503
    message: str = "told to fail"
    retry_after: str | None = None
    times: float = math.inf
    after: int = 0
    body: str | None = None  # in the place of JSON with the message
    drops: bool = False  # the connection ends without an answer
    hangs: bool = False  # there is no answer until the visitor leaves
    drips: bool = False  # the answer has no end, and comes byte by byte
    done: bool = False  # CreateSubmission does its work, and only its answer is lost


@dataclass
class Behaviour:
    """How the stand-in treats its visitors; the defaults are a healthy Kaggle."""

    failures: dict[str, Failure] = field(default_factory=dict)  # by method (`ListSubmissions`), or GET and PUT
    cut_after: float = math.inf  # bytes after which every transfer ends
    replacement: bytes | None = None  # takes the file's place at the first cut: another entity tag
    announced_bytes: int = 0  # added to the length that the file address announces
    bytes_per_second: float = math.inf
    pending_polls: float = 1  # listings until a score is there
    submissions_left: int = 5
    earlier_submissions: int = 7
    confirms: bool = True  # a submission's reference is told
    odd_entries: list[Any] = field(default_factory=list)  # listed before the submissions
    changes: dict[str, Any] = field(default_factory=dict)  # to every submission that is listed
