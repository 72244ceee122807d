"""Which processes are found, from a made-up /proc and from the real one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from slave_agent.systemd.process_scan import LONGEST_COMMAND_BYTES, scan

V2 = "0::/system.slice/d8-app-shop.service\n"
V1 = "12:cpu:/\n1:name=systemd:/user.slice/user-1000.slice/user@1000.service/app.slice/d8-app-api.service\n0::/\n"


def process(proc: Path, pid: int, executable: str, arguments: list[str], cgroup: str = "0::/\n") -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "exe").symlink_to(executable)
    (folder / "cwd").symlink_to("/srv/shop")
    (folder / "cmdline").write_bytes(b"".join(part.encode() + b"\0" for part in arguments))
    (folder / "cgroup").write_text(cgroup)


def test_node_and_python_are_found_by_program(tmp_path: Path) -> None:
    process(tmp_path, 30, "/usr/bin/node", ["node", "server.js", "--port", "80"], V2)
    process(tmp_path, 7, "/usr/bin/python3.11", ["/srv/.venv/bin/python", "-m", "uvicorn"], V1)
    process(tmp_path, 8, "/usr/bin/bash", ["bash", "python"])
    process(tmp_path, 9, "/opt/node-v20/bin/node (deleted)", ["npm run start"])
    process(tmp_path, 10, "/usr/bin/pythonista", ["pythonista"])
    process(tmp_path, 11, "/usr/bin/python3.11", [])
    (tmp_path / "self").mkdir()
    found = scan(tmp_path)
    assert [one["pid"] for one in found] == [7, 9, 30]
    assert found[0]["unit"] == "d8-app-api.service" and found[0]["arguments"][0] == "/srv/.venv/bin/python"
    assert found[1]["executable"] == "/opt/node-v20/bin/node" and found[1]["unit"] is None
    assert found[2] == {
        "pid": 30,
        "user": found[2]["user"],
        "working_dir": "/srv/shop",
        "executable": "/usr/bin/node",
        "arguments": ["node", "server.js", "--port", "80"],
        "unit": "d8-app-shop.service",
    }


def test_a_process_that_ends_meanwhile_or_is_closed_to_us_is_no_error(tmp_path: Path) -> None:
    process(tmp_path, 5, "/usr/bin/node", ["node"])
    (tmp_path / "5/cgroup").unlink()
    process(tmp_path, 6, "/usr/bin/node", ["node", "x"])
    (tmp_path / "6/exe").unlink()
    assert [(one["pid"], one["executable"]) for one in scan(tmp_path)] == [(6, None)]


def test_an_endless_command_line_is_cut(tmp_path: Path) -> None:
    process(tmp_path, 5, "/usr/bin/node", ["node", "x" * 100_000])
    assert sum(len(part) for part in scan(tmp_path)[0]["arguments"]) < LONGEST_COMMAND_BYTES


def test_this_process_is_found_in_the_real_proc() -> None:
    own = next(one for one in scan() if one["pid"] == os.getpid())
    assert own["working_dir"] == str(Path.cwd())
    assert own["executable"] == str(Path(sys.executable).resolve())
