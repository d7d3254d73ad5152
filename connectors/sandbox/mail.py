"""An SMTP server that keeps every mail as a file instead of delivering it."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from connectors.sandbox.certificate import Certificate
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.state import CallLog

# a login is accepted over TLS, and never asked for
USERNAME = "koers"
PASSWORD = "sandbox-smtp-password"  # noqa: S105

_USUAL_REPLIES = {
    "quota": "451 4.7.1 Try again later, too many messages",
    "internal": "451 4.3.0 Requested action aborted: local error in processing",
    "unavailable": "421 4.3.2 Service not available, closing transmission channel",
    "permission": "550 5.1.1 Mailbox unavailable",
    "token_expired": "535 5.7.8 Authentication credentials invalid",
    "bad_body": "999 what",
}


def reply_of(fault: Fault) -> str:
    """Return the SMTP reply of a fault; ``status`` and ``reason`` replace the usual ones."""
    code, _, text = _USUAL_REPLIES.get(fault.kind, "451 4.3.0 Try again later").partition(" ")
    return f"{fault.status or code} {fault.reason or text}"


class MailInbox:
    """Writes ``<nn>-<recipient>.eml`` into a folder, byte for byte as received."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def keep(self, content: bytes, recipients: list[str]) -> Path:
        name = re.sub(r"[^a-z0-9]+", "-", (recipients or ["nobody"])[0].lower()).strip("-")
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            numbers = [
                int(found[1])
                for path in self.folder.glob("*.eml")
                if (found := re.match(r"(\d+)-", path.name))
            ]
            path = self.folder / f"{max(numbers, default=0) + 1:02d}-{name or 'nobody'}.eml"
            path.write_bytes(content)
        return path


class _Handler:
    """What aiosmtpd calls. A fault with ``after_messages`` keeps the mail before it fails."""

    def __init__(self, inbox: MailInbox, faults: Faults, calls: CallLog) -> None:
        self.inbox = inbox
        self.faults = faults
        self.calls = calls

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        reply = "250 OK"
        if fault := self.faults.take("smtp", "RCPT", address):
            reply = await self._play(fault, server)
        else:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        self.calls.add("smtp", "RCPT", address, int(reply[:3]))
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        fault = self.faults.take("smtp", "DATA")
        reply = "250 OK: kept"
        kept = ""
        if fault is None or fault.after_messages:
            path = self.inbox.keep(envelope.original_content, envelope.rcpt_tos)
            kept = path.name
        if fault:
            reply = await self._play(fault, server)
        self.calls.add(
            "smtp",
            "DATA",
            None,
            int(reply[:3]),
            sender=envelope.mail_from,
            recipients=list(envelope.rcpt_tos),
            kept=kept,
        )
        return reply

    async def _play(self, fault: Fault, server: Any) -> str:
        if fault.kind == "stall":
            await asyncio.to_thread(self.faults.stall)
        elif fault.kind == "cut":
            server.transport.abort()
        return reply_of(fault)


class MailServer:
    """SMTP on 127.0.0.1; STARTTLS with the sandbox's certificate and a login are offered."""

    def __init__(
        self,
        port: int,
        inbox: MailInbox,
        faults: Faults,
        calls: CallLog,
        certificate: Certificate | None = None,
    ) -> None:
        self.port = port
        tls = None
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate.cert_file, certificate.key_file)

        def log_in(server: Any, session: Any, envelope: Any, mechanism: str, said: Any) -> Any:
            fault = faults.take("smtp", "AUTH")
            known = isinstance(said, LoginPassword) and (
                said.login == USERNAME.encode() and said.password == PASSWORD.encode()
            )
            calls.add("smtp", "AUTH", None, 235 if known and not fault else 535)
            return AuthResult(success=known and not fault, handled=False)

        self._controller = Controller(
            _Handler(inbox, faults, calls),
            hostname="127.0.0.1",
            port=port,
            ident="Koers sandbox",
            enable_SMTPUTF8=True,
            tls_context=tls,
            authenticator=log_in,
        )

    def start(self) -> None:
        """Raises OSError when the port is in use."""
        self._controller.start()

    def stop(self) -> None:
        # from Python 3.12 on, closing waits for clients that stay connected: do not wait for them
        stopping = threading.Thread(
            target=self._controller.stop, kwargs={"no_assert": True}, daemon=True
        )
        stopping.start()
        stopping.join(2)
