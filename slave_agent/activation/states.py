"""The words of an activation as enums. Imports nothing of the project; rules that use them live elsewhere."""

from __future__ import annotations

from enum import Enum


class Scope(str, Enum):
    """Who keeps the agent alive, best first."""

    SYSTEM = "system"
    USER = "user"
    CRON = "cron"
    NOHUP = "nohup"

    @property
    def has_systemd(self) -> bool:
        return self in (Scope.SYSTEM, Scope.USER)

    @property
    def survives_reboot(self) -> bool:
        return self is not Scope.NOHUP


class Runtime(str, Enum):
    """What the agent's process runs in: what the strategy of the build made."""

    DOCKER = "docker"
    VENV = "venv"
    NATIVE = "native"


class Phase(str, Enum):
    """How far an activation has come; written to handover.json before the step it announces."""

    INSTALLED = "installed"
    STAGED = "staged"
    HANDING_OVER = "handing_over"
    HANDED_OVER = "handed_over"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    RETURNED = "returned"

    @property
    def awaits_confirmation(self) -> bool:
        return self in (Phase.HANDING_OVER, Phase.HANDED_OVER)


class SwapStep(str, Enum):
    """The steps of the swap itself, in order; each is recorded when it begins."""

    REPLYING = "replying"
    STOPPING_BOOTSTRAP = "stopping_bootstrap"
    SWITCHING_RELEASE = "switching_release"
    OPENING_PORT = "opening_port"
    STARTING_AGENT = "starting_agent"
    CHECKING_AGENT = "checking_agent"
    DONE = "done"


class Fallback(str, Enum):
    """Who gets the port back when a handover comes to nothing: the bootstrap, the release before, or nobody."""

    BOOTSTRAP = "bootstrap"
    RELEASE = "release"
    NOTHING = "nothing"


class Mode(str, Enum):
    """Who answers on a port. STRANGER speaks, but not with a certificate of ours."""

    BOOTSTRAP = "bootstrap"
    AGENT = "agent"
    STRANGER = "stranger"
    NOBODY = "nobody"


class Speaker(str, Enum):
    """Whose log is read, for the message that says why it failed."""

    AGENT = "agent"
    STAGING = "staging"
    UPDATE = "update"


class GuardAction(str, Enum):
    """What one look of the guard leads to."""

    WAIT = "wait"
    COUNT_MISS = "count_miss"
    NOTE_HANDED_OVER = "note_handed_over"
    NOTE_ROLLED_BACK = "note_rolled_back"
    START_BOOTSTRAP = "start_bootstrap"
    RETURN_TO_BOOTSTRAP = "return_to_bootstrap"
    RETURN_TO_RELEASE = "return_to_release"
    STAND_DOWN = "stand_down"
    REMOVE = "remove"
    START_AGENT = "start_agent"
    FINISH_CONFIRM = "finish_confirm"
    DISARM = "disarm"


class CredentialKind(str, Enum):
    """Where a bootstrap's or an agent's credential comes from."""

    INSTALLER = "installer"
    AGENT = "agent"
    RESCUE = "rescue"
