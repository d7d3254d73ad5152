"""The mail sender against SMTP servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from connectors.base import MailMessage, Sent
from connectors.sandbox.certificate import Certificate, ensure_certificate
from connectors.smtp import SmtpServer, compose, send_mail

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"
MAIL = MailMessage(
    subject="Fietsgoed: CTR loopt op schema ✓",
    text="De CTR is 4,1% — " + "lang " * 300,
    html='<p>De <b>CTR</b> is 4,1%</p><img src="cid:chart-ctr" alt="CTR">',
    pictures=(("chart-ctr", PICTURE),),
    language="nl",
    sent_at=datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
)
SANNE, TOM, EVA = "sanne@example.nl", "tom@example.nl", "eva@example.nl"


class Inbox:
    """Takes every mail, but for the recipients and stages that have an answer of their own."""

    def __init__(self) -> None:
        self.rcpt: dict[str, str] = {}
        self.at_once: int | None = None  # recipients that it takes in one go
        self.second: str | None = None  # the answer to the second mail
        self.stage: dict[str, str] = {}
        self.mails: list[tuple[list[str], bytes]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.was_tls = False

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.stage:
            return self.stage["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.rcpt:
            if self.rcpt[address].startswith("421"):
                asyncio.get_running_loop().call_later(0.05, server.transport.close)
            return self.rcpt[address]
        if self.at_once is not None and len(envelope.rcpt_tos) >= self.at_once:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.was_tls = session.ssl is not None
        if self.mails and self.second is not None:
            if self.second == "hang up":
                server.transport.abort()
            return self.second
        if self.stage.get("DATA") == "hang up":
            server.transport.abort()
            return "250 never said"
        if "DATA" in self.stage:
            return self.stage["DATA"]
        self.mails.append((list(envelope.rcpt_tos), envelope.content))
        return "250 OK"

    def authenticate(self, *args: Any) -> AuthResult:
        told = args[-1]
        self.logins.append((told.login, told.password))
        return AuthResult(success=told.password == b"right", handled=False)


@contextmanager
def serving(inbox: Inbox, **options: Any) -> Iterator[SmtpServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=10, **options)
    controller.start()
    try:
        yield SmtpServer(
            host="127.0.0.1",
            port=port,
            sender="Koers <koers@example.nl>",
            starttls=False,
            timeout_seconds=5,
        )
    finally:
        controller.stop()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[SmtpServer]:
    with serving(inbox) as found:
        yield found


def parsed(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


# --- what arrives -----------------------------------------------------------------------------


def test_a_mail_has_text_and_html_with_its_picture(inbox: Inbox, server: SmtpServer) -> None:
    assert send_mail(server, MAIL, [SANNE, TOM], "key") == Sent("sent")
    ((recipients, raw),) = inbox.mails
    assert recipients == [SANNE, TOM]
    mail = parsed(raw)
    assert mail.get_content_type() == "multipart/alternative"
    plain, related = mail.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(related, EmailMessage)
    assert plain.get_content_type() == "text/plain"
    assert plain.get_content().strip() == MAIL.text.strip()
    assert related.get_content_type() == "multipart/related"
    html, picture = related.iter_parts()
    assert isinstance(html, EmailMessage)
    assert isinstance(picture, EmailMessage)
    assert html.get_content().strip() == MAIL.html
    assert (picture["Content-ID"], picture.get_content()) == ("<chart-ctr>", PICTURE)
    assert mail["Subject"] == MAIL.subject
    assert mail["From"] == "Koers <koers@example.nl>"
    assert mail["To"] == f"{SANNE}, {TOM}"
    assert mail["Date"].datetime == MAIL.sent_at
    assert mail["Auto-Submitted"] == "auto-generated"
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998


def test_the_message_id_comes_from_the_key(inbox: Inbox, server: SmtpServer) -> None:
    for key in ("one", "one", "two"):
        send_mail(server, MAIL, [SANNE], key)
    ids = [parsed(raw)["Message-ID"] for _, raw in inbox.mails]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].endswith("@example.nl>")


def test_a_line_break_in_a_subject_begins_no_header() -> None:
    evil = replace(MAIL, subject="CTR\r\nBcc: evil@example.com\n\nhello", language="nl\r\nX-A: b")
    mail = compose("koers@example.nl", evil, [SANNE], "key\r\nX-B: c")
    again = parsed(mail.as_bytes())
    assert "Bcc" not in again
    assert "X-A" not in again
    assert "X-B" not in again
    assert again["Subject"] == "CTR Bcc: evil@example.com hello"


@pytest.mark.parametrize(
    "address",
    [
        "sanne@example.nl\r\nBcc: evil@example.com",
        "sanne@example.nl, evil@example.com",
        "sanne@example.nl> RCPT TO:<evil@example.com",
        "sanne",
        "@example.nl",
        "sanne@",
        "",
        "sänne@example.nl",
        "Sanne <sanne@example.nl",
        "Sanne <sanne@exa mple.nl>",
    ],
)
def test_what_is_no_address_is_sent_nothing(inbox: Inbox, server: SmtpServer, address: str) -> None:
    sent = send_mail(server, MAIL, [TOM, address], "key")
    assert sent.state == "failed"
    assert "example" not in sent.error
    assert send_mail(replace(server, sender=address), MAIL, [TOM], "key").state == "failed"
    assert inbox.mails == []


def test_a_domain_with_accents_becomes_ascii(inbox: Inbox, server: SmtpServer) -> None:
    assert send_mail(server, MAIL, ["info@bücher.example"], "key").state == "sent"
    assert inbox.mails[0][0] == ["info@xn--bcher-kva.example"]


def test_a_mail_to_nobody_is_not_sent(server: SmtpServer) -> None:
    assert send_mail(server, MAIL, [], "key").state == "failed"


def test_somebody_who_is_named_twice_gets_one_mail(inbox: Inbox, server: SmtpServer) -> None:
    send_mail(server, MAIL, [SANNE, SANNE], "key")
    assert inbox.mails[0][0] == [SANNE]


# --- refusals ---------------------------------------------------------------------------------


def test_who_is_put_off_is_named_and_the_others_are_served(
    inbox: Inbox, server: SmtpServer
) -> None:
    inbox.rcpt = {TOM: "451 4.7.1 later", EVA: "550 5.1.1 no such user"}
    sent = send_mail(server, MAIL, [SANNE, TOM, EVA], "key")
    told = "2 of 3 recipients were refused (451, 550)"
    assert sent == Sent("retry", told, refused=(TOM,), given_up=(EVA,))
    assert [recipients for recipients, _ in inbox.mails] == [[SANNE]]


def test_who_is_refused_for_good_is_named_and_not_tried_again(
    inbox: Inbox, server: SmtpServer
) -> None:
    inbox.rcpt = {EVA: "550 5.1.1 no such user"}
    sent = send_mail(server, MAIL, [SANNE, EVA], "key")
    assert sent == Sent("sent", "1 of 2 recipients were refused (550)", refused=(EVA,))


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({SANNE: "550 5.1.1 no", TOM: "550 5.1.1 no"}, "failed"),
        ({SANNE: "550 5.1.1 no", TOM: "451 4.7.1 later"}, "retry"),
    ],
)
def test_when_everybody_is_refused_nothing_was_delivered(
    inbox: Inbox, server: SmtpServer, answers: dict[str, str], state: str
) -> None:
    inbox.rcpt = answers
    sent = send_mail(server, MAIL, [SANNE, TOM], "key")
    assert sent.state == state
    assert sent.error.startswith("every recipient was refused (")
    # only who was put off is tried again
    assert (sent.refused, sent.given_up) == (((TOM,), (SANNE,)) if state == "retry" else ((), ()))
    assert inbox.mails == []


def test_a_server_that_hangs_up_among_the_recipients_leaves_the_rest_for_later(
    inbox: Inbox, server: SmtpServer
) -> None:
    inbox.rcpt = {SANNE: "550 5.1.1 no such user", TOM: "421 4.3.2 closing"}
    sent = send_mail(server, MAIL, [SANNE, TOM, EVA], "key")
    assert (sent.state, sent.refused, sent.given_up) == ("retry", (TOM, EVA), (SANNE,))
    assert inbox.mails == []


def test_a_limit_of_recipients_makes_several_mails_of_one(inbox: Inbox, server: SmtpServer) -> None:
    inbox.at_once = 2
    everybody = [f"reader{i}@example.nl" for i in range(5)]
    assert send_mail(server, MAIL, everybody, "key").state == "sent"
    assert [len(to) for to, _ in inbox.mails] == [2, 2, 1]
    assert [to for some, _ in inbox.mails for to in some] == everybody
    assert len({parsed(raw)["Message-ID"] for _, raw in inbox.mails}) == 1


def test_a_limit_of_nobody_is_not_asked_for_ever(inbox: Inbox, server: SmtpServer) -> None:
    inbox.at_once = 0
    sent = send_mail(server, MAIL, [SANNE, TOM], "key")
    assert sent == Sent("retry", "every recipient was refused (452)")


@pytest.mark.parametrize(
    ("answer", "state", "refused"),
    [
        ("451 4.3.0 later", "retry", (TOM,)),
        ("hang up", "unknown", (TOM,)),  # only Tom's mail is in doubt
        ("554 5.7.1 no more", "sent", (TOM,)),  # Tom is lost, Sanne has hers
    ],
)
def test_what_goes_wrong_after_the_first_were_served_is_about_the_others_alone(
    inbox: Inbox, server: SmtpServer, answer: str, state: str, refused: tuple[str, ...]
) -> None:
    inbox.at_once = 1
    inbox.second = answer
    sent = send_mail(server, MAIL, [SANNE, TOM], "key")
    assert (sent.state, sent.refused) == (state, refused)
    assert [to for to, _ in inbox.mails] == [[SANNE]]


@pytest.mark.parametrize(
    ("stage", "answer", "state"),
    [
        ("MAIL", "451 4.3.0 later", "retry"),
        ("MAIL", "550 5.7.1 not you", "failed"),
        ("MAIL", "421 4.3.2 closing", "retry"),
        ("DATA", "451 4.3.0 later", "retry"),
        ("DATA", "552 5.3.4 too big", "failed"),
        ("DATA", "hang up", "unknown"),
    ],
)
def test_the_stage_and_the_code_say_whether_to_try_again(
    inbox: Inbox, server: SmtpServer, stage: str, answer: str, state: str
) -> None:
    inbox.stage = {stage: answer}
    sent = send_mail(server, MAIL, [SANNE], "key")
    assert sent.state == state
    assert "sanne" not in sent.error


def test_a_server_that_is_not_there_is_tried_again_later(server: SmtpServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = replace(server, port=taken.getsockname()[1])
        assert send_mail(gone, MAIL, [SANNE], "key").state == "retry"


Answers = list[bytes | float | None]


@contextmanager
def scripted(answers: Answers, timeout_seconds: float = 0.5) -> Iterator[SmtpServer]:
    """A server that says what it was told to, line by line: bytes as an answer to a command
    (the greeting first), None hangs up, and of a float it drips a byte so many seconds apart."""

    def talk(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            for i, answer in enumerate(answers):
                if i and not connection.recv(65_536):
                    return
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                elif answer is None:
                    return
                else:
                    while not done.wait(answer):
                        connection.sendall(b"2")
            done.wait(10)

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=talk, args=(listening,), daemon=True)
        thread.start()
        try:
            yield SmtpServer(
                "127.0.0.1",
                listening.getsockname()[1],
                "koers@example.nl",
                starttls=False,
                timeout_seconds=timeout_seconds,
            )
        finally:
            done.set()
            thread.join(5)


HELLO = b"220 here\r\n"
OK = b"250 ok\r\n"
GO_ON = b"354 go on\r\n"


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([b"421 too busy\r\n"], "retry"),
        ([b"554 no service\r\n"], "failed"),
        ([None], "retry"),  # hangs up instead of a greeting
        ([HELLO, OK, None], "retry"),  # in the middle, before the mail
        ([HELLO, OK, OK, OK, GO_ON, None], "unknown"),  # after the mail, without an answer
        ([HELLO, OK, OK, OK, GO_ON, b"what?\r\n"], "unknown"),  # nor is that an answer
        ([HELLO, OK, OK, OK, GO_ON, OK, None], "sent"),  # hangs up at the QUIT
        ([HELLO, OK, OK, OK, GO_ON, OK, b"500 what?\r\n"], "sent"),
    ],
)
def test_where_a_server_cuts_in_says_whether_the_mail_may_have_arrived(
    answers: Answers, state: str
) -> None:
    with scripted(answers) as server:
        sent = send_mail(server, MAIL, [SANNE], "key")
    assert sent.state == state
    assert "example" not in sent.error


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([], "retry"),  # nothing at all
        ([HELLO, OK], "retry"),  # falls silent
        ([HELLO, OK, OK, OK, GO_ON], "unknown"),  # and after the mail
    ],
)
def test_a_server_that_falls_silent_is_left_in_time(answers: Answers, state: str) -> None:
    with scripted(answers, timeout_seconds=0.2) as server:
        begun = time.monotonic()
        sent = send_mail(server, MAIL, [SANNE], "key")
    assert sent.state == state
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("answers", "state"),
    [([0.05], "retry"), ([HELLO, OK, OK, OK, GO_ON, 0.05], "unknown")],
)
def test_a_server_that_drips_is_left_in_time(answers: Answers, state: str) -> None:
    # a byte well within each wait, and never a whole line: only the sum can strike
    with scripted(answers, timeout_seconds=0.2) as server:
        begun = time.monotonic()
        sent = send_mail(server, MAIL, [SANNE], "key")
    assert sent.state == state
    assert time.monotonic() - begun < 5


def test_a_server_that_takes_back_its_tls_gets_no_mail() -> None:
    offers = b"250-here\r\n250 STARTTLS\r\n"
    for answer, state in ((b"454 not now\r\n", "retry"), (b"502 never\r\n", "failed")):
        with scripted([HELLO, offers, answer, OK]) as server:
            sent = send_mail(replace(server, starttls=True), MAIL, [SANNE], "key")
        assert sent.state == state
    with scripted([HELLO, offers, b"220 go\r\n", b"nothing of TLS"]) as server:
        assert send_mail(replace(server, starttls=True), MAIL, [SANNE], "key").state == "retry"


# --- who wants no more ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["mailto:stop@example.nl?subject=stop", "https://example.nl/" + "a" * 300]
)
def test_a_mail_says_where_to_ask_for_no_more(inbox: Inbox, server: SmtpServer, place: str) -> None:
    send_mail(server, replace(MAIL, unsubscribe=place), [SANNE], "key")
    raw = inbox.mails[0][1]
    # in one piece: what is folded into encoded words is no address to a mail program
    assert f"List-Unsubscribe: <{place}>".encode() in raw.splitlines()
    # a page that can be opened is not one that takes the one click of RFC 8058
    assert b"List-Unsubscribe-Post" not in raw


def test_a_mail_that_nobody_can_stop_has_no_header_for_it(inbox: Inbox, server: SmtpServer) -> None:
    send_mail(server, MAIL, [SANNE], "key")
    assert b"List-Unsubscribe" not in inbox.mails[0][1]


def test_a_line_break_where_to_stop_begins_no_header() -> None:
    evil = replace(MAIL, unsubscribe="https://example.nl/\r\nBcc: evil@example.com")
    again = parsed(compose("koers@example.nl", evil, [SANNE], "key").as_bytes())
    assert "Bcc" not in again


# --- TLS and login ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return ensure_certificate(tmp_path_factory.mktemp("tls"))


Secured = Callable[..., AbstractContextManager[SmtpServer]]


@pytest.fixture
def secured(inbox: Inbox, certificate: Certificate) -> Secured:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)

    @contextmanager
    def start(*, implicit: bool = False, **options: Any) -> Iterator[SmtpServer]:
        tls = {"ssl_context": context} if implicit else {"tls_context": context}
        with serving(inbox, **tls, **options) as server:
            yield replace(
                server, starttls=not implicit, implicit_tls=implicit, ca_file=certificate.ca_file
            )

    return start


def test_a_login_goes_over_tls_only(inbox: Inbox, secured: Secured) -> None:
    with secured(require_starttls=True, authenticator=inbox.authenticate) as server:
        known = replace(server, username="koers", password=SecretStr("right"))
        assert send_mail(known, MAIL, [SANNE], "key") == Sent("sent")
    assert inbox.was_tls
    assert inbox.logins == [(b"koers", b"right")]


def test_a_wrong_password_is_refused_for_good_and_not_told(inbox: Inbox, secured: Secured) -> None:
    with secured(authenticator=inbox.authenticate) as server:
        known = replace(server, username="koers", password=SecretStr("wrong-and-secret"))
        sent = send_mail(known, MAIL, [SANNE], "key")
    assert sent == Sent("failed", "the login was refused (535)")
    assert inbox.mails == []


def test_an_unknown_certificate_gets_no_mail(inbox: Inbox, secured: Secured) -> None:
    for implicit in (False, True):
        with secured(implicit=implicit) as server:
            sent = send_mail(replace(server, ca_file=None), MAIL, [SANNE], "key")
        assert sent.state == "retry"
        assert "certificate is not trusted" in sent.error
    assert inbox.mails == []


def test_a_server_without_tls_gets_no_mail_when_tls_is_asked_for(
    inbox: Inbox, server: SmtpServer
) -> None:
    assert send_mail(replace(server, starttls=True), MAIL, [SANNE], "key").state == "failed"
    assert inbox.mails == []


def test_tls_from_the_first_byte_works_too(inbox: Inbox, secured: Secured) -> None:
    with secured(implicit=True) as server:
        assert send_mail(server, MAIL, [SANNE], "key") == Sent("sent")
    assert len(inbox.mails) == 1


def test_port_465_is_tls_from_the_first_byte() -> None:
    assert SmtpServer("mail.example.nl", 465, "koers@example.nl").is_implicit
    assert not SmtpServer("mail.example.nl", 587, "koers@example.nl").is_implicit


def test_without_tls_mail_goes_to_this_machine_only() -> None:
    away = SmtpServer("mail.example.nl", 25, "koers@example.nl", starttls=False)
    sent = send_mail(away, MAIL, [SANNE], "key")
    assert sent.state == "failed"
    assert "127.0.0.1" in sent.error


def test_a_missing_ca_file_is_told(server: SmtpServer, tmp_path: Path) -> None:
    sent = send_mail(replace(server, ca_file=tmp_path / "none.pem"), MAIL, [SANNE], "key")
    assert (sent.state, "ca_file" in sent.error) == ("failed", True)
