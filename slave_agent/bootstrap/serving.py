"""Puts the parts of the server together, listens, and stops in good order."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

from slave_agent.bootstrap.api import LOOK_SECONDS, Api
from slave_agent.bootstrap.authentication import Authenticator, expiry_problem
from slave_agent.bootstrap.command_log import CommandLog
from slave_agent.bootstrap.configuration import Configuration
from slave_agent.bootstrap.errors import PortTaken
from slave_agent.bootstrap.host_system import HAS_POSIX
from slave_agent.bootstrap.jobs import JobStore, SupervisorLauncher, package_supervisor
from slave_agent.bootstrap.pid_file import hold_pid_file
from slave_agent.bootstrap.port_owner import describe_owner, find_port_owner, stop_command
from slave_agent.bootstrap.server import SlaveServer, bind_socket, passed_socket, tls_context
from slave_agent.bootstrap.texts import banner, say
from slave_agent.bootstrap.uploads import UploadFolder


def supervisor_command() -> list[str]:
    """Return what runs a job's supervisor: this very file where it is the one-file server, else the package."""
    own = Path(__file__).resolve()
    if own.with_name("supervisor.py").exists():
        return package_supervisor(sys.executable, own.parents[2])
    return [sys.executable, "-I", "-S", str(own), "--run-job"]


def listen(configuration: Configuration) -> socket.socket:
    """Return the socket to serve: systemd's, or our own. Raises PortTaken, which says by whom."""
    passed = passed_socket(os.environ, os.getpid())
    if passed is not None:
        return passed
    language, port = configuration.language, configuration.port
    try:
        return bind_socket(configuration.bind, port)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            message = say(language, "no_bind", bind=configuration.bind, port=port, reason=problem.strerror)
            raise PortTaken(message, say(language, "no_bind_hint")) from problem
        raise port_taken(port, language) from problem


def port_taken(port: int, language: str) -> PortTaken:
    """Return the error that says who holds the port and what to do."""
    owner = find_port_owner(port)
    message = say(language, "taken", port=port, owner=describe_owner(owner, port, language))
    return PortTaken(message, say(language, "taken_hint", command=stop_command(owner, port)))


def serve(configuration: Configuration) -> None:
    """Serve until SIGTERM or Ctrl+C. Raises BootstrapError where that can't begin."""
    pid_file = hold_pid_file(configuration.pid_file, configuration.language)
    log = CommandLog(configuration.log_file, configuration.language)
    os.environ.update(job_environment(configuration))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    context = tls_context(configuration) if configuration.tls else None
    listener = listen(configuration)
    launcher = SupervisorLauncher(supervisor_command(), configuration.privilege == "auto")
    uploads = UploadFolder(configuration.work_dir)
    jobs = JobStore(configuration.jobs_dir, launcher, configuration.work_dir, on_start=log.began, on_end=log.ended)
    authenticator = Authenticator(configuration.token_sha256, configuration.expires)
    server = SlaveServer(listener, context, Api(configuration, jobs, uploads, authenticator, stopping), log)
    announce(configuration, server.port)
    for job_id in jobs.recover():
        log.note(f"[{job_id}] {say(configuration.language, 'picked_up')}")
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    while not stopping.wait(None if HAS_POSIX else LOOK_SECONDS):
        pass  # Windows hears no Ctrl+C in a wait without an end
    log.note(say(configuration.language, "stopping"))
    server.shutdown()
    server.server_close()
    server.finish_replies()
    os.close(pid_file)


def job_environment(configuration: Configuration) -> dict[str, str]:
    """Return what every job is told of this server, for the activation that takes its place. Holds no secret."""
    return {
        "D8_BOOTSTRAP_CONFIG": str((configuration.folder / "config.json").resolve()),
        "D8_BOOTSTRAP_SERVER": str(Path(__file__).resolve()),
        "D8_BOOTSTRAP_PID": str(os.getpid()),
        "D8_BOOTSTRAP_PRIVILEGE": configuration.privilege,
    }


def announce(configuration: Configuration, port: int) -> None:
    """Print the banner, and a warning where the installer has expired."""
    print(banner(configuration.language, port, configuration.master, configuration.tls), flush=True)
    now = datetime.now(timezone.utc)
    if configuration.expires is not None and expiry_problem(configuration.expires, now):
        times = {"expires": f"{configuration.expires:%Y-%m-%d %H:%M} UTC", "now": f"{now:%Y-%m-%d %H:%M} UTC"}
        print(say(configuration.language, "expired", **times), flush=True)
