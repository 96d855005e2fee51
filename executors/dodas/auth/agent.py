"""Tokens of oidc-agent, which holds what renews them; its own program asks it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping

from dodas.auth.tokens import Token, token
from dodas.errors import NotAllowed, SpecError

_ENOUGH = 60.0  # seconds that a token has to be valid still, to be worth sending
_UNTOLD = 300.0  # seconds for which a token is kept that does not say when it ends
_PATIENCE = 60.0  # seconds; a provider that hangs keeps the agent waiting


class Agent:
    """Asks oidc-agent for tokens of one account; usable from several threads.

    Args:
        account: Name of the account configuration.
        environ: Tells the program where the agent listens.
        audience: For whom tokens are to be; empty for whom the account says.
        scope: What they are to be good for; empty for all that the account has.
        now: The time, in seconds since 1970.
    """

    def __init__(
        self,
        account: str,
        environ: Mapping[str, str],
        *,
        audience: str = "",
        scope: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        if account.startswith("-"):
            raise SpecError(
                f"OIDC_AGENT_ACCOUNT is {account!r}, which is no account",
                hint="set it to a name that `oidc-add --list` shows",
            )
        self._account = account
        self._environ = environ
        self._narrowed = [
            *([f"--aud={audience}"] if audience else []),
            *([f"--scope={scope}"] if scope else []),
        ]
        self._now = now
        self._held: Token | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def token(self, *, fresh: bool = False) -> Token | None:
        """Return a token that is valid for a while, from before if there is one.

        Args:
            fresh: Ask the agent in any case.

        Raises:
            NotAllowed: The agent gives none.
        """
        with self._lock:
            if fresh or self._held is None or self._now() >= self._until:
                self._held = token(self._ask(), f"oidc-agent, account {self._account},")
                self._until = self._keep_until(self._held)
            return self._held

    def _keep_until(self, held: Token | None) -> float:
        if held is None:
            return 0.0
        return self._now() + _UNTOLD if held.expires is None else held.expires - _ENOUGH

    def _ask(self) -> str:
        command = ["oidc-token", "--time", str(int(_ENOUGH) + 30), *self._narrowed, self._account]
        try:
            done = subprocess.run(
                command,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except FileNotFoundError:
            raise self._refused("its program oidc-token is not here") from None
        except subprocess.TimeoutExpired:
            raise self._refused("it does not answer") from None
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            raise self._refused(words[0][:200] if words else f"oidc-token ended with {done.returncode}")
        return done.stdout.decode(errors="replace")

    def _refused(self, reason: str) -> NotAllowed:
        return NotAllowed(
            f"oidc-agent gives no token of {self._account}: {reason}",
            hint=f"run `oidc-add {self._account}`, or unset OIDC_AGENT_ACCOUNT",
        )
