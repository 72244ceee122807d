"""BuildD8Slave: the mission's eight steps, from an address to a registered slave. Each step has its module."""

from __future__ import annotations

import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath

from platformdirs import user_cache_path

from d8 import __version__
from d8.build.activation import AgentFacts
from d8.build.attempts import Built, NoStrategyWorked, run_strategies
from d8.build.build_log import BuildLog
from d8.build.cancellation import discard_attempt, leave_as_before, remove_uploads
from d8.build.command_failed import last_output
from d8.build.connectivity import Connectivity
from d8.build.context import BuildContext
from d8.build.control import Control, Orders, Stopped, Wish
from d8.build.events import Observer, StepName
from d8.build.examination import settle_identity, warnings_for
from d8.build.identity import marked
from d8.build.opening import Opening, open_build, words_about
from d8.build.progress import Progress
from d8.build.provision import bring_source, install_prerequisites
from d8.build.recorder import RemoteShell
from d8.build.recording import unsettled
from d8.build.registration import register, warn_of_reboot
from d8.build.resume import facts_for_resumed, give_up
from d8.build.retry import RetryPolicy
from d8.build.strategies import Strategy, chosen
from d8.build.unfinished import UnfinishedBuild, find_unfinished, only_builder_in, only_builder_of
from d8.build.wheels import WheelCache
from d8.commands import release
from d8.commands.preflight import HostFacts
from d8.congress.congress import congress_of
from d8.congress.diagnosis import diagnose_build
from d8.congress.human_request import needs_a_person
from d8.errors import Cancelled, D8Error, ExitCode, Refused, SlaveUnreachable
from d8.fleet.agent_client import SlaveClient
from d8.fleet.names import Address, slave_id_for
from d8.fleet.registry import Registry
from d8.masking import Masker
from d8.messages import message
from d8.models import BuildReport, BuildStatus, CredentialKind, Slave, StrategyName
from d8.settings import Settings
from d8.source import Commit, master_commit


@dataclass(frozen=True)
class BuildOptions:
    """How a build is wanted: which strategies are tried, whether an unfinished build goes on, who may stop it, and
    whether an agent that was built by another strategy is built again."""

    strategies: tuple[Strategy, ...]
    resumes: bool = False
    is_strategy_wanted: bool = False
    orders: Orders = field(default_factory=Orders)


