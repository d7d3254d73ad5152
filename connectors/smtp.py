"""Messages by e-mail over SMTP.

Sources: https://docs.python.org/3/library/smtplib.html, RFC 5321 (answers),
RFC 8314 (port 465 is TLS from the start), RFC 3834 (automatic messages).
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connectors.base import MailMessage, Sent

LOOPBACK = ("127.0.0.1", "localhost", "::1")
IMPLICIT_TLS_PORT = 465

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

    ``retry`` with ``refused``: these were put off, the others were served.
    ``sent`` with ``refused``: these were refused for good. ``unknown``: the
    connection broke after the mail was on its way. The Message-ID comes from
    ``message_key``, so that a repeat is the same mail to a mail program. No
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
    # what was said of each address, under the address as the settings have it
    by_address = dict(zip(to, recipients, strict=True))
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:  # also what is no certificate
        return Sent("failed", f"ca_file cannot be used ({type(error).__name__})")
    connection: _Connection | None = None
    try:
        connection = _connect(server, context)
        refused = connection.sendmail(sender, to, mail.as_bytes())
    except smtplib.SMTPRecipientsRefused as error:
        return _all_refused(error.recipients)
    except smtplib.SMTPAuthenticationError as error:
        return _by_code(error.smtp_code, "the login was refused")
    except (smtplib.SMTPHeloError, smtplib.SMTPConnectError) as error:
        return _by_code(error.smtp_code, "the server does not want to talk")
    except smtplib.SMTPSenderRefused as error:
        return _by_code(error.smtp_code, "the sender was refused")
    except smtplib.SMTPDataError as error:
        return _by_code(error.smtp_code, "the mail was refused")
    except smtplib.SMTPNotSupportedError:
        return Sent("failed", "the server offers no TLS or no login; check starttls and the port")
    except ssl.SSLCertVerificationError as error:
        return Sent("retry", f"the certificate is not trusted: {error.verify_message}")
    except (smtplib.SMTPException, OSError) as error:
        if connection is not None and connection.body_begun:
            return Sent("unknown", f"the connection broke off ({type(error).__name__})")
        # smtplib says "host not reached" and "nothing before the mail itself" in many ways
        return Sent("retry", f"the server could not be reached ({type(error).__name__})")
    finally:
        if connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()
    return _partly_refused(refused, by_address)


def compose(
    sender: str, message: MailMessage, recipients: Sequence[str], message_key: str
) -> EmailMessage:
    """The mail: plain text, and HTML with its pictures as an alternative to it.

    Raises ValueError for an address that is none.
    """
    written_by = _address(sender)
    digest = hashlib.sha256(message_key.encode()).hexdigest()[:32]
    at = message.sent_at or datetime.now(UTC)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = written_by
    mail["To"] = [_address(recipient) for recipient in recipients]
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = format_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    mail["Message-ID"] = f"<{digest}@{written_by.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # asks absence notices to stay silent
    mail["Content-Language"] = _one_line(message.language)
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
    """Knows whether the mail itself was on its way when something broke."""

    body_begun = False

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


def _all_refused(refused: dict[str, tuple[int, bytes]]) -> Sent:
    codes = [code for code, _ in refused.values()]
    told = f"every recipient was refused ({_codes(codes)})"
    return Sent("retry" if any(_is_temporary(code) for code in codes) else "failed", told)


def _partly_refused(refused: dict[str, tuple[int, bytes]], by_address: dict[str, str]) -> Sent:
    if not refused:
        return Sent("sent")
    put_off = tuple(by_address[to] for to, (code, _) in refused.items() if _is_temporary(code))
    codes = _codes([code for code, _ in refused.values()])
    told = f"{len(refused)} of {len(by_address)} recipients were refused ({codes})"
    if put_off:
        return Sent("retry", told, refused=put_off)
    return Sent("sent", told, refused=tuple(by_address[to] for to in refused))


def _by_code(code: int, told: str) -> Sent:
    """4xx may work later; the server's own words stay out, they often hold addresses."""
    return Sent("retry" if _is_temporary(code) else "failed", f"{told} ({code})")


def _is_temporary(code: int) -> bool:
    return 400 <= code < 500 or code == -1  # -1: the answer was not one


def _codes(codes: Sequence[int]) -> str:
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
