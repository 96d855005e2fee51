"""Connections that are kept for the next request, and a bound on how many there are to each host."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from dodas.errors import StorageUnreachable
from dodas.staging.channel import Channel
from dodas.staging.dialing import Route

_LONGEST = 60.0  # seconds that a connection is kept for nobody


class Lease:
    """A connection that one request has for itself, until it is given back or dropped."""

    __slots__ = ("_pool", "channel", "owner", "route")

    def __init__(self, pool: Pool, route: Route, channel: Channel) -> None:
        self._pool = pool
        self.route = route
        self.channel = channel
        self.owner = threading.get_ident()

    def give_back(self) -> None:
        """Keep the connection for others: everything that was asked over it has been answered."""
        self._pool.take_back(self, keep=True)

    def drop(self) -> None:
        """Close the connection."""
        self._pool.take_back(self, keep=False)


class _Users:
    """The threads that have connections to a host, each as often as it has one."""

    __slots__ = ("fewer", "threads", "waiting")

    def __init__(self, lock: threading.Lock) -> None:
        self.threads: list[int] = []
        self.waiting = 0
        self.fewer = threading.Condition(lock)


class Pool:
    """Connections to all hosts; usable from several threads.

    A thread that has a connection to a host already gets another one at once, whatever the bound: it would
    wait for itself.

    Args:
        dial: Makes a connection.
        per_host: How many may be in use to one host and port.
    """

    def __init__(self, dial: Callable[[Route], Channel], *, per_host: int) -> None:
        self._dial = dial
        self._per_host = per_host
        self._kept: defaultdict[Route, list[Channel]] = defaultdict(list)
        self._lock = threading.Lock()
        self._users: defaultdict[str, _Users] = defaultdict(lambda: _Users(self._lock))
        self._closed = False

    def lease(self, route: Route, *, longest_idle: float) -> Lease:
        """Return a connection, a kept one if there is; wait while there are too many to its host.

        Args:
            route: Where to.
            longest_idle: Servers close idle connections sooner or later; in seconds, 0 for a new one.

        Raises:
            Cut: No connection comes about.
            Distrust: The server's certificate is not believed.
            StorageUnreachable: The pool is closed.
        """
        self._enter(route.authority)
        try:
            return Lease(self, route, self._usable(route, longest_idle) or self._new(route))
        except BaseException:
            self._leave(route.authority, threading.get_ident())
            raise

    def take_back(self, lease: Lease, *, keep: bool) -> None:
        """End a lease."""
        channel = lease.channel
        channel.used, channel.idle_since = True, time.monotonic()
        with self._lock:
            keep = keep and not self._closed and len(self._kept[lease.route]) < self._per_host
            if keep:
                self._kept[lease.route].append(channel)
        self._leave(lease.route.authority, lease.owner)
        if not keep:
            channel.close()

    def close(self) -> None:
        """Close what is kept now, and what is given back later."""
        with self._lock:
            self._closed = True
            kept = [channel for channels in self._kept.values() for channel in channels]
            self._kept.clear()
            for users in self._users.values():
                users.fewer.notify_all()
        for channel in kept:
            channel.close()

    def _new(self, route: Route) -> Channel:
        oldest = time.monotonic() - _LONGEST
        with self._lock:
            every = [(key, one) for key, kept in self._kept.items() for one in kept]
            self._kept.clear()
            for key, channel in every:
                if channel.idle_since >= oldest:
                    self._kept[key].append(channel)
        for _key, channel in every:
            if channel.idle_since < oldest:
                channel.close()
        return self._dial(route)

    def _enter(self, host: str) -> None:
        me = threading.get_ident()
        with self._lock:
            users = self._users[host]
            while not (self._closed or len(users.threads) < self._per_host or me in users.threads):
                users.waiting += 1
                try:
                    users.fewer.wait()
                finally:
                    users.waiting -= 1
            if self._closed:
                raise StorageUnreachable(f"the connections to {host} have been closed")
            users.threads.append(me)

    def _leave(self, host: str, owner: int) -> None:
        with self._lock:
            users = self._users[host]
            users.threads.remove(owner)
            if users.waiting:
                users.fewer.notify()

    def _usable(self, route: Route, longest_idle: float) -> Channel | None:
        while True:
            with self._lock:
                kept = self._kept.get(route)
                if not kept:
                    return None
                channel = kept.pop()
            if time.monotonic() - channel.idle_since < longest_idle and channel.is_clean():
                return channel
            channel.close()
