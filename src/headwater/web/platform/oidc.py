"""Sign-in by an OpenID provider: what it is asked, and how its answer is checked.

The code flow with a proof of the client (PKCE, S256), as in OpenID Connect Core 1.0 and RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headwater.errors import HeadwaterError, InputError
from headwater.network.sensorthings.errors import Forbidden, TooMany, Unauthorised
from headwater.web.platform.people import PEOPLE_ROLES, PersonRole
from headwater.web.security import is_local

__all__ = [
    "Known",
    "NoRoleError",
    "Pending",
    "Provider",
    "ProviderAwayError",
    "ProviderFile",
    "read_provider",
]

_TIMEOUT = 10.0
_LARGEST = 1_000_000
_LASTS = 600.0
"""So long somebody may take to sign in at the provider [s]."""
_MOST_PENDING = 1000
_FRESH = 3600.0
_SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures by a key pair alone: none, and none by a shared secret."""
_LEEWAY = 60.0
"""Clocks may differ by so much [s]."""


class ProviderAwayError(HeadwaterError):
    """The provider does not answer as OpenID Connect has it."""


class NoRoleError(Forbidden):
    """The provider knows whoever signs in, and no role here is theirs."""


class ProviderFile(BaseModel):
    """The file of ``--oidc``.

    The secret stands in a file of its own, never in this one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="Address of the provider, as in its own tokens.")
    client_id: str = Field(min_length=1, description="Under which it knows this service.")
    client_secret_file: str = Field("", description="Next to this file; empty: a public client.")
    label: str = Field("", max_length=60, description="Name of the provider on the page.")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="What it is asked for.")
    claim: str = Field("groups", description="Claim of the token that says what somebody may do.")
    roles: dict[str, Literal["viewer", "ranger", "editor", "admin"]] = Field(
        default_factory=dict, description="Roles by the values of the claim."
    )
    others: Literal["", "viewer", "ranger"] = Field(
        "", description="Role of people with none of these values; empty: refused."
    )


def read_provider(path: str | Path) -> Provider:
    """Read the file that says who signs people in.

    Parameters
    ----------
    path : str or Path
        TOML; see :class:`ProviderFile`.

    Returns
    -------
    Provider

    Raises
    ------
    InputError
        If it cannot be read or has other keys than :class:`ProviderFile`, the address is not
        safe, or PyJWT is not installed.
    """
    home = Path(path).expanduser()
    try:
        given = ProviderFile.model_validate(tomllib.loads(home.read_text(encoding="utf-8-sig")))
        secret = ""
        if given.client_secret_file:
            secret = (home.parent / given.client_secret_file).read_text(encoding="utf-8").strip()
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(
            f"{home} is not a file of an OpenID provider", found="; ".join(wrong)
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "the file of the OpenID provider cannot be read", found=str(error)[:200]
        ) from None
    return Provider(given, secret)


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that was begun.

    Attributes
    ----------
    state, nonce, verifier : str
        Sent along, found in the token, and shown when the code is exchanged.
    browser : str
        Digest of the key that the browser was given: nobody else may finish it.
    back : str
        Part of the page to return to.
    redirect : str
        Address at which the provider sends people back.
    began : float
        [s]
    """

    state: str
    nonce: str
    verifier: str
    browser: str
    back: str
    redirect: str
    began: float


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the provider knows.

    Attributes
    ----------
    subject : str
        Issuer and subject: what makes a person the same one, whatever the name.
    name : str
        What the provider calls them.
    role : {"viewer", "ranger", "editor", "admin"}
    """

    subject: str
    name: str
    role: PersonRole


class _NoRedirect(HTTPRedirectHandler):
    """A provider's own addresses answer themselves: none may send the secret elsewhere."""

    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Follow nothing."""


class Provider:
    """An OpenID provider, asked when somebody signs in and never before.

    Parameters
    ----------
    given : ProviderFile
    secret : str
        Of this client; empty for a public one.

    Raises
    ------
    InputError
        If the issuer is not at https (or on this machine), or PyJWT is not installed.
    """

    def __init__(self, given: ProviderFile, secret: str = "") -> None:
        try:
            import jwt  # noqa: F401
            from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: F401
        except ImportError:
            raise InputError(
                "sign-in by OpenID needs PyJWT", do="Install it: pip install 'headwater[oidc]'"
            ) from None
        _insist_on_safe(given.issuer)
        self.given = given
        self._secret = secret
        self._lock = threading.Lock()
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._card: tuple[float, dict[str, Any]] = (-_FRESH, {})
        self._keys: tuple[float, dict[str, Any]] = (-_FRESH, {})

    @property
    def label(self) -> str:
        """What the page calls it."""
        return self.given.label or str(urlsplit(self.given.issuer).hostname)

    def begin(self, redirect: str, back: str) -> tuple[str, str]:
        """Begin a sign-in.

        Parameters
        ----------
        redirect : str
            Address at which people come back.
        back : str
            Part of the page to return to then.

        Returns
        -------
        address : str
            Where the browser goes.
        key : str
            For a cookie of this browser alone.

        Raises
        ------
        ProviderAwayError
            If the provider does not answer.
        TooMany
            If more people are signing in than can be.
        """
        address = str(self._described()["authorization_endpoint"])
        state, nonce, verifier, key = (secrets.token_urlsafe(32) for _ in range(4))
        at = time.monotonic()
        with self._lock:
            for one in [k for k, v in self._pending.items() if at - v.began > _LASTS]:
                del self._pending[one]
            if len(self._pending) >= _MOST_PENDING:
                raise TooMany("too many people sign in at once", do="Try again in a moment")
            self._pending[state] = Pending(state, nonce, verifier, _digest(key), back, redirect, at)
        asked = {
            "response_type": "code",
            "client_id": self.given.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(dict.fromkeys(("openid", *self.given.scopes))),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", key

    def take(self, state: str, key: str) -> Pending:
        """Find the sign-in that a browser comes back from; it is gone then.

        Raises
        ------
        Forbidden
            If it was never begun, not in this browser, too long ago, or is already finished.
        """
        with self._lock:
            found = self._pending.get(state)
            mine = found is not None and secrets.compare_digest(found.browser, _digest(key))
            if mine:
                del self._pending[state]
        if found is None or not mine or time.monotonic() - found.began > _LASTS:
            raise Forbidden("a sign-in that was not begun in this browser", do="Sign in again")
        return found

    def finish(self, pending: Pending, code: str) -> Known:
        """Exchange the code, and check all that the token says.

        Parameters
        ----------
        pending : Pending
        code : str
            From the address at which the browser came back.

        Returns
        -------
        Known

        Raises
        ------
        ProviderAwayError
            If the provider does not answer.
        Unauthorised
            If the code or the token is not good.
        NoRoleError
            If whoever it is has no role here.
        """
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect,
            "client_id": self.given.client_id,
            "code_verifier": pending.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self._secret:
            pair = f"{quote(self.given.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        address = str(self._described()["token_endpoint"])
        answer = _ask(Request(address, urlencode(body).encode(), headers, method="POST"))
        claims = self._checked(str(answer.get("id_token", "")), pending.nonce)
        role = self._role(claims)
        subject = f"{self.given.issuer} {claims['sub']}"
        named = (claims.get(key) for key in ("preferred_username", "email", "name", "sub"))
        return Known(subject, next(str(one) for one in named if one), role)

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(str(header.get("kid", "")), str(header.get("alg", ""))),
                algorithms=list(_SIGNED),
                audience=self.given.client_id,
                issuer=self.given.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthorised(
                "the provider's token is not good", found=type(error).__name__, do="Sign in again"
            ) from None
        audience = claims["aud"]
        other = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if other else self.given.client_id) != self.given.client_id:
            raise Unauthorised("the provider's token is for another client", do="Sign in again")
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise Unauthorised("the provider's token is of another sign-in", do="Sign in again")
        return claims

    def _role(self, claims: Mapping[str, Any]) -> PersonRole:
        claimed = claims.get(self.given.claim, ())
        values = claimed if isinstance(claimed, list) else [claimed]
        roles = [self.given.roles[str(one)] for one in values if str(one) in self.given.roles]
        roles += [self.given.others] if self.given.others else []
        if not roles:
            raise NoRoleError(
                "this account has no role here",
                found=f"'{self.given.claim}' of the provider's token names none",
                do="Ask whoever keeps the accounts",
            )
        return max(roles, key=PEOPLE_ROLES.index)

    def _key(self, id: str, algorithm: str) -> Any:
        """Find the provider's key; one that was not there before is looked for anew."""
        import jwt

        at, held = self._keys
        if id not in held or time.monotonic() - at > _FRESH:
            if time.monotonic() - at < 10.0 and held:
                raise jwt.InvalidKeyError("unknown key")  # nobody makes us ask all the time
            listed = _ask(Request(str(self._described()["jwks_uri"]))).get("keys", [])
            # keys of a shared secret sign nothing here
            usable = [one for one in listed if one.get("kty") in {"RSA", "EC", "OKP"}]
            held = {
                str(one.get("kid", "")): one for one in usable if one.get("use", "sig") == "sig"
            }
            self._keys = (time.monotonic(), held)
        if algorithm not in _SIGNED or id not in held:
            raise jwt.InvalidKeyError("unknown key")
        return jwt.PyJWK(held[id], algorithm=algorithm).key

    def _described(self) -> dict[str, Any]:
        at, card = self._card
        if card and time.monotonic() - at < _FRESH:
            return card
        issuer = self.given.issuer
        card = _ask(Request(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        if card.get("issuer") != issuer:
            found = f"'{str(card.get('issuer', ''))[:100]}' in place of '{issuer}'"
            raise ProviderAwayError("the provider describes another one", found=found)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _insist_on_safe(str(card.get(name, "")))
        self._card = (time.monotonic(), card)
        return card


def _ask(request: Request) -> dict[str, Any]:
    request.add_header("Accept", "application/json")
    try:
        with build_opener(_NoRedirect()).open(request, timeout=_TIMEOUT) as answer:
            found = json.loads(answer.read(_LARGEST))
    except HTTPError as error:
        if request.method == "POST" and error.code in {400, 401}:
            raise Unauthorised(
                "the provider takes this sign-in for none",
                found=f"{error.code}",
                do="Sign in again",
            ) from None
        raise ProviderAwayError("the provider refuses", found=f"{error.code}") from None
    except (OSError, ValueError) as error:
        raise ProviderAwayError(
            "the provider does not answer", found=str(error)[:100], do="Try again later"
        ) from None
    if not isinstance(found, dict):
        raise ProviderAwayError("the provider answers with something else than an object")
    return found


def _insist_on_safe(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts.netloc)):
        raise InputError(
            "an OpenID provider's address that is not safe",
            found=address[:100],
            do="Use https:// (http:// is for one's own machine only)",
        )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _challenge(verifier: str) -> str:
    packed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
