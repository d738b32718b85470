"""The gRPC services that a Pulumi program and a provider host talk to."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

import grpc  # type: ignore[import-untyped,unused-ignore]
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from lab.engine.errors import EngineError, refuse
from lab.engine.provider import GRPC_OPTIONS
from lab.engine.state import STACK_TYPE, Resource
from lab.engine.steps import Cancelled, Deployment, Goal
from lab.engine.values import Properties, from_struct, to_struct

DYNAMIC_PACKAGE = "pulumi-python"
SEVERITIES = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}
FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)
# Every call of a program waits on a thread of its own until its resource is done.
SERVER_THREADS = 1000


@dataclass(frozen=True)
class LogMessage:
    """Something that a program or a provider says."""

    severity: str
    message: str
    urn: str
    ephemeral: bool


class EngineService(engine_pb2_grpc.EngineServicer):
    """What both the program and the provider host may call."""

    def __init__(self, on_log: Callable[[LogMessage], None]) -> None:
        self._on_log = on_log
        self._root = ""

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Take a message."""
        self._on_log(
            LogMessage(
                SEVERITIES[request.severity], request.message, request.urn, request.ephemeral
            )
        )
        return empty_pb2.Empty()

    def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.GetRootResourceResponse:
        """Return the URN of the stack."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        """Remember the URN of the stack."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


class MonitorService(resource_pb2_grpc.ResourceMonitorServicer):
    """What the program registers its resources with. One program, one run."""

    def __init__(
        self, deployment: Deployment, project: str, stack: str, config: Properties, parallel: int
    ) -> None:
        self._deployment = deployment
        self._project = project
        self._stack = stack
        self._config = config
        self._parallel = parallel
        self.finished = threading.Event()

    def GetDeploymentInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> resource_pb2.DeploymentInfo:
        """Tell what the engine can do."""
        return resource_pb2.DeploymentInfo(
            project=self._project,
            stack=self._stack,
            organization="organization",
            dryRun=self._deployment.dry_run,
            parallel=self._parallel,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Bring one resource to what the program asks for."""
        try:
            resource = self._register(request)
        except Exception as error:
            self._stop(request.name, error, context)
        # A component's old outputs may speak of resources that are not there yet.
        outputs = resource.outputs if resource.custom else {}
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn,
            id=resource.id,
            object=to_struct(outputs, keep_secrets=request.acceptSecrets),
        )

    def _register(self, request: resource_pb2.RegisterResourceRequest) -> Resource:
        _refuse_unknown(request)
        resource = Resource(
            urn=self._urn(request),
            type=request.type,
            custom=request.custom,
            inputs=from_struct(request.object),
            parent=request.parent,
            dependencies=list(request.dependencies),
            property_dependencies={
                key: list(value.urns) for key, value in request.propertyDependencies.items()
            },
            additional_secret_outputs=list(request.additionalSecretOutputs),
            ignore_changes=list(request.ignoreChanges),
            replace_on_changes=list(request.replaceOnChanges),
            deleted_with=request.deletedWith,
        )
        goal = Goal(
            resource,
            request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            request.protect if request.HasField("protect") else None,
            request.retainOnDelete if request.HasField("retainOnDelete") else None,
        )
        self._deployment.inherit(goal)
        if request.custom:
            resource.provider = self._deployment.register_provider(
                self._stack, self._project, self._config
            )
        return self._deployment.register(goal)

    def _urn(self, request: resource_pb2.RegisterResourceRequest) -> str:
        kind = request.type
        if request.parent:
            parent_kind = request.parent.split("::")[2]
            if parent_kind != STACK_TYPE:
                kind = f"{parent_kind}${kind}"
        return f"urn:pulumi:{self._stack}::{self._project}::{kind}::{request.name}"

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take the outputs of a component or of the stack."""
        try:
            if self._deployment.is_cancelled:
                raise Cancelled
            self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        except Exception as error:
            self._stop(request.urn, error, context)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take the program's word that it registers no more."""
        self.finished.set()
        return empty_pb2.Empty()

    def _stop(self, name: str, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        if isinstance(error, EngineError):
            self._deployment.fail("", f"{name}: {error}")
        elif not isinstance(error, Cancelled):
            self._deployment.fail("", f"the stand-in itself failed at {name}: {error!r}")
        context.abort(grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")
        raise AssertionError("abort does not return")

    def _refuse_call(self, what: str, context: grpc.ServicerContext) -> NoReturn:
        error = refuse(what)
        self._deployment.fail("", str(error))
        context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        raise AssertionError("abort does not return")

    def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        """Refuse."""
        self._refuse_call(f"the invoke {request.tok}", context)

    def Call(
        self, request: resource_pb2.ResourceCallRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        """Refuse."""
        self._refuse_call(f"the call {request.tok}", context)

    def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        """Refuse."""
        self._refuse_call(f"reading the external resource {request.name}", context)

    def RegisterPackage(
        self, request: resource_pb2.RegisterPackageRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        """Refuse."""
        self._refuse_call(f"the package {request.name}", context)


def _refuse_unknown(request: resource_pb2.RegisterResourceRequest) -> None:
    package = request.type.split(":", 1)[0]
    if request.remote:
        raise refuse("remote components")
    if request.custom and package != DYNAMIC_PACKAGE:
        raise refuse(f"resources of type {request.type}", "it runs dynamic resources only")
    for option, name in (
        ("importId", "import_"),
        ("aliases", "aliases"),
        ("aliasURNs", "aliases"),
        ("transforms", "transforms"),
        ("state_migrations", "state_migrations"),
        ("replace_with", "replace_with"),
        ("provider", "provider"),
        ("providers", "providers"),
        ("version", "version"),
        ("pluginDownloadURL", "plugin_download_url"),
        ("packageRef", "package"),
        ("envVarMappings", "env_var_mappings"),
    ):
        if getattr(request, option):
            raise refuse(f"the resource option {name}")
    if request.HasField("replacement_trigger"):
        raise refuse("the resource option replacement_trigger")
    if request.HasField("customTimeouts"):
        raise refuse("the resource option custom_timeouts", "dynamic providers ignore it")
    if request.HasField("hooks") and request.hooks.ByteSize():
        raise refuse("the resource option hooks")


@dataclass
class Server:
    """A gRPC server: for provider hosts, and with a monitor for a program."""

    grpc_server: grpc.Server
    address: str

    @classmethod
    def start(
        cls, on_log: Callable[[LogMessage], None], monitor: MonitorService | None = None
    ) -> "Server":
        """Answer on a free port of the loopback."""
        server = grpc.server(ThreadPoolExecutor(max_workers=SERVER_THREADS), options=GRPC_OPTIONS)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(on_log), server)
        if monitor is not None:
            resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return cls(server, f"127.0.0.1:{port}")

    def stop(self) -> None:
        """Stop answering."""
        self.grpc_server.stop(0).wait(5)
