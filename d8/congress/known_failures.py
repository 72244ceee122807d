"""The one table of known failures: by what they print, why they happen, what to do. Pure.

Each row has a section of docs/troubleshooting.md and captured outputs in tests/fixtures/diagnosis/. The order decides
where a text fits several rows: first what this master itself says, then the causes of causes (a wrong clock, a full
disk, no network), then what follows from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from d8.messages import Message, message
from d8.models import Diagnosis


@dataclass(frozen=True)
class KnownFailure:
    """One row: the section of docs/troubleshooting.md, cause, advice, and patterns of the texts that tell it. `telling`
    finds the line that says more than the last one, where a program goes on talking after it. `is_lasting`: another
    attempt would fail in the same way; `lasting` finds the texts of which that is true where it is not true of all."""

    anchor: str
    cause: Message
    advice: Message
    patterns: tuple[str, ...]
    telling: str = ""
    is_lasting: bool = False
    lasting: str = ""

    def explains(self, text: str) -> bool:
        """Given an error or the output of a command, in English, return whether it is this failure."""
        return any(re.search(pattern, text, re.IGNORECASE | re.MULTILINE) for pattern in self.patterns)

    def lasts(self, text: str) -> bool:
        """Given such a text, return whether another attempt would fail in the same way."""
        return self.is_lasting or bool(self.lasting and re.search(self.lasting, text, re.IGNORECASE))

    @property
    def diagnosis(self) -> Diagnosis:
        """What the operator is told."""
        return Diagnosis(self.cause, self.advice, self.anchor)


KNOWN_FAILURES: tuple[KnownFailure, ...] = (
    # --- the link between master and slave -----------------------------------------------------------------------
    KnownFailure(
        "windows",
        message("the slave runs Windows, which has no systemd"),
        message("Install WSL 2 there and run the Linux installer inside it."),
        (r"runs Windows",),
    ),
    KnownFailure(
        "trust-ended",
        message("every token of the slave was ended, this master's too"),
        message(
            "To use it again: sh install_slave_….sh --uninstall there, then install and build it (options 10 and 11)."
        ),
        (r"the trust in .* was ended",),
    ),
    KnownFailure(
        "no-ssh-client",
        message("this machine has no ssh client"),
        message("Install OpenSSH's here: sudo apt install openssh-client. Or carry the script over (option 10)."),
        (r"there is no ssh client",),
    ),
    KnownFailure(
        "ssh-host-key",
        message("the machine's ssh host key is new, or another than before"),
        message("Compare it with, on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub."),
        (r"the host key of ", r"shows no host key", r"presents (the|another) host key"),
    ),
    KnownFailure(
        "ssh-login-refused",
        message("ssh there accepted neither a key nor the password"),
        message("Check the user (--user), name the key (--key FILE), or put yours there: ssh-copy-id USER@HOST."),
        (
            r"in with none of this master's keys",
            r"refused the password",
            r"wrong passphrase",
            r"too many keys of your agent",
            r"ssh (refuses|can't use) the key",
        ),
    ),
    KnownFailure(
        "ssh-no-answer",
        message("no ssh server could be spoken to at this address"),
        message("Is it switched on, in this network, and ssh switched on there? --port names another port."),
        (
            r"nothing answers ssh on",
            r"no answer from .* over ssh",
            r"there is no way to .* in the network",
            r"closed the ssh connection",
            r"ssh connection to .* broke",
            r"^ssh to .* failed",
            r"^the name .* is not known$",
            r"ssh have no algorithm in common",
        ),
    ),
    KnownFailure(
        "certificate-unknown",
        message("the server at this address is not one that this master set up, or another machine has its address"),
        message("Check the address; if the machine was set up anew, run a new installer on it (option 10)."),
        (r"certificate that this master never made", r"presented another certificate", r"none of this master's tokens"),
    ),
    KnownFailure(
        "installer-expired",
        message("the installer's token is older than it may be, or the slave's clock is ahead"),
        message(
            "Look at the slave's clock (date -u); if it is right, generate a new installer (option 10) and run it."
        ),
        (r"installer (used on .* )?expired on",),
    ),
    KnownFailure(
        "authentication-failed",
        message("the slave does not accept this master's token"),
        message("Run an installer of this master on the slave (option 10): it brings the right token."),
        (
            r"\brefused: ",
            r"the token is wrong",
            r"authentication failed$",
            r"too many wrong tokens",
            r"trust in .* was ended",
        ),
    ),
    KnownFailure(
        "port-taken",
        message("another program holds the port"),
        message("On the slave, sudo ss -ltnp shows who it is: end it, or choose another D8_SLAVE_PORT."),
        (
            r"answers, but not with TLS",
            r"something that is not D8's",
            r"somebody else holds it",
            r"systemd could not take the port",
            r"address already in use",
            r"port is already allocated",
            r"errno 98\b",
        ),
    ),
    KnownFailure(
        "handover-undone",
        message("the port was not given over in time, so the slave's guard put the former server back"),
        message("Build again; if it comes back, look at journalctl -u d8-agent -u d8-handover on the slave."),
        (
            r"did not take over the port",
            r"did not give the port back",
            r"rolled back before it was confirmed",
            r"guard took the handover back",
            r"handover (awaits its confirmation|is running already)",
            r"release was not tried out yet",
            r"installer's server (did not start again|is not there any more)|agent was confirmed on this host",
        ),
    ),
    KnownFailure(
        "connection-refused",
        message("nothing listens on the slave's port, or a firewall rejects the connection"),
        message("Start the server there: sh install_slave_….sh --start. Then look at ss -ltn and at sudo ufw status."),
        (r"refuses the connection on port",),
    ),
    KnownFailure(
        "no-answer",
        message("the machine is off, has another address, or a firewall drops the connection"),
        message("Ping it from here; on it look at ip addr and sudo ufw status. Use an IP address instead of a name."),
        (r"does not answer \(", r"does not answer$", r"not known to the name service"),
    ),
    KnownFailure(
        "build-in-progress",
        message("another process of this master builds, updates or rotates this slave at the moment"),
        message("Wait for its end, or stop it there with Ctrl+C; option 7 shows the running build."),
        (r"another process of this master works on",),
    ),
    KnownFailure(
        "update-refused",
        message("the slave takes only a release that its own fleet has signed for it, and one at a time"),
        message("Update it from the master that built it, or build it once more (option 11)."),
        (
            r"not signed by this slave's fleet",
            r"not a release of the fleet",
            r"was signed (for another machine|before the one)",
            r"no key that (releases|its updates) could be signed with",
            r"given no key that its updates",
            r"is not what was signed",
            r"order is about another token|not an order of the fleet",
            r"no accepted release",
            r"no moment for an update",
            r"Another update is being prepared",
            r"This release runs already",
            r"The release holds .*, which is no plain file",
            r"not the name of a file|\bis not a file\.$",
            r"too old to be updated",
        ),
    ),
    KnownFailure(
        "release-undone",
        message("the new release did not prove itself, so the slave went back to what it had before"),
        message("Look at journalctl -u d8-agent -u d8-handover on the slave, then repeat it."),
        (
            r"earlier release does not work",
            r"taken back meanwhile",
            r"did not get ready with the new release",
            r"preparation of the release was interrupted|restarted while it prepared the release",
            r"did not settle on release",
            r"release can't take charge|(guard|helper) of the release does not",
            r"agent does not answer on port \d+",
            r"instead of 401",
            r"The agent refuses the token",
            r"got \d+ and no facts",
            r"says that it runs commit",
            r"Something else is being activated",
            r"\w gave no answer: ",
            r"does not hold the agent's source",
            r"is not a commit\.$",
        ),
    ),
    # --- causes of causes ----------------------------------------------------------------------------------------
    KnownFailure(
        "clock-wrong",
        message("the slave's clock is wrong, so certificates and package lists look expired or not valid yet"),
        message("Set it there: sudo date -u -s 'YYYY-MM-DD HH:MM', then sudo timedatectl set-ntp true. Build again."),
        (
            r"certificate is not yet valid",
            r"certificate has expired",
            r"not valid yet",
            r"invalid peer certificate: (certificate expired|expired|NotValidYet)",
            r"\bEXPKEYSIG\b",
            r"Release file .* is expired",
            r"clock of the slave is \d+ \w+ (ahead|behind)",
        ),
    ),
    KnownFailure(
        "disk-full",
        message("the slave's disk is full"),
        message("Free some space: df -h shows where, sudo apt-get clean and sudo journalctl --vacuum-size=50M help."),
        (
            r"no space left on device",
            r"MB left, and a release needs",
            r"errno 28\b",
            r"disk quota exceeded",
            r"MB left, and the agent needs",
            r"don't have enough free space",
            r"no room for the file",
            r"disk has no room",
            r"job could not be stored",
        ),
        is_lasting=True,
    ),
    KnownFailure(
        "disk-read-only",
        message("a file system of the slave can only be read"),
        message("sudo dmesg | grep -i remount tells whether it has errors; if not: sudo mount -o remount,rw FOLDER."),
        (r"read-only file system", r"errno 30\b"),
        is_lasting=True,
    ),
    KnownFailure(
        "out-of-memory",
        message("the slave ran out of memory, so the system killed the command"),
        message("Stop what is not needed, or add swap; free -m and sudo dmesg | grep -i oom tell more."),
        (
            r"exit (code )?(137|-9)\b",
            r"cannot allocate memory",
            r"out of memory",
            r"\bMemoryError\b",
            r"^Killed$",
            r"\bstd::bad_alloc\b",
        ),
    ),
    KnownFailure(
        "apt-lock-held",
        message("another package manager was at work on the slave for too long"),
        message("Wait for it: ps aux | grep -E 'apt|dpkg' shows which; updates after the first boot may take minutes."),
        (
            r"could not get lock",
            r"locked by another process",
            r"waiting for cache lock",
            r"held by process \d+",
            r"is another process using it",
        ),
        telling=r"^E: .*held by process \d+.*$",
    ),
    KnownFailure(
        "packages-half-installed",
        message("an earlier installation of packages was interrupted on the slave"),
        message("Let it finish there: sudo dpkg --configure -a && sudo apt-get -f install. Then build again."),
        (r"dpkg was interrupted", r"unmet dependencies", r"--fix-broken install"),
    ),
    KnownFailure(
        "git-clone-failed",
        message("the repository refuses GIT_TOKEN, or D8_REPO_URL names none"),
        message(
            "Make a new token with read access and put it into GIT_TOKEN in .env; the master's own copy works too."
        ),
        (
            r"authentication failed for '",
            r"could not read (username|password) for",
            r"invalid username or password",
            r"http basic: access denied",
            r"repository (not found|'.*' not found)",
            r"unable to access '.*': the requested url returned error",
            r"does not appear to be a git repository",
        ),
    ),
    KnownFailure(
        "commit-not-in-the-repository",
        message("the repository does not hold the commit that this master runs"),
        message("Push the master's commit, or leave D8_REPO_URL empty: then the master sends its own copy."),
        (r"does not hold commit", r"not our ref", r"couldn't find remote ref"),
    ),
    KnownFailure(
        "docker-daemon-dead",
        message("Docker is installed, but its daemon does not run"),
        message("On the slave: sudo systemctl restart docker; journalctl -u docker says why it ended."),
        (
            r"cannot connect to the docker daemon",
            r"is the docker daemon running",
            r"docker\.sock: connect: (no such file|connection refused)",
            r"error while fetching server API version",
            r"Docker( daemon)? does not (run|answer)",
        ),
    ),
    KnownFailure(
        "docker-rights",
        message("the slave's user may not use Docker"),
        message("Give it passwordless sudo for the build, which calls Docker as root; the group docker does not help."),
        (r"permission denied while trying to connect to the docker", r"docker\.sock: connect: permission denied"),
    ),
    KnownFailure(
        "certificates-not-trusted",
        message(
            "the slave does not trust a certificate on its way to the internet: a proxy, or missing CA certificates"
        ),
        message("Install ca-certificates there, and the certificate of your proxy if there is one. Then build again."),
        (
            r"certificate_verify_failed",
            r"ssl certificate problem",
            r"unable to get local issuer certificate",
            r"self.signed certificate",
            r"UnknownIssuer",
            r"server certificate verification failed",
        ),
    ),
    KnownFailure(
        "no-internet",
        message("the slave has no way to the internet, or its name service does not work"),
        message(
            "There: ping -c1 1.1.1.1 tests the way, getent hosts debian.org the names; see ip route and resolv.conf."
        ),
        (
            r"could not resolve",
            r"temporary failure (in name resolution|resolving)",
            r"name or service not known",
            r"failed to lookup address",
            r"no way to the internet",
            r"network is unreachable",
            r"no route to host",
            r"failed to establish a new connection",
            r"max retries exceeded",
            r"tcp connect error",
            r"failed to connect to (?!bus)",
            r"could not connect to",
            r"failed to fetch",
            r"(?<!bus: )connection (timed out|reset by peer|refused)",
        ),
    ),
    KnownFailure(
        "docker-image",
        message("Docker could not get the image that the agent's is made from, or that image lacks something"),
        message("Name another image in D8_DOCKER_BASE_IMAGE that the slave can reach; the other strategies need none."),
        (
            r"pull access denied",
            r"toomanyrequests",
            r"manifest (unknown|for .* not found)",
            r"failed to resolve reference",
            r"base image",
            r"there is no image for",
            r"building the agent's image failed",
        ),
        lasting=r"manifest (unknown|for .* not found)",
    ),
    KnownFailure(
        "docker-installation-failed",
        message("Docker could not be installed: no rights, no network, or no package for this system"),
        message("Try it there by hand: curl -fsSL https://get.docker.com. The other strategies do without Docker."),
        (
            r"docker.* could not be installed",
            r"docker is not there",
            r"there is no docker compose",
            r"docker was installed, but",
            r"docker(-compose)? [\d.]+ or newer is needed",
            r"docker needs root",
            r"container could not be made",
            r"docker installation failed",
            r"installing docker.* failed",
            r"unable to locate package docker",
            r"package '?docker\S* has no installation candidate",
            r"(no match for argument|unable to find a match|target not found): .*(docker|moby)",
            r"no provider of '(docker|moby)",
            r"unsupported (distribution|operating system)",
        ),
        lasting=r"has no installation candidate|unsupported (distribution|operating system)",
    ),
    KnownFailure(
        "externally-managed",
        message("this system's Python refuses packages from pip (PEP 668)"),
        message("Leave it so: the venv strategy needs no change. Only native uses --break-system-packages."),
        (r"externally.managed",),
    ),
    KnownFailure(
        "no-venv",
        message("the slave's Python can't make virtual environments"),
        message("On the slave: sudo apt-get install python3-venv. Then build again."),
        (
            r"ensurepip is not available",
            r"no module named '?\"?(venv|ensurepip)",
            r"virtual environment was not created",
        ),
    ),
    KnownFailure(
        "python-too-old",
        message("the slave's Python is older than 3.11, which the agent needs"),
        message(
            "Install a newer one beside it (python3 --version shows which), or a newer system: Debian 12 has 3.11."
        ),
        (r"needs Python [\d.{}a-z]+ or newer", r"requires a different python", r"no Python that is new enough"),
    ),
    KnownFailure(
        "no-python",
        message("the slave has no python3"),
        message("On the slave: sudo apt-get install python3. Then build again."),
        (r"python3?: (command )?not found", r"env: .?python3.?: no such file"),
    ),
    KnownFailure(
        "wrong-architecture",
        message("there is no ready-made package for this processor or C library"),
        message(
            "uname -m shows the processor: x86_64 and aarch64 have all packages. Else install a compiler there first."
        ),
        (
            r"exec format error",
            r"cannot execute binary file",
            r"no matching distribution found",
            r"not a supported wheel on this platform",
            r"no (usable wheels|wheels with a matching)",
            r"has no wheel",
            r"neither uv nor pip could be fetched",
            r"failed (to build|building wheel)",
            r"command '.*(gcc|cc)' failed",
        ),
        lasting=r"exec format error|cannot execute binary file",
    ),
    KnownFailure(
        "no-sudo",
        message("the slave's user may not become root without a password, or a folder is not writable"),
        message("Give it passwordless sudo, or build as it is: without root the agent runs as that user."),
        (
            r"sudo: a (terminal|password) is required",
            r"sudo: (command )?not found",
            r"not in the sudoers file",
            r"may not run sudo",
            r"no new privileges",
            r"this needs root",
            r"permission denied",
            r"operation not permitted",
            r"are you root\?",
        ),
    ),
    # --- what a new agent does -----------------------------------------------------------------------------------
    KnownFailure(
        "agent-crashes",
        message("the new agent starts and ends again, or answers wrongly"),
        message("Its last lines are in the build log, all of them on the slave: journalctl -u d8-agent."),
        (
            r"new agent does not (answer|work)",
            r"does not stay up",
            r"the agent runs commit",
            r"agent's answer about itself",
            r"\bModuleNotFoundError\b",
            r"\bImportError\b",
        ),
        lasting=r"\bModuleNotFoundError\b",
    ),
    # --- the master itself, and what is left ---------------------------------------------------------------------
    KnownFailure(
        "masters-checkout",
        message("this master does not run from a git clone, so it can't send its commit"),
        message("Clone D8 with git, and start it from there; python3 start_d8.py doctor checks it."),
        (r"commit of this master can't be read", r"git archive of .* failed"),
    ),
    KnownFailure(
        "strange-answer",
        message("something between changed the slave's answers, or its server is of another version"),
        message("Run a new installer on the slave (option 10) and build again; the answer is in the build log."),
        (r"answer can't be read", r"answer lacks"),
    ),
    KnownFailure(
        "service-refused",
        message("the slave's system refuses the agent's service, user or folder"),
        message("The message names what; on the slave systemctl status 'd8-*' and journalctl -b tell more."),
        (
            r"systemd refuses a unit",
            r"systemctl .*: ",
            r"could not be started: ",
            r"the user \S+ (could not be made|is not usable)",
            r"crontab could not be (changed|read)",
            r"no unit can carry the path",
            r"may not linger",
            r"scope (\S+ )?needs the release",
            r"the release \S+ is not",
            r"there is no new release",
            r"settings on stdin are",
            r"\S can't be (read|used): ",
            r"^\S+ has no \S+$",
            r"container's keeper",
            r"agent has no user",
            r"there is no user ",
            r"nothing is installed here",
            r"no earlier release",
            r"install settings are wrong",
            r"bootstrap's config can't be read",
            r"but no record of it",
            r"agent's credentials are gone",
            r"can't be stopped",
            r"where nothing would find it again",
            r"There is no bootstrap (on this slave|whose credential)",
            r"bootstrap has not given the port away yet",
            r"No bootstrap .* stands by on this slave",
            r"Without a bootstrap only the system scope",
            r"that stays in a new release",
            r"No app can run as ",
        ),
    ),
    KnownFailure(
        "install-script-failed",
        message("the install script could not set the bootstrap up there"),
        message("Its last words stand in the message. Log in there, mend that, and do it again."),
        (r"the install script (failed on|on \S+ did not end)",),
    ),
    KnownFailure(
        "timeout",
        message("a command took longer than it may: a slow slave, a slow network, or a hanging program"),
        message(
            "Raise D8_INSTALL_TIMEOUT or D8_COMMAND_TIMEOUT in .env and build again; the log shows the last lines."
        ),
        (
            r"no end after \S+ s",
            r"were not removed within \S+ s",
            r"timed out",
            r"operation too slow",
            r"exit (code )?124\b",
        ),
    ),
)

UNKNOWN_FAILURE = KnownFailure(
    "a-command-failed",
    message("a command failed on the slave, for a reason that D8 does not know"),
    message("Its whole output is in the build log (option 7). Repeat the command on the slave to look closer."),
    (r"",),
)
