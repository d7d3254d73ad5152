"""Try the channels out without sending anything: a mail server's login, a Slack bot's token."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from pydantic import SecretStr

from connectors.smtp import LOOPBACK, SmtpServer

SLACK_APPS_PAGE = "https://api.slack.com/apps"
_TIMEOUT_SECONDS = 15.0
_WRITE_SCOPE = "chat:write"
# What a bot does without, where it must; in a private channel it reads with groups:history.
_WITHOUT = (
    (("files:write",), "without files:write it sends no charts"),
    (
        ("channels:history", "groups:history"),
        "without channels:history it may repeat a message whose answer was lost",
    ),
)


@dataclass(frozen=True)
class Tried:
    """How a channel answered; ``step`` and ``link`` say what to do about it."""

    is_fine: bool
    told: str
    step: str = ""
    link: str = ""


def try_mail_server(server: SmtpServer) -> Tried:
    """Connect, begin TLS and log in as for a mail, and go again without one."""
    where = f"{server.host}:{server.port}"
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError:
        return Tried(False, f"the certificate file {server.ca_file} cannot be used",
                     "correct ca_file under smtp")  # fmt: skip
    connection: smtplib.SMTP | None = None
    # smtplib looks up this machine's full name, which takes seconds where there is no DNS
    told: dict[str, Any] = {"local_hostname": "localhost"} if server.host in LOOPBACK else {}
    told["timeout"] = _TIMEOUT_SECONDS
    try:
        if server.is_implicit:
            connection = smtplib.SMTP_SSL(server.host, server.port, context=context, **told)
        else:
            connection = smtplib.SMTP(server.host, server.port, **told)
            if server.starttls:
                connection.starttls(context=context)
        if server.username is not None and server.password is not None:
            connection.login(server.username, server.password.get_secret_value())
        connection.noop()
    except smtplib.SMTPAuthenticationError as error:
        return Tried(
            False,
            f"{where} refuses the login of {server.username} ({error.smtp_code})",
            "check username and password under smtp; Gmail and Microsoft 365 want an app "
            "password, not the one of the mailbox",
        )
    except smtplib.SMTPNotSupportedError:
        return Tried(
            False,
            f"{where} offers no {'TLS' if server.starttls else 'login'}",
            "use port 587 with starttls, or 465; ask whoever runs the mail server",
        )
    except ssl.SSLCertVerificationError as error:
        return Tried(
            False,
            f"the certificate of {where} is not trusted: {error.verify_message}",
            "write the host as its certificate has it, or set ca_file under smtp to the "
            "authority that signed it",
        )
    except ssl.SSLError:
        return Tried(
            False,
            f"{where} does not speak TLS the way it is asked to",
            "port 465 is TLS from the start, 587 and 25 begin in the open: correct port under smtp",
        )
    except (smtplib.SMTPException, OSError) as error:
        return Tried(
            False,
            f"{where} cannot be reached ({type(error).__name__})",
            "check host and port under smtp; many networks close port 25",
        )
    finally:
        if connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()
    how = "over TLS" if server.starttls or server.is_implicit else "without TLS"
    login = f", logged in as {server.username}" if server.username else ""
    return Tried(True, f"{where} answers {how}{login}; no mail was sent")


def try_slack_bot(token: SecretStr, endpoint: str) -> Tried:
    """Ask Slack who the token is (auth.test); nothing is posted."""
    if not token.get_secret_value().isascii():
        return Tried(False, "the bot token is not one", "copy it again: it begins with xoxb-",
                     SLACK_APPS_PAGE)  # fmt: skip
    with requests.Session() as session:
        session.trust_env = not endpoint.startswith(("http://127.0.0.1", "http://localhost"))
        try:
            response = session.post(
                f"{endpoint.rstrip('/')}/auth.test",
                headers={"Authorization": f"Bearer {token.get_secret_value()}"},
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            told = response.json()
        except requests.JSONDecodeError:
            return Tried(False, "Slack gave an answer that is not its own",
                         "check endpoint of the route, and a proxy in between")  # fmt: skip
        except requests.RequestException as error:
            return Tried(False, f"Slack cannot be reached ({type(error).__name__})",
                         "check the network and a proxy (HTTPS_PROXY)")  # fmt: skip
    if not isinstance(told, dict) or not told.get("ok"):
        error_ = str(told.get("error", "")) if isinstance(told, dict) else ""
        if error_ in ("ratelimited", "service_unavailable", "internal_error", "fatal_error"):
            return Tried(False, f"Slack has no answer now ({error_})", "try again in a minute")
        return Tried(
            False,
            f"Slack does not know the bot token ({error_ or 'no reason given'})",
            "install the app again (OAuth & Permissions › Reinstall) and set the new bot token",
            SLACK_APPS_PAGE,
        )
    said = response.headers.get("X-OAuth-Scopes")
    scopes = None if said is None else {one.strip() for one in said.split(",")}
    if scopes is not None and _WRITE_SCOPE not in scopes:
        return Tried(
            False,
            f"the bot may not write: it lacks the scope {_WRITE_SCOPE}",
            f"add {_WRITE_SCOPE} under OAuth & Permissions and install the app again",
            SLACK_APPS_PAGE,
        )
    lacks = [
        words for any_of, words in _WITHOUT if scopes is not None and scopes.isdisjoint(any_of)
    ]
    who = f"the bot {told.get('user', '')} of {told.get('team', '')} is let in"
    shows = "whether it is a member of the channel shows with the first message"
    return Tried(True, "; ".join([who, *lacks, shows]))
