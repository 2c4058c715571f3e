"""A folder in which commands run against the stand-in for Kaggle."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kaggle_stand_in import REFRESH_TOKEN, SIGNATURE, TOKEN, StandIn

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@dataclass
class UserFolder:
    """A project folder whose commands reach the stand-in and nothing else."""

    folder: Path
    server: StandIn
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / ".home"

    def run(self, *command: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment's `bin`; its output and what it leaves behind must not hold the token."""
        result = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.variables(**changes),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        for secret in (TOKEN, REFRESH_TOKEN, SIGNATURE):
            assert secret not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def fails(self, *command: str, **changes: str | None) -> str:
        """Run a command that has to fail with one line on stderr; return that line without `error: `."""
        result = self.run(*command, **changes)
        assert result.returncode == 1, result
        assert result.stderr.startswith("error: "), result
        assert result.stderr.count("\n") == 1, result
        assert len(result.stderr) <= 207
        return result.stderr.removeprefix("error: ").rstrip("\n")

    def succeeds(self, *command: str, **changes: str | None) -> str:
        result = self.run(*command, **changes)
        assert result.returncode == 0, result
        return result.stdout

    def variables(self, **changes: str | None) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith(("KAGGLE_", "VERBOSE", "DVC_", "GIT_"))
        }
        known = {
            **inherited,
            **self.server.environment(home=self.home),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            **self.environment,
            **changes,
        }
        return {name: value for name, value in known.items() if value is not None}

    def save_credentials(self) -> None:
        """The token in every place where Kaggle's client looks for one."""
        folder = self.home / ".kaggle"
        folder.mkdir(parents=True)
        for name, content in (
            ("access_token", TOKEN),
            ("kaggle.json", json.dumps({"username": "student", "key": TOKEN})),
        ):
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
        self.environment |= {"KAGGLE_USERNAME": "student", "KAGGLE_KEY": TOKEN}

    def holds_token(self) -> list[Path]:
        """Files below the folder, the credentials apart, in which the token stands, plain or as HTTP sends it."""
        secrets = TOKEN.encode(), base64.b64encode(f"student:{TOKEN}".encode())
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.parent != self.home / ".kaggle"]
        return [path for path in files if any(secret in path.read_bytes() for secret in secrets)]
