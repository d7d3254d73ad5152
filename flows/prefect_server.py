"""A Prefect server of our own on 127.0.0.1, for when there is no PREFECT_API_URL.

It lives as long as this process. We start it ourselves because Prefect's own
temporary server makes this process import the whole server too (3 CPU seconds),
is waited for before anything else is done, and never gives back the slot of a
killed run. Imports no Prefect, so that it starts while our own modules load.

Run as a module it is that server's process: ``python -m flows.prefect_server FD``
serves on an inherited socket until its standard input ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# how long a server that was asked to stop may write down what it still holds
STOP_SECONDS = 10

ALWAYS = {
    # Prefect's kinds of blocks are of no use here; writing them down takes a new server a while
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    # on a busy machine SQLite has to be waited for; the usual 10 and 5 seconds were too short
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    # what tasks tell of themselves is written down once a second, not a transaction each: with
    # SQLite these get in the way of whoever asks for the warehouse's slot, who is then sent away
    # (503) and comes back two seconds later
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
# the events of a single run are read by nobody and nothing reacts to them
ONLY_FOR_A_RUN = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "false",
}

# where Prefect's own server is by default
USUAL_PORT = 4200

_servers: list[subprocess.Popen[bytes]] = []


def is_own() -> bool:
    """True when the server in use belongs to this process alone."""
    return bool(_servers)


def ensure(services: bool = False, port: int = 0) -> None:
    """Start a server of our own unless one is configured; PREFECT_API_URL tells where it is.

    Returns at once: who connects waits until the server answers. With
    ``services`` it also schedules runs and serves the user interface; without,
    it only keeps the books of the runs of this process. ``port`` is taken when
    it is free, another one otherwise.
    """
    if os.environ.get("PREFECT_API_URL") or _servers or _configured_elsewhere():
        return
    listening = _listen(port)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    environment = ALWAYS | os.environ | {"PREFECT__SERVER_FINAL": "1", "OTEL_SDK_DISABLED": "true"}
    if services:
        environment["PREFECT_UI_API_URL"] = f"{address}/api"
    else:
        environment = ONLY_FOR_A_RUN | environment
    with listening:
        server = subprocess.Popen(  # noqa: S603 (our own module, our own argument)
            [sys.executable, "-P", "-m", "flows.prefect_server", str(listening.fileno())],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            # an interrupt from the keyboard ends the run first
            start_new_session=True,
        )
    _servers.append(server)
    os.environ["PREFECT_API_URL"] = f"{address}/api"
    # before Prefect is imported, so that its own last words are sent before this is called
    atexit.register(stop)


@contextmanager
def alone_at_home() -> Iterator[None]:
    """Keep other `koers serve` from the same Prefect home while the block runs.

    Two servers on one database would both create the scheduled runs. Where a server is
    configured, it is its own business. Raises WarehouseBusyError that names the other process.
    """
    if os.environ.get("PREFECT_API_URL") or _configured_elsewhere():
        yield
        return
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "koers-serve.lock").open("a+") as lock:  # ends with its process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            from flows.warehouse import WarehouseBusyError

            lock.seek(0)
            who = lock.read().strip() or "another process"
            raise WarehouseBusyError(
                f"`koers serve` is running already, {who}; stop it first, or give this one "
                "a Prefect home of its own (PREFECT_HOME)"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        yield


def stop() -> None:
    """Stop the server that ``ensure`` started, if any."""
    while _servers:
        server = _servers.pop()
        os.environ.pop("PREFECT_API_URL", None)
        if server.stdin:
            server.stdin.close()
        # at once while it still starts, else after what it holds is written down
        server.terminate()
        try:
            server.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            listening.bind(("127.0.0.1", 0))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def _configured_elsewhere() -> bool:
    """True when a Prefect profile or project file may name a server: let Prefect decide."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    for place in (
        Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml")),
        Path("prefect.toml"),
        Path("pyproject.toml"),
        Path(".env"),
    ):
        try:
            told = place.read_text(errors="replace").lower()
        except OSError:
            continue
        if "prefect_api_url" in told or "[tool.prefect" in told or place.name == "prefect.toml":
            return True
    return False


# --- the server's process ---------------------------------------------------------------------


def main() -> None:
    """Serve Prefect's API on the socket that was inherited, until standard input ends."""
    import gc
    import threading

    # nothing that is loaded now is ever garbage: looking for it costs a second
    gc.disable()
    import uvicorn

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    config.load()
    gc.freeze()
    gc.enable()
    server = uvicorn.Server(config)

    def stop_with_the_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
