"""BuildD8Slave: the mission's eight steps, from an address to a registered slave. Each step has its module."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from platformdirs import user_cache_path

from d8 import __version__
from d8.build.activation import AgentFacts
from d8.build.attempts import Built, NoStrategyWorked, run_strategies
from d8.build.build_log import BuildLog
from d8.build.connectivity import Connectivity
from d8.build.context import BuildContext
from d8.build.events import Observer, StepName
from d8.build.examination import ask_facts, settle_identity, warnings_for
from d8.build.progress import Progress
from d8.build.provision import bring_source, install_prerequisites
from d8.build.recorder import RemoteShell, last_output
from d8.build.registration import register, warn_of_reboot
from d8.build.retry import RetryPolicy
from d8.build.strategies import STRATEGIES, Strategy
from d8.build.wheels import WheelCache
from d8.commands import activation, release
from d8.congress.congress import congress_of
from d8.congress.diagnosis import diagnose_build
from d8.congress.human_request import needs_a_person
from d8.errors import Cancelled, D8Error, ExitCode
from d8.fleet.agent_client import SlaveClient
from d8.fleet.names import Address, slave_id_for
from d8.fleet.registry import Registry
from d8.masking import Masker
from d8.messages import message
from d8.models import BuildReport, BuildStatus, CredentialKind, Slave
from d8.settings import Settings
from d8.source import Commit, master_commit


class BuildD8Slave:
    """Builds one slave, once. Given its address, the settings, the registry and who watches."""

    def __init__(
        self,
        address: Address,
        settings: Settings,
        registry: Registry,
        observer: Observer,
        strategies: tuple[Strategy, ...] = STRATEGIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = address
        self._settings = settings
        self._registry = registry
        self._strategies = strategies
        self._sleep = sleep
        self._slave_id = slave_id_for(address)
        self._masker = Masker(settings.secrets)
        started = datetime.now().astimezone()
        self._log = BuildLog(settings.data_dir / "build_logs", self._slave_id, address.host, started, self._masker)
        self._progress = Progress(observer, self._log)

    def build(self) -> BuildReport:
        """Run the steps and return how it ended: a failed build is a report with its reason, not an exception."""
        try:
            slave = self._build()
        except D8Error as error:
            return self._failed(error)
        except KeyboardInterrupt:
            return self._failed(
                Cancelled("cancelled by the operator", "The bootstrap stays on the slave: build again.")
            )
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
        connectivity = Connectivity(self._address, self._settings, self._registry, self._sleep)
        with self._progress.step(StepName.CONNECTIVITY) as step:
            server = connectivity.find_server(commit, self._progress, step)
        if server.is_up_to_date:
            return self._adopt(server.client)
        try:
            context = self._prepare(server.client, connectivity, commit)
            built = self._install(context, server.client)
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
        shell = RemoteShell(client, self._log, self._masker, self._progress.observer, self._sleep)
        with self._progress.step(StepName.PREFLIGHT) as step:
            facts = ask_facts(shell, self._settings.command_timeout_seconds, step)
            identity = settle_identity(self._address, facts, self._registry, connectivity.answers_elsewhere)
            self._name(identity.slave_id)
        for warning in ([identity.notice] if identity.notice else []) + warnings_for(facts, time.time()):
            self._progress.warn(warning)
        with self._progress.step(StepName.PREREQUISITES) as step:
            install_prerequisites(shell, facts, self._settings, step)
        with self._progress.step(StepName.SOURCE) as step:
            archive = bring_source(shell, self._settings, commit, self._progress, step)
        return BuildContext(
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
            release=release.folder(facts, commit.hash),
            wheels=WheelCache(user_cache_path("d8") / "wheels"),
        )

    def _install(self, context: BuildContext, client: SlaveClient) -> Built:
        """Steps 5 to 7. A slave that had an agent before gets it back when nothing works."""
        policy = RetryPolicy(self._settings.attempts, self._settings.retry_delay_seconds)
        try:
            return run_strategies(self._strategies, context, policy, self._sleep)
        except (D8Error, KeyboardInterrupt):
            if client.credential and client.credential.kind is CredentialKind.RESCUE:
                self._put_back_the_agent(context)
            raise

    def _adopt(self, client: SlaveClient) -> Slave:
        """The wanted agent answers already, perhaps since a master that was killed: confirm once more and register."""
        agent = AgentFacts.read(client.system())
        client.confirm()
        client.close()
        self._name((client.credential.slave_id if client.credential else None) or self._slave_id)
        return self._register(agent, None)

    def _register(self, agent: AgentFacts, built: Built | None) -> Slave:
        with self._progress.step(StepName.REGISTER) as step:
            strategy = built.strategy if built else None
            slave = register(self._address, self._slave_id, agent, strategy, self._settings.tls, self._registry)
            step.outcome = message("{slave} is registered", slave=slave.slave_id)
        warn_of_reboot(slave, self._progress)
        return slave

    def _put_back_the_agent(self, context: BuildContext) -> None:
        command = activation.put_back(context.facts, release.launcher(context.facts))
        try:
            purpose = message("putting the former agent back")
            context.shell.run(command, timeout_seconds=self._settings.command_timeout_seconds, purpose=purpose)
        except D8Error as error:
            self._progress.warn(message("the former agent could not be put back: {reason}", reason=error.message))

    def _name(self, slave_id: str) -> None:
        self._slave_id = slave_id
        self._log.note("slave_id", slave_id)

    def _failed(self, error: D8Error) -> BuildReport:
        status = BuildStatus.CANCELLED if isinstance(error, Cancelled) else BuildStatus.FAILED
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
        if not needs_a_person(report):
            return report
        request = congress_of(self._settings, self._registry).escalate(report)
        self._log.note("request", {"id": request.id, "status": request.status})
        return replace(report, request=request)
