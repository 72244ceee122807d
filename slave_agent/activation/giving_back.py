"""The installer's own server gets its port back, where a build came to nothing: no copy of it has to stay."""

from __future__ import annotations

from pathlib import Path

from slave_agent.activation import processes
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import Record
from slave_agent.activation.retreat import wait_for
from slave_agent.activation.states import CredentialKind, Mode
from slave_agent.activation.swap import stop_plain_bootstrap

TRIES = 2  # a look of the guard that has begun may let the copy answer once more


def check_installers_server(activation: Activation) -> None:
    """Return where the installer's server has the port, or could have it. Raises ActivationError where it is gone, as
    it is once an agent was confirmed; and where one was, which is not to be removed for a build that failed."""
    record = activation.store.find()
    if record is not None and record.confirmed_commit is not None:
        raise ActivationError("An agent was confirmed on this host: it stays.", "Remove it with uninstall alone.")
    if record is None or installers_server_runs(activation.layout, record):
        return
    folder = Path(record.installer_folder or "/")
    files = [folder / processes.BOOTSTRAP_FILE, *map(Path, record.installer_secrets)]
    is_whole = len(files) > 1 and all(file.exists() for file in files)
    if not is_whole or record.bootstrap_credential is not CredentialKind.INSTALLER:
        raise ActivationError(
            "The installer's server is not there any more: the copy of it goes on.", "Build the slave again."
        )


def give_back(activation: Activation, record: Record) -> bool:
    """Let the installer's server have the port again; return whether it had to be started for that.

    Raises ActivationError when it does not answer: then the copy of it does, and nothing has changed.
    """
    check_installers_server(activation)
    if installers_server_runs(activation.layout, record):
        return False
    activation.keeper.stop_swap()
    with activation.store.swapping():  # so that the guard does not let the copy answer in between
        problem = ""
        for _ in range(TRIES):
            problem = _start_installers_server(activation, record)
            if not problem:
                return True
        activation.keeper.start_bootstrap()
    raise ActivationError(
        f"The installer's server did not start again: {problem}", "The copy of it answers: build the slave again."
    )


def _start_installers_server(activation: Activation, record: Record) -> str:
    """End the copy, whoever started it, and start the installer's; return what stood against it, or an empty text."""
    keeper, folder = activation.keeper, Path(record.installer_folder or "/")
    keeper.stop_bootstrap()
    keeper.close_port()
    stop_plain_bootstrap(activation, record)
    argv = [activation.layout.python, "-I", str(folder / processes.BOOTSTRAP_FILE)]
    argv += ["--config", str(folder / "config.json")]
    started = keeper.start_installers_server(str(record.bootstrap_user), argv, folder / "start.log")
    if not started.is_ok:
        return started.reason
    if not wait_for(activation, record, Mode.BOOTSTRAP):
        return "it did not answer"
    return "" if installers_server_runs(activation.layout, record) else "the copy of it was faster"


def installers_server_runs(layout: Layout, record: Record) -> bool:
    """Whether the port is held by the bootstrap that the installer started, not by the copy of it that is ours."""
    ours = str(layout.bootstrap_server)
    bootstraps = filter(processes.is_bootstrap, processes.holders(record.port))
    return any(ours not in processes.command_line(pid) for pid in bootstraps)
