"""Which words of a command's output stand in the error."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from d8.build.command_failed import CommandFailed
from d8.messages import message
from d8.models import CommandResult

RUN = "/bin/sh -c python3 -m compileall -q slave_agent && python3 -c 'import zlib'"
MISSING = "ModuleNotFoundError: No module named 'zlib'"
BUILDKIT = f"""#9 [stage-1 6/6] RUN python3 -m compileall -q slave_agent
#9 0.412 Traceback (most recent call last):
#9 0.412   File "<string>", line 1, in <module>
#9 0.412 {MISSING}
#9 ERROR: process "{RUN}" did not complete successfully: exit code: 1
------
 > [stage-1 6/6] RUN python3 -m compileall -q slave_agent:
------
ERROR: failed to solve: process "{RUN}" did not complete successfully: exit code: 1
"""


@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [
        ("", "lots\nE: no space left\n", "E: no space left"),
        ("only output\n", "", "only output"),
        ("", BUILDKIT, MISSING),
        (f"Step 9/11 : RUN x\n{MISSING}\n", f"The command '{RUN}' returned a non-zero code: 1\n", MISSING),
        (
            "Step 9/11 : RUN x\n",
            "The command 'x' returned a non-zero code: 1\n",
            "The command 'x' returned a non-zero code: 1",
        ),
        (
            "",
            "E: Unable to locate package systemd\nThe command 'x' returned a non-zero code: 100\n",
            "E: Unable to locate package systemd",
        ),
    ],
)
def test_the_line_that_says_why_stands_in_the_error(stdout: str, stderr: str, words: str) -> None:
    result = CommandResult("docker build", False, stdout, stderr, 1, datetime.now(UTC), 0.1, "1")
    assert CommandFailed(result, message("building the agent's image")).reason == f"{words} (exit 1)"
