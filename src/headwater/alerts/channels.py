"""Ways to people: mail, webhooks, MQTT, CAP files, and the robots of DingTalk, WeCom and Feishu."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import smtplib
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from headwater.alerts.outbox import OutboxMessage
from headwater.alerts.rules import Channel, Rules
from headwater.errors import InputError

__all__ = [
    "secret_problems",
    "sender",
    "signature",
    "verify_signature",
]

_TIMEOUT = 20.0
_LASTS = 7
"""Days until a CAP message expires."""
_KINDS = {
    "en": {
        "raised": "Alert",
        "resolved": "Resolved",
        "nodata": "No data",
        "data_back": "Data back",
        "reminder": "Reminder",
        "escalated": "Not yet seen to",
        "watch": "Watch",
        "warning": "Warning",
        "confirmed": "Confirmed",
        "restored": "Restored",
    },
    "zh": {
        "raised": "预警",
        "resolved": "解除",
        "nodata": "数据中断",
        "data_back": "数据恢复",
        "reminder": "提醒",
        "escalated": "尚未处理",
        "watch": "关注",
        "warning": "预警",
        "confirmed": "确认退化",
        "restored": "已恢复",
    },
}
_DRILL = {
    "en": {"Exercise": "EXERCISE – ", "Test": "TEST – "},
    "zh": {"Exercise": "演练——", "Test": "测试——"},
}
_LINES = {
    "en": "{kind}: {headline}\nTime: {time}\nReference: {key}\n",
    "zh": "{kind}：{headline}\n时间：{time}\n编号：{key}\n",
}
_MORE = {"en": "{headline}, and {n} more", "zh": "{headline}等 {n} 处"}
_MOST_LISTED = 50
_LONGEST = {"wecom": 2048, "dingtalk": 20_000, "feishu": 20_000}
"""Longest text that the robots take, all else is refused [bytes of UTF-8]."""


def sender(rules: Rules) -> Callable[[OutboxMessage], None]:
    """Make the function that sends each message by its channel.

    Parameters
    ----------
    rules : Rules
        With the channels.

    Returns
    -------
    callable
        Raises where a message could not be handed over.
    """

    def send(message: OutboxMessage) -> None:
        channel = rules.channel(message.channel)
        _SENDERS[channel.kind](channel, message)

    return send


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """Sign a webhook's body: HMAC-SHA256 over ``timestamp.body``.

    Parameters
    ----------
    secret : bytes
    timestamp : int
        Seconds since 1970 [s].
    body : bytes

    Returns
    -------
    str
        Hexadecimal.

    Examples
    --------
    >>> verify_signature(b"s", 100, b"{}", signature(b"s", 100, b"{}"), now=120)
    True
    >>> verify_signature(b"s", 100, b"{}", signature(b"s", 100, b"{}"), now=1000)
    False
    """
    return hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def verify_signature(
    secret: bytes, timestamp: int, body: bytes, signed: str, *, now: float, window: float = 300.0
) -> bool:
    """Check a webhook's signature and that it is not a replay of an old one.

    Parameters
    ----------
    secret, timestamp, body
        As for :func:`signature`.
    signed : str
        What came with it.
    now : float
        [s]
    window : float
        Most that clocks may differ [s].

    Returns
    -------
    bool
    """
    fresh = abs(now - timestamp) <= window
    return fresh and hmac.compare_digest(signature(secret, timestamp, body), signed)


def _secret(channel: Channel) -> str:
    if channel.password_file is None:
        return ""
    try:
        return Path(channel.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(
            "the password file of a channel cannot be read",
            found=str(error),
            do="Correct password_file, or its permissions",
        ) from error


def secret_problems(rules: Rules) -> list[InputError]:
    """Say which channels name a password file that cannot be read.

    Parameters
    ----------
    rules : Rules

    Returns
    -------
    list of InputError
    """
    problems = []
    for channel in rules.channels.values():
        try:
            _secret(channel)
        except InputError as error:
            problems.append(error)
    return problems


def _words(channel: Channel, message: OutboxMessage) -> str:
    """Write the text of a message; one that speaks for several alerts lists them."""
    language = channel.language
    kind = _KINDS[language].get(message.detail["kind"], message.detail["kind"])
    kind = _DRILL[language].get(channel.status, "") + kind
    headline = _headline(language, message.detail)
    members = [_headline(language, one) for one in message.detail.get("members", ())]
    if members:
        # in English the first is one of them; in Chinese the number is that of all
        n = len(members) - 1 if language == "en" else len(members)
        headline = _MORE[language].format(headline=headline, n=n)
    text = _LINES[language].format(
        kind=kind, headline=headline, time=message.detail["time"], key=message.alert_key
    )
    lines = [f"- {one}" for one in members[:_MOST_LISTED]]
    most = _LONGEST.get(channel.kind, 10**6)
    while lines and len(_listed(text, lines, len(members)).encode()) > most:
        lines.pop()
    return _listed(text, lines, len(members)).encode()[:most].decode(errors="ignore")


def _listed(text: str, lines: list[str], n: int) -> str:
    rest = [f"- … {n - len(lines)}"] if n > len(lines) else []
    return text + "".join(f"{one}\n" for one in (*lines, *rest))


def _headline(language: str, words: Mapping[str, Any]) -> str:
    return str(words.get(f"headline_{language}", words["headline"]))


def _name(message: OutboxMessage) -> str:
    """Name a message for ever, from its key alone."""
    return hashlib.sha256(message.key.encode()).hexdigest()[:32]


def _facts(channel: Channel, message: OutboxMessage) -> dict[str, Any]:
    drill = {} if channel.status == "Actual" else {"status": channel.status}
    return {**message.detail, **drill, "alert": message.alert_key, "id": _name(message)}


def _send_nothing(channel: Channel, message: OutboxMessage) -> None:
    """Leave the message where it is: it is a row of the inbox."""


def _send_mail(channel: Channel, message: OutboxMessage) -> None:
    mail = EmailMessage()
    mail["Subject"] = _words(channel, message).splitlines()[0]
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.recipients)
    mail["Message-ID"] = f"<{_name(message)}@headwater>"
    mail["Date"] = dt.datetime.fromisoformat(message.detail["time"].replace("Z", "+00:00"))
    mail.set_content(_words(channel, message))
    context = ssl.create_default_context()
    port = channel.port or (465 if channel.security == "tls" else 587)
    server: smtplib.SMTP
    if channel.security == "tls":
        server = smtplib.SMTP_SSL(channel.host, port, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(channel.host, port, timeout=_TIMEOUT)
    with server:
        if channel.security == "starttls":
            server.starttls(context=context)
        if channel.user:
            server.login(channel.user, _secret(channel))
        refused = server.send_message(mail)
        if refused:
            raise OSError(f"refused: {sorted(refused)}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: what is posted would arrive there as a GET without a body."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        to = headers.get("Location", "nowhere")
        raise OSError(f"answered {code}, not taken in: it points to {to}; give that address as url")

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise InputError("a webhook without http", found=url[:80], do="Give an http(s) address")
    request = urllib.request.Request(url, body, headers)  # the scheme is checked above
    until = time.monotonic() + _TIMEOUT
    text = b""
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=_TIMEOUT) as answer:
        # each read may take as long as the timeout: a receiver that trickles must not hold us
        while len(text) < 65536 and (more := answer.read1(4096)):
            text += more
            if time.monotonic() > until:
                raise TimeoutError("the answer timed out: it trickles in")
    return text


def _send_webhook(channel: Channel, message: OutboxMessage) -> None:
    facts = _facts(channel, message)
    body = json.dumps(facts, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": _name(message)}
    secret = _secret(channel)
    if secret:
        stamp = int(time.time())
        headers |= {
            "X-Headwater-Timestamp": str(stamp),
            "X-Headwater-Signature": signature(secret.encode(), stamp, body),
        }
    _post(channel.url, body, headers)


def _send_mqtt(channel: Channel, message: OutboxMessage) -> None:
    from paho.mqtt import publish

    facts = _facts(channel, message)
    login = {"username": channel.user, "password": _secret(channel)} if channel.user else None
    publish.single(
        channel.topic,
        json.dumps(facts, ensure_ascii=False),
        qos=1,
        hostname=channel.host,
        port=channel.port or 1883,
        client_id=f"headwater-alerts-{_name(message)[:12]}",
        auth=login,  # type: ignore[arg-type]
    )


def _send_cap(channel: Channel, message: OutboxMessage) -> None:
    from headwater.alerts.cap import CapAlert, CapArea, write_cap

    detail, kind = message.detail, message.detail["kind"]
    sent, ends = _moment(detail["time"]), kind in ("resolved", "data_back", "restored")
    first = re.sub(r"[^A-Za-z0-9.-]", "-", message.alert_key)
    before = detail.get("before") or ([] if not ends else [_begun(detail)])
    outline = tuple((float(x), float(y)) for x, y in detail.get("outline", ()))
    text = write_cap(
        CapAlert(
            identifier=f"{first}-{kind}",
            sender=channel.sender,
            sent=sent,
            expires=sent + dt.timedelta(days=_LASTS),
            event="Soil water and vegetation",
            headline=detail["headline"],
            description=_words(channel, message),
            area=CapArea(detail["headline"], outline),
            status=channel.status,
            message_type="Cancel" if ends else "Update" if before else "Alert",
            references=tuple(
                (channel.sender, f"{first}-{one}", _moment(when)) for one, when in before
            ),
            severity=detail.get("severity", "Moderate"),
            language={"en": "en", "zh": "zh-CN"}[channel.language],
        )
    )
    channel.folder.mkdir(parents=True, exist_ok=True)
    path = channel.folder / f"{_name(message)}.xml"
    temporary = path.with_suffix(".writing")
    temporary.write_bytes(text)
    temporary.replace(path)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _begun(detail: dict[str, Any]) -> list[str]:
    """Name what a cancellation of an alert of stations refers to."""
    kind = "nodata" if detail["kind"] == "data_back" else "raised"
    return [kind, detail.get("raised", detail["time"])]


def _send_robot(channel: Channel, message: OutboxMessage) -> None:
    """Speak to a robot: ``msgtype`` for DingTalk and WeCom, ``msg_type`` for Feishu."""
    words, url = _words(channel, message), channel.url
    secret = _secret(channel)
    body: dict[str, object] = {"msgtype": "text", "text": {"content": words}}
    if channel.kind == "feishu":
        body = {"msg_type": "text", "content": {"text": words}}
        if secret:
            stamp = str(int(time.time()))
            key = f"{stamp}\n{secret}".encode()
            sign = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
            body |= {"timestamp": stamp, "sign": sign}
    elif channel.kind == "dingtalk" and secret:
        stamp = str(int(time.time() * 1000))
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        url += f"&timestamp={stamp}&sign={urllib.parse.quote_plus(base64.b64encode(digest))}"
    text = json.dumps(body, ensure_ascii=False).encode()
    answer = _post(url, text, {"Content-Type": "application/json; charset=utf-8"})
    facts = _answered(channel, answer)
    code = facts.get("errcode", facts.get("code", facts.get("StatusCode", 0)))
    if code:
        raise OSError(
            f"{channel.kind} answered {code}: {facts.get('errmsg', facts.get('msg', ''))}"
        )


def _answered(channel: Channel, answer: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(answer or b"{}")
    except ValueError:
        facts = None
    if isinstance(facts, dict):
        return facts
    said = answer[:80].decode(errors="replace")
    raise OSError(f"no answer of a {channel.kind} robot: {said!r}; correct url, or the proxy")


_SENDERS: dict[str, Callable[[Channel, OutboxMessage], None]] = {
    "inbox": _send_nothing,
    "smtp": _send_mail,
    "webhook": _send_webhook,
    "mqtt": _send_mqtt,
    "cap": _send_cap,
    "dingtalk": _send_robot,
    "wecom": _send_robot,
    "feishu": _send_robot,
}
