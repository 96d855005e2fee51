"""A user with a browser, who consents to logins on the pages of a provider, or does not."""

from __future__ import annotations

import html
import re
import ssl
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urljoin

from servers.issuer import Issuer
from servers.pki import Pki

_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_ATTRIBUTE = r'{}="([^"]*)"'


class _Past(urllib.request.HTTPRedirectHandler):
    """Goes past what stands before the provider."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        return super().redirect_request(req, fp, code, msg, headers, _past(newurl, self._issuer))


def _past(url: str, issuer: Issuer) -> str:
    return url.replace(issuer.url, f"https://localhost:{issuer.port}")


class User:
    """Somebody who fills in forms.

    Args:
        name: Who it is; the provider believes it.
        issuer: The provider; the browser goes to it past what stands before it, which mangles cookies.
        pki: Whom the browser trusts.
    """

    def __init__(self, name: str, *, issuer: Issuer, pki: Pki) -> None:
        self.name = name
        self._issuer = issuer
        self._browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(pki.ca))),
            urllib.request.HTTPCookieProcessor(CookieJar()),
            _Past(issuer),
        )

    def consent(self, url: str) -> None:
        """Go where the login says, and agree on each page."""
        place, page = self._get(url)
        for _ in range(10):
            form = _FORM.search(page)
            if form is None:
                break
            fields = {**_fields(form[0]), "login": self.name, "password": "any"}
            action = urljoin(place, html.unescape(_one("action", form[0])))
            place, page = self._get(action, fields)
        assert "Success" in page, page

    def refuse(self, url: str) -> None:
        """Go there, and say no on the first page."""
        place, page = self._get(url)
        form = _FORM.search(page)
        assert form is not None, page
        action = urljoin(place, html.unescape(_one("action", form[0])))
        self._get(action, {**_fields(form[0]), "abort": "yes"})

    def _get(self, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        data = urlencode(form).encode() if form is not None else None
        url = _past(url, self._issuer)
        try:
            with self._browser.open(url, data=data, timeout=30) as answer:
                return answer.geturl(), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.geturl(), error.read().decode()


def _fields(form: str) -> dict[str, str]:
    """Return what a form has filled in already."""
    inputs = re.findall(r"<input[^>]*>", form)
    named = {_one("name", one): html.unescape(_one("value", one)) for one in inputs if "name=" in one}
    return {name: value for name, value in named.items() if value}


def _one(name: str, text: str) -> str:
    found = re.search(_ATTRIBUTE.format(name), text)
    return found[1] if found else ""
