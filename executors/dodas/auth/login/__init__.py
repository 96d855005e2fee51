"""Logins with OpenID providers, such as INDIGO IAM: from nothing to tokens that last.

It stays on the machine of the user; nodes get access tokens, never what renews them.
"""

from __future__ import annotations

from dodas.auth.login.door import access_token

__all__ = ["access_token"]
