#!/usr/bin/python3
"""ML Metadata's gRPC server: the store is the real one, out of the wheel ml-metadata; only this front is ours.

The wheel's extension has a function for each method of the service, which takes and gives serialised messages. The
command line is that of upstream's server, as far as Kubeflow Pipelines uses it.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent import futures
from typing import Any

import grpc
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as extension
from ml_metadata.proto import metadata_store_pb2

DATABASE_COMES_WITHIN = 120.0
# Their classes are counted from 0 to 16, as gRPC's status codes are.
STATUS = {status.value[0]: status for status in grpc.StatusCode}


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grpc_port", type=int, required=True)
    for name in ("database", "host", "user", "password"):
        parser.add_argument(f"--mysql_config_{name}", required=True)
    parser.add_argument("--mysql_config_port", type=int, required=True)
    parser.add_argument("--enable_database_upgrade", choices=["true", "false"], default="false")
    options, ignored = parser.parse_known_args()
    print(f"not known here, and ignored: {ignored}", file=sys.stderr, flush=True)
    front = Front()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((front,))
    server.add_insecure_port(f"0.0.0.0:{options.grpc_port}")
    # Before the store is there: upstream's probes look at the port, and would end a process that waits for it.
    server.start()
    front.store = open_store(options)
    print(f"serving on {options.grpc_port}", file=sys.stderr, flush=True)
    server.wait_for_termination()


def open_store(options: argparse.Namespace) -> Any:
    """Connect to the database, which may start later than this. Raises RuntimeError when it does not come."""
    config = metadata_store_pb2.ConnectionConfig()
    config.mysql.host = options.mysql_config_host
    config.mysql.port = options.mysql_config_port
    config.mysql.database = options.mysql_config_database
    config.mysql.user = options.mysql_config_user
    config.mysql.password = options.mysql_config_password
    migration = metadata_store_pb2.MigrationOptions(enable_upgrade_migration=options.enable_database_upgrade == "true")
    deadline = time.monotonic() + DATABASE_COMES_WITHIN
    while True:
        try:
            return extension.CreateMetadataStore(config.SerializeToString(), migration.SerializeToString())
        except RuntimeError as reason:
            if time.monotonic() > deadline:
                raise
            print(f"the database is not there yet: {reason}", file=sys.stderr, flush=True)
            time.sleep(1)


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Maps a method of the service to the extension's function of the same name."""

    def __init__(self) -> None:
        self.store: Any = None
        # The store holds one connection to its database.
        self._one_at_a_time = threading.Lock()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of one call, or None for a method that the store does not have."""
        function = getattr(extension, handler_call_details.method.rsplit("/", 1)[-1], None)
        if function is None:
            return None

        def call(request: bytes, context: grpc.ServicerContext) -> bytes:
            if self.store is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the database is not there yet")
            with self._one_at_a_time:
                response, message, code = function(self.store, request)
            if code:
                context.abort(STATUS[code], message.decode() if isinstance(message, bytes) else message)
            found: bytes = response
            return found

        return grpc.unary_unary_rpc_method_handler(call)


if __name__ == "__main__":
    main()
