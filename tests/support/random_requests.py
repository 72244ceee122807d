"""schemathesis: random requests made from the OpenAPI that an agent serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SEED = 20261122
LEFT_OUT = "^/api/(execute|jobs|files|agent)"  # commands, uploads, and what ends the agent or its credentials


def run_schemathesis(
    schema: str, token: str, authority: Path, folder: Path, examples: int
) -> subprocess.CompletedProcess[str]:
    """Given the document's address, the agent's token and CA, send so many requests to each route; exit code 0 says
    that no answer was an error of the server.
    """
    settings = folder / "schemathesis.toml"
    settings.write_text(f'[headers]\nAuthorization = "Bearer {token}"\n')
    words = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "--no-color",
        "run", schema, "--tls-verify", str(authority), "--checks", "not_a_server_error",
        "--max-examples", str(examples), "--seed", str(SEED), "--workers", "1",
        "--exclude-path-regex", LEFT_OUT, "--request-timeout", "60", "--generation-database", "none",
    ]  # fmt: skip
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
