"""Messages by e-mail over SMTP.

Sources: https://docs.python.org/3/library/smtplib.html, RFC 5321 (answers),
RFC 8314 (port 465 is TLS from the start), RFC 3834 (automatic messages).
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connectors.base import MailMessage, Sent
from connectors.deadlines import bounded_reader, deadline

LOOPBACK = ("127.0.0.1", "localhost", "::1")
IMPLICIT_TLS_PORT = 465
# of a server's time-out, for a mail from the greeting to its last answer
WAITS_IN_ALL = 4
# what RFC 5321 says with these: the server hangs up; it takes no more recipients at a time
_CLOSING, _TOO_MANY = 421, 452
_NO_ANSWER = -1  # what smtplib makes of a line that is no answer of SMTP

_JOINERS = "\u200c\u200d"  # of emoji and of Persian; they are seen only in what they join
_LOCAL, _DOMAIN = r"[^<>@\s,;:\"()]+", r"[^<>@\s,;:\"()]+"
_ADDRESS = re.compile(
    rf"(?P<name>[^<>@\r\n]*)<(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN})>"
    rf"|(?P<bare_local>{_LOCAL})@(?P<bare_domain>{_DOMAIN})"
)


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed in. Without TLS only on 127.0.0.1, whatever is asked.

    ``starttls`` begins in the open and goes on over TLS (ports 25 and 587);
    port 465, or ``implicit_tls``, is TLS from the first byte. Certificates are
    verified, with those of ``ca_file`` in place of the system's when given.
    ``sender`` is an address, with or without a name.
    """

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None
    starttls: bool = True
    ca_file: Path | None = None
    implicit_tls: bool | None = None
    timeout_seconds: float = 30.0

    @property
    def is_implicit(self) -> bool:
        return self.port == IMPLICIT_TLS_PORT if self.implicit_tls is None else self.implicit_tls


def send_mail(
    server: SmtpServer, message: MailMessage, recipients: Sequence[str], message_key: str
) -> Sent:
    """Hand in one mail for all recipients; says of each refused one whether it may work later.

    ``retry``: those in ``refused`` are still to be served, all of them where it
    is empty. ``sent`` with ``refused``: these were refused for good. ``unknown``:
    the connection broke after the mail was on its way, to ``refused`` where the
    others had been served before. ``given_up`` names who was refused for good
    beside them. A server that takes fewer recipients at a time (452) gets the
    mail again for the rest. A wait takes ``timeout_seconds`` at most and all of
    them together four times that, however the server drips. The Message-ID comes
    from ``message_key``, so that a repeat is the same mail to a mail program. No
    address and no password is in an error text.
    """
    recipients = list(dict.fromkeys(recipients))
    if not recipients:
        return Sent("failed", "no recipients")
    try:
        mail = compose(server.sender, message, recipients, message_key)
        sender = _address(server.sender).addr_spec
        to = [_address(recipient).addr_spec for recipient in recipients]
    except (ValueError, IndexError, UnicodeError):
        # the address itself stays out of the text
        return Sent("failed", "an address of the sender or of a recipient is not valid")
    is_local = server.host in LOOPBACK
    if not (server.is_implicit or server.starttls or is_local):
        return Sent("failed", "mail without TLS is for 127.0.0.1 only; set starttls: true")
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:  # also what is no certificate
        return Sent("failed", f"ca_file cannot be used ({type(error).__name__})")
    # what was said of each address, under the address as the settings have it
    tally = _Tally(dict(zip(to, recipients, strict=True)))
    with deadline(WAITS_IN_ALL * server.timeout_seconds):
        connection: _Connection | None = None
        try:
            connection = _connect(server, context)
            while tally.left:
                connection.body_begun = False
                refused = connection.sendmail(sender, tally.left, mail.as_bytes())
                if not tally.note(refused):
                    break
        except smtplib.SMTPRecipientsRefused as error:
            tally.note(error.recipients)
        except (smtplib.SMTPException, OSError) as error:
            return tally.after(_broke_off(error, connection))
        finally:
            if connection is not None:
                with suppress(smtplib.SMTPException, OSError):
                    connection.quit()
                connection.close()
    return tally.result()