class BuildD8Slave:
    """Builds one slave, once. Given its address, the settings, the registry, who watches and how it is wanted."""

    def __init__(
        self,
        address: Address,
        settings: Settings,
        registry: Registry,
        observer: Observer,
        options: BuildOptions | None = None,
    ) -> None:
        self._address = address
        self._settings = settings
        self._registry = registry
        self._observer = observer
        self._options = options or BuildOptions(chosen(settings))
        self._control = Control(self._options.orders)
        self._sleep = self._control.sleep
        self._slave_id = slave_id_for(address)
        self._masker = Masker(settings.secrets)
        self._logs = settings.data_dir / "build_logs"
        self._log: BuildLog
        self._progress: Progress
        self._opening: Opening
        self._shell: RemoteShell | None = None
        self._context: BuildContext | None = None
        self._held = ExitStack()

    def build(self) -> BuildReport:
        """Run the steps and return how it ended: a failed build is a report with its reason, not an exception."""
        try:
            with only_builder_of(self._logs, self._address), self._held:
                self._open(find_unfinished(self._logs, self._address))
                return self._run()
        except Refused as error:
            self._open(None)
            return self._failed(error)

    def _open(self, former: UnfinishedBuild | None) -> None:
        commit = _commit_of_this_master() if self._options.resumes else None
        self._opening = open_build(self._logs, self._address, former, commit, self._masker)
        self._log = self._opening.log
        self._progress = Progress(self._observer, self._log)

    def _run(self) -> BuildReport:
        try:
            slave = self._build()
        except SlaveUnreachable as error:
            return self._lost(error)
        except D8Error as error:
            return self._failed(error)
        except Stopped as order:
            return self._stopped(order.wish)
        except Exception as error:  # a bug must not take the other builds of this master with it
            return self._failed(self._unexpected(error))
        self._log.finish(BuildStatus.SUCCESS, datetime.now().astimezone(), slave.strategy)
        congress_of(self._settings, self._registry).settle(slave.slave_id)
        self._registry.record("build", slave.slave_id, BuildStatus.SUCCESS)
        return BuildReport(
            slave_id=slave.slave_id,
            slave_host=self._address.host,
            status=BuildStatus.SUCCESS,
            exit_code=ExitCode.DONE,
            log_file=self._log.path,
            document=self._log.document,
            strategy=slave.strategy,
            slave=slave,
        )

    def _build(self) -> Slave:
        commit = self._commit_to_send()
        words = words_about(self._opening, self._options.resumes, self._address, commit)
        if words:
            self._progress.tell(words)
        connectivity = Connectivity(self._address, self._settings, self._registry, self._sleep)
        with self._progress.step(StepName.CONNECTIVITY) as step:
            if self._opening.is_at_handover:
                connectivity.let_swap_end()
            server = connectivity.find_server(commit, self._wanted_strategy(), self._progress, step)
        if server.is_up_to_date:
            return self._adopt(server.client)
        try:
            context = self._prepare(server.client, connectivity, commit)
            built = self._install(context)
        except Stopped as order:
            self._obey(order.wish, server.client)
            raise
        except SlaveUnreachable:
            raise
        except D8Error:
            try:
                self._take_back(server.client)
            except SlaveUnreachable as error:  # why the build failed is what has to be told
                self._warn_of_rest(error)
            raise
        finally:
            server.client.close()
        return self._register(built.agent, built)

    def _commit_to_send(self) -> Commit:
        commit = master_commit()
        self._log.note("master_commit", commit.hash)
        if commit.is_dirty:
            text = "uncommitted changes of this checkout are not sent: the slave gets {commit}"
            self._progress.warn(message(text, commit=commit.short))
        return commit

    def _prepare(self, client: SlaveClient, connectivity: Connectivity, commit: Commit) -> BuildContext:
        """Steps 2 to 4: the host's facts, what has to be there, the source."""
        shell = self._shell_of(client)
        with self._progress.step(StepName.PREFLIGHT) as step:
            seconds = self._settings.command_timeout_seconds
            facts = facts_for_resumed(shell, self._opening.recording, seconds, self._progress, step)
            place = release.folder(facts, commit.hash)
            self._be_alone_in(facts, place)
            identity = settle_identity(self._address, facts, self._registry, connectivity.answers_elsewhere)
            if identity.displaced:
                former = identity.displaced
                self._registry.rename_slave(former.slave_id, marked(former.slave_id, former.machine_id))
            self._name(identity.slave_id)
        for warning in ([identity.notice] if identity.notice else []) + warnings_for(facts, time.time()):
            self._progress.warn(warning)
        with self._progress.step(StepName.PREREQUISITES) as step:
            can_fetch = install_prerequisites(shell, facts, self._settings, self._progress, step)
        with self._progress.step(StepName.SOURCE) as step:
            archive = bring_source(shell, self._settings, commit, can_fetch, self._progress, step)
        self._context = BuildContext(
            address=self._address,
            slave_id=self._slave_id,
            settings=self._settings,
            registry=self._registry,
            progress=self._progress,
            shell=shell,
            facts=facts,
            commit=commit,
            version=__version__,
            archive=archive,
            release=place,
            wheels=WheelCache(user_cache_path("d8") / "wheels"),
            masker=self._masker,
        )
        return self._context

    def _be_alone_in(self, facts: HostFacts, place: str) -> None:
        """The machine may be built under another of its names. A copied machine-id does not make two machines one, for
        no two boots have the same id."""
        if facts.machine_id:
            where = (facts.machine_id, facts.boot_id, str(PurePosixPath(place).parent))
            self._held.enter_context(only_builder_in(self._logs, where, self._address))

    def _shell_of(self, client: SlaveClient) -> RemoteShell:
        """The slave's shell, once the jobs of an earlier master have ended: this build's own, or another's."""
        if client.credential:  # the slave knows the token, and may say it
            self._masker.add(filter(None, (client.credential.token, client.credential.next_token)))
        self._shell = RemoteShell(
            client,
            self._log,
            self._masker,
            self._progress.observer,
            self._sleep,
            control=self._control,
            recording=self._opening.recording,
        )
        if self._opening.given_up:
            give_up(self._opening.given_up, client, self._masker, self._progress)
        self._shell.wait_for(unsettled(self._log.document, self._opening.recording))
        return self._shell

    def _install(self, context: BuildContext) -> Built:
        """Steps 5 to 7."""
        policy = RetryPolicy(self._settings.attempts, self._settings.retry_delay_seconds)
        return run_strategies(self._options.strategies, context, policy, self._sleep)

    def _obey(self, wish: Wish, client: SlaveClient) -> None:
        """Carry out the order: to detach nothing is done, to cancel the slave is put back as it was."""
        if wish is Wish.DETACH:
            return
        self._control.accept(wish)
        if self._log.document["steps"][-1]["step"] == StepName.HANDOVER:  # a swap that has begun is not met half way
            Connectivity(self._address, self._settings, self._registry, self._sleep).let_swap_end()
        self._take_back(client)

    def _take_back(self, client: SlaveClient) -> None:
        """Put the slave back as it was before this build, as far as it lets us; say so where it does not."""
        steps = [StepName(step["step"]) for step in self._log.document["steps"]]
        try:
            if self._shell:
                self._shell.cancel_running()
            if self._context:
                discard_attempt(self._context, steps[-1], self._trying(), self._sleep)
            if self._shell:
                facts = self._context.facts if self._context else None
                remove_uploads(self._shell, self._log.document, facts, self._settings.command_timeout_seconds)
            if self._context:
                leave_as_before(self._context, steps, _has_former_agent(client), self._sleep)
        except SlaveUnreachable:  # nothing was ended there: the log stays open, so that the next build can do it
            raise
        except D8Error as error:
            self._warn_of_rest(error)

    def _warn_of_rest(self, error: D8Error) -> None:
        self._progress.warn(message("not everything could be taken back: {reason}", reason=error.message))

    def _wanted_strategy(self) -> StrategyName | None:
        """The one strategy that the operator insists on."""
        return self._options.strategies[0].name if self._options.is_strategy_wanted else None

    def _trying(self) -> Strategy | None:
        """The strategy that is being tried."""
        trying = self._log.document["trying"] or {}
        return next((one for one in self._options.strategies if one.name == trying.get("strategy")), None)

    def _adopt(self, client: SlaveClient) -> Slave:
        """The wanted agent answers already, perhaps since a master that was killed: confirm once more and register."""
        agent = AgentFacts.read(client.system())
        client.confirm()
        client.close()
        self._name((client.credential.slave_id if client.credential else None) or self._slave_id)
        trying = self._log.document["trying"] if self._opening.is_resumed else None
        return self._register(agent, Built(StrategyName(trying["strategy"]), agent) if trying else None)

    def _register(self, agent: AgentFacts, built: Built | None) -> Slave:
        with self._progress.step(StepName.REGISTER) as step:
            strategy = built.strategy if built else None
            slave = register(self._address, self._slave_id, agent, strategy, self._settings.tls, self._registry)
            step.outcome = message("{slave} is registered", slave=slave.slave_id)
        warn_of_reboot(slave, self._progress)
        return slave

    def _name(self, slave_id: str) -> None:
        self._slave_id = slave_id
        self._log.note("slave_id", slave_id)

    def _stopped(self, wish: Wish) -> BuildReport:
        if wish is Wish.CANCEL:
            return self._failed(
                Cancelled("cancelled by the operator", "The bootstrap stays on the slave: build again.")
            )
        text = "detached: the slave goes on with the command that runs there"
        advice = "Go on with it later:\n{resume}"
        return self._failed(Cancelled(text, advice, resume=self._resume_line), BuildStatus.DETACHED)

    def _lost(self, error: SlaveUnreachable) -> BuildReport:
        """The link stayed away: what has begun can be resumed, as after an order to detach."""
        if not self._log.document["commands"]:
            return self._failed(error)
        text = "detached, for the slave does not answer any more: {reason}"
        advice = "It goes on with the command that runs there. When it answers again:\n{resume}"
        detached = SlaveUnreachable(text, advice, reason=error.message, resume=self._resume_line)
        return self._failed(detached, BuildStatus.DETACHED)

    @property
    def _resume_line(self) -> str:
        return f"python3 start_d8.py build {self._address} --resume"

    def _unexpected(self, error: Exception) -> D8Error:
        self._log.note("traceback", self._masker.mask("".join(traceback.format_exception(error))))
        text = "this should not have happened: {kind}: {reason}"
        return D8Error(
            text, "The details are in:\n{path}", kind=type(error).__name__, reason=error, path=self._log.path
        )

    def _failed(self, error: D8Error, status: BuildStatus | None = None) -> BuildReport:
        status = status or (BuildStatus.CANCELLED if isinstance(error, Cancelled) else BuildStatus.FAILED)
        self._log.finish(status, datetime.now().astimezone(), error=error)
        self._registry.record("build", self._slave_id, f"{status}: {self._masker.mask(str(error))}")
        report = BuildReport(
            slave_id=self._slave_id,
            slave_host=self._address.host,
            status=status,
            exit_code=error.exit_code,
            log_file=self._log.path,
            document=self._log.document,
            error=error.message,
            hint=error.hint,
            failures=error.failures if isinstance(error, NoStrategyWorked) else (),
        )
        if status is not BuildStatus.FAILED:
            return report
        diagnosis = diagnose_build(report, last_output(error))
        self._log.note("diagnosis", diagnosis.as_json())
        return self.escalate_to_congress(replace(report, diagnosis=diagnosis))

    def escalate_to_congress(self, report: BuildReport) -> BuildReport:
        """Given how a build failed, call a person if its strategies are what failed; return the report with the
        request. The mission's step 8."""
        if not needs_a_person(report, self._options.is_strategy_wanted):
            return report
        request = congress_of(self._settings, self._registry).escalate(report)
        self._log.note("request", {"id": request.id, "status": request.status})
        return replace(report, request=request)


def _has_former_agent(client: SlaveClient) -> bool:
    """Whether the bootstrap that answers was put there by an agent, which can run again."""
    return client.credential is not None and client.credential.kind is CredentialKind.RESCUE


def _commit_of_this_master() -> str | None:
    try:
        return master_commit().hash
    except D8Error:
        return None
