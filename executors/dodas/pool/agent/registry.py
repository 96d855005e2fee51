"""What the agent must not forget, in one SQLite file: workers, decisions, troubles, hours spent.

Everything is written before it is done, so that an agent that was killed at any moment goes on where it was.
There is one writer, the agent; others look (``readonly``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType

from dodas.pool.agent.database import connect, naming
from dodas.pool.agent.deaths import deaths
from dodas.pool.agent.demand import Act, Deaths, Decision, Known, Phase, Trouble
from dodas.pool.agent.rows import COLUMNS, Recorded, facts, recorded, row_of
from dodas.pool.agent.supply import Row
from dodas.pool.description.model import PoolDescription
from dodas.pool.providers.base import Seen, State

_FOLLOWS = {Act.TERMINATE: Phase.LOST, Act.FORGET: Phase.OVER, Act.DRAIN: Phase.DRAINING}
_DECISIONS, _OVER = 5000, 2000  # rows that are kept
_SAME = 600.0  # seconds within which a decision that is taken again is the same one


class Registry:
    """The memory of an agent.

    Args:
        path: The file, ``agent.sqlite``; made if need be, readable by its owner alone.
        readonly: For looking only.

    Attributes:
        set_aside: Where a damaged file was put, beside which this one began anew; empty if there was none.

    Raises:
        StoreError: The file cannot be used.
    """

    def __init__(self, path: str, *, readonly: bool = False) -> None:
        self._path = path
        self._connection, self.set_aside = connect(path, readonly=readonly)
        self._depth = 0

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing of what is written inside; may be nested.

        Raises:
            StoreError: It could not be written.
        """
        with naming(self._path):
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    # --- workers

    def ask(self, names: Iterable[str], *, flavour: str, provider: str, now: float) -> None:
        """Write down workers that the provider is about to be asked for."""
        rows = [(name, flavour, provider, Phase.ASKED.value, now, now) for name in names]
        text = "INSERT INTO workers (name, flavour, provider, phase, asked, since) VALUES (?, ?, ?, ?, ?, ?)"
        with self.transaction():
            self._connection.executemany(f"{text} ON CONFLICT DO NOTHING", rows)

    def see(
        self, pool: PoolDescription, known: Iterable[Known], now: float, seen: Sequence[Seen] = ()
    ) -> None:
        """Write down how workers are, those that were not known included, and the hours since the last look.

        Args:
            pool: The description.
            known: What :func:`dodas.pool.agent.supply.known` made of it.
            now: Unix time.
            seen: What the providers say, for handles and nodes.
        """
        workers = list(known)
        with self.transaction():
            self._spend(pool, workers, now)
            for one in workers:
                self._adopt(pool, one, now)
            self._connection.executemany(
                "UPDATE workers SET since = CASE phase WHEN :phase THEN since ELSE :now END, phase = :phase,"
                " ended = NULL, heard = coalesce(:heard, heard), worked = max(worked, :worked),"
                " reason = CASE WHEN :reason = '' OR fault THEN reason ELSE :reason END WHERE name = :name",
                [facts(one, now) for one in workers],
            )
            self._connection.executemany(
                "UPDATE workers SET handle = ?, node = ? WHERE name = ?",
                [(one.handle, one.node, one.worker) for one in seen],
            )
            self.looked(now)

    def mark(self, name: str, phase: Phase, now: float, reason: str = "", *, fault: bool = False) -> None:
        """Write down how a worker is from now on."""
        ended = now if phase is Phase.OVER else None
        with self.transaction():
            self._connection.execute(
                "UPDATE workers SET phase = :phase, since = :now, ended = :ended, fault = max(fault, :fault),"
                " reason = CASE WHEN :reason = '' OR (fault AND :ended IS NOT NULL) THEN reason"
                " ELSE :reason END WHERE name = :name",
                {
                    "phase": phase.value,
                    "now": now,
                    "ended": ended,
                    "fault": fault,
                    "reason": reason,
                    "name": name,
                },
            )

    def workers(self) -> tuple[Row, ...]:
        """Return the workers that are not over."""
        return self._rows("WHERE ended IS NULL ORDER BY name")

    def ended(self, limit: int = 100) -> tuple[Row, ...]:
        """Return the workers that ended last, the latest first."""
        return self._rows("WHERE ended IS NOT NULL ORDER BY ended DESC, name LIMIT ?", limit)

    def worker(self, name: str) -> Row | None:
        """Return one worker, also one that is over; nothing if it is not known (any more)."""
        return next(iter(self._rows("WHERE name = ?", name)), None)

    def deaths(self, now: float) -> tuple[Deaths, ...]:
        """Return the flavours whose last workers came to nothing."""
        return deaths(self.ended(500), self.workers(), now)

    # --- decisions

    def apply(self, decisions: Iterable[Decision], now: float) -> None:
        """Write down what is about to be done, with what it makes of the workers."""
        with self.transaction():
            for one in decisions:
                self._record(one, now)
                phase = _FOLLOWS.get(one.kind)
                if phase is not None:
                    self.mark(one.worker, phase, now, one.reason, fault=one.fault)
                elif one.fault:
                    self._execute("UPDATE workers SET fault = 1 WHERE name = ?", one.worker)
            self._prune()

    def decisions(self, *, worker: str = "", flavour: str = "", limit: int = 100) -> tuple[Recorded, ...]:
        """Return decisions, the latest first, those about a worker or a flavour alone if one is named."""
        text = (
            "SELECT act, flavour, worker, count, reason, jobs, first, last, times FROM decisions"
            " WHERE (:worker = '' OR worker = :worker) AND (:flavour = '' OR flavour = :flavour)"
            " ORDER BY last DESC, id DESC LIMIT :limit"
        )
        values = {"worker": worker, "flavour": flavour, "limit": limit}
        with naming(self._path):
            return tuple(recorded(row) for row in self._connection.execute(text, values))

    def counts(self) -> Mapping[str, int]:
        """Return how many decisions of each kind were ever taken."""
        with naming(self._path):
            rows = self._connection.execute("SELECT name, value FROM numbers WHERE name LIKE 'act:%'")
            return {name.removeprefix("act:"): int(value) for name, value in rows}

    # --- providers, hours, looks

    def trouble(self, trouble: Trouble, now: float) -> None:
        """Write down that a provider failed."""
        row = (trouble.provider, trouble.failures, now + trouble.until, trouble.reason)
        self._execute("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?)", *row)

    def healthy(self, provider: str) -> None:
        """Write down that a provider works."""
        self._execute("DELETE FROM troubles WHERE provider = ?", provider)

    def troubles(self, now: float) -> tuple[Trouble, ...]:
        """Return the providers that failed."""
        with naming(self._path):
            rows = self._connection.execute("SELECT provider, failures, until, reason FROM troubles")
            return tuple(
                Trouble(provider=name, failures=failures, until=until - now, reason=reason)
                for name, failures, until, reason in sorted(rows)
            )

    def spent(self) -> tuple[float, float]:
        """Return the worker-hours and the core-hours that were spent so far."""
        return self._number("worker-hours"), self._number("core-hours")

    def looked(self, now: float) -> None:
        """Write down that the pool was looked at."""
        self._execute("INSERT OR REPLACE INTO numbers VALUES ('looked', ?)", now)

    def last_look(self) -> float:
        """Return when the pool was last looked at; 0 for never."""
        return self._number("looked")

    # --- within

    def _rows(self, where: str, *values: object) -> tuple[Row, ...]:
        with naming(self._path):
            rows = self._connection.execute(f"SELECT {COLUMNS} FROM workers {where}", values)  # noqa: S608 - ours
            return tuple(row_of(row) for row in rows)

    def _number(self, name: str) -> float:
        with naming(self._path):
            found = self._connection.execute("SELECT value FROM numbers WHERE name = ?", (name,)).fetchone()
        return float(found[0]) if found else 0.0

    def _execute(self, text: str, *values: object) -> None:
        with self.transaction():
            self._connection.execute(text, values)

    def _add(self, name: str, amount: float) -> None:
        text = "INSERT INTO numbers VALUES (:name, :amount) ON CONFLICT DO UPDATE SET value = value + :amount"
        self._connection.execute(text, {"name": name, "amount": amount})

    def _spend(self, pool: PoolDescription, workers: Sequence[Known], now: float) -> None:
        last = self.last_look()
        running = [one for one in workers if one.provider_state is State.RUNNING or one.heard is not None]
        cores = {flavour.name: flavour.cores for flavour in pool.flavours}
        hours = max(0.0, now - last) / 3600 if last else 0.0
        self._add("worker-hours", hours * len(running))
        self._add("core-hours", hours * sum(cores.get(one.flavour, 1) for one in running))

    def _adopt(self, pool: PoolDescription, one: Known, now: float) -> None:
        provider = next((each.provider for each in pool.flavours if each.name == one.flavour), "")
        self._connection.execute(
            "INSERT INTO workers (name, flavour, provider, phase, asked, since) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (one.worker, one.flavour, provider, one.state.value, now - one.age, now - one.since),
        )

    def _record(self, one: Decision, now: float) -> None:
        """Write a decision down; one that was taken just before too only gets another time."""
        self._add(f"act:{one.kind.value}", 1)
        same = (one.kind.value, one.worker, one.flavour, one.reason)
        jobs = json.dumps(one.jobs)
        changed = self._connection.execute(
            "UPDATE decisions SET last = ?, times = times + 1, count = ?, jobs = ? WHERE id = (SELECT max(id)"
            " FROM decisions WHERE act = ? AND worker = ? AND flavour = ? AND reason = ?)"
            " AND last >= ? AND act = 'wait'",
            (now, one.count, jobs, *same, now - _SAME),
        )
        if changed.rowcount == 0:
            self._connection.execute(
                "INSERT INTO decisions (act, worker, flavour, reason, first, last, times, count, jobs)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
                (*same, now, now, one.count, jobs),
            )

    def _prune(self) -> None:
        self._connection.execute(
            "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?", (_DECISIONS,)
        )
        self._connection.execute(
            "DELETE FROM workers WHERE ended < (SELECT ended FROM workers WHERE ended IS NOT NULL"
            " ORDER BY ended DESC LIMIT 1 OFFSET ?)",
            (_OVER,),
        )