class _Unfolded(UnstructuredHeader, BaseHeader):
    """A header in one line: of an address without spaces Python would make encoded words."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", _Unfolded)
_POLICY = SMTP.clone(header_factory=_headers)


class _Tally:
    """Who was served, who is refused for good, and who is left for another time."""

    def __init__(self, by_address: dict[str, str]) -> None:
        self._by_address = by_address
        self.left = list(by_address)
        self._lost: list[str] = []
        self._codes: dict[str, int] = {}
        self._served = 0

    def note(self, refused: Mapping[str, tuple[int, bytes]]) -> bool:
        """Take the answers of a transaction; True where another one can serve more at once."""
        codes = {to: code for to, (code, _) in refused.items()}
        # 421 closes the connection: who comes after it was not asked
        is_cut = _CLOSING in codes.values()
        served = [] if is_cut else [to for to in self.left if to not in codes]
        if len(codes) == len(self.left):
            served = []
        self._codes |= codes
        self._served += len(served)
        self._lost += [to for to, code in codes.items() if not _is_temporary(code)]
        self.left = [to for to in self.left if to not in served and to not in self._lost]
        return bool(served) and any(codes.get(to) == _TOO_MANY for to in self.left)

    def result(self) -> Sent:
        """What became of the mail as a whole."""
        told = f"{len(self._codes)} of {len(self._by_address)} recipients were refused"
        if len(self._codes) == len(self._by_address):
            told = "every recipient was refused"
        told += f" ({_codes(self._codes.values())})"
        if self.left:
            return Sent("retry", told, refused=self._others, given_up=self._given_up)
        if self._served:
            return Sent("sent", told if self._lost else "", refused=self._given_up)
        return Sent("failed", told)

    def after(self, sent: Sent) -> Sent:
        """What an end in the middle means, for those whom nobody served or refused before it."""
        if not self._served and not self._lost:
            return sent
        if sent.state == "failed":  # the others have it, or were refused by name
            lost = self._said([*self._lost, *self.left])
            return replace(sent, state="sent", refused=lost) if self._served else sent
        return replace(sent, refused=self._others, given_up=self._given_up)

    @property
    def _others(self) -> tuple[str, ...]:
        """Who is left, by name; nobody by name where that is everybody."""
        return () if len(self.left) == len(self._by_address) else self._said(self.left)

    @property
    def _given_up(self) -> tuple[str, ...]:
        return self._said(self._lost)

    def _said(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """The addresses as the settings have them, in their order."""
        return tuple(said for to, said in self._by_address.items() if to in addresses)


def _broke_off(error: smtplib.SMTPException | OSError, connection: _Connection | None) -> Sent:
    """What an error of the library means for the mail that was being handed in."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return _by_code(error.smtp_code, "the login was refused")
        case smtplib.SMTPHeloError() | smtplib.SMTPConnectError():
            return _by_code(error.smtp_code, "the server does not want to talk")
        case smtplib.SMTPSenderRefused():
            return _by_code(error.smtp_code, "the sender was refused")
        case smtplib.SMTPDataError() if error.smtp_code == _NO_ANSWER:
            return Sent("unknown", "the answer to the mail was not one")
        case smtplib.SMTPDataError():
            return _by_code(error.smtp_code, "the mail was refused")
        case smtplib.SMTPResponseException() if error.smtp_code != _NO_ANSWER:
            return _by_code(error.smtp_code, "the server refused TLS or a command")
        case smtplib.SMTPNotSupportedError():
            return Sent("failed", "the server offers no TLS or no login; check starttls and port")
        case ssl.SSLCertVerificationError():
            return Sent("retry", f"the certificate is not trusted: {error.verify_message}")
    if connection is not None and connection.body_begun:
        return Sent("unknown", f"the connection broke off ({type(error).__name__})")
    # smtplib says "host not reached" and "nothing before the mail itself" in many ways
    return Sent("retry", f"the server could not be reached ({type(error).__name__})")


def compose(
    sender: str, message: MailMessage, recipients: Sequence[str], message_key: str
) -> EmailMessage:
    """The mail: plain text, and HTML with its pictures as an alternative to it.

    Raises ValueError for an address that is none.
    """
    written_by = _address(sender)
    digest = hashlib.sha256(message_key.encode()).hexdigest()[:32]
    at = message.sent_at or datetime.now(UTC)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = written_by
    mail["To"] = [_address(recipient) for recipient in recipients]
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = format_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    mail["Message-ID"] = f"<{digest}@{written_by.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # asks absence notices to stay silent
    mail["Content-Language"] = _one_line(message.language)
    if message.unsubscribe:
        # `=?` would look like the beginning of an encoded word
        mail["List-Unsubscribe"] = f"<{_one_line(message.unsubscribe.replace('=?', '=%3F'))}>"
    # quoted-printable: ASCII on the wire, whatever the server can bear, and no line too long
    mail.set_content(message.text, charset="utf-8", cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", charset="utf-8", cte="quoted-printable")
    _, html = mail.iter_parts()
    assert isinstance(html, EmailMessage)
    for name, picture in message.pictures:
        html.add_related(
            picture,
            "image",
            "png",
            cid=f"<{_one_line(name)}>",
            disposition="inline",
            filename=f"{_one_line(name)}.png",
        )
    return mail


class _Connection(smtplib.SMTP):
    """Knows whether the mail itself was on its way when something broke; reads with a deadline."""

    body_begun = False

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            assert isinstance(self.timeout, int | float)
            self.file = bounded_reader(self.sock, self.timeout)
        return super().getreply()

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.body_begun = True
        return super().data(msg)


class _TlsConnection(smtplib.SMTP_SSL, _Connection):
    pass


def _connect(server: SmtpServer, context: ssl.SSLContext) -> _Connection:
    # smtplib looks up this machine's full name, which takes seconds where there is no DNS
    told: dict[str, Any] = {"local_hostname": "localhost"} if server.host in LOOPBACK else {}
    told["timeout"] = server.timeout_seconds
    connection: _Connection
    if server.is_implicit:
        connection = _TlsConnection(server.host, server.port, context=context, **told)
    else:
        connection = _Connection(server.host, server.port, **told)
    try:
        if server.starttls and not server.is_implicit:
            connection.starttls(context=context)
        if server.username is not None and server.password is not None:
            connection.login(server.username, server.password.get_secret_value())
    except BaseException:
        connection.close()
        raise
    return connection


def _by_code(code: int, told: str) -> Sent:
    """4xx may work later; the server's own words stay out, they often hold addresses."""
    return Sent("retry" if _is_temporary(code) else "failed", f"{told} ({code})")


def _is_temporary(code: int) -> bool:
    return 400 <= code < 500 or code == _NO_ANSWER


def _codes(codes: Iterable[int]) -> str:
    return ", ".join(str(code) for code in sorted(set(codes)))


def _address(said: str) -> Address:
    """`a@b.example` or `Name <a@b.example>`; a domain with accents becomes ASCII."""
    found = _ADDRESS.fullmatch(said.strip())
    if found is None:
        raise ValueError("not an address")
    local, domain = (found["local"] or found["bare_local"], found["domain"] or found["bare_domain"])
    if not local.isascii():
        raise ValueError("only ASCII before the @ is understood everywhere")
    ascii_domain = domain.encode("idna").decode("ascii")
    name = _one_line(found["name"] or "").strip('"')
    return Address(display_name=name, addr_spec=f"{local}@{ascii_domain}")


def _one_line(said: str) -> str:
    """Header text: a line break would begin a header of the sender's choice.

    So would one that is encoded (`=?utf-8?q?=0D=0ABcc…?=`): Python's own email package
    decodes what looks like an encoded word before it writes the header.
    """
    told = "".join(c if c.isprintable() or c in _JOINERS else " " for c in said)
    return " ".join(told.replace("=?", "= ?").split())
