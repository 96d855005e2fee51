"""Nothing secret is anywhere but in the cache of logins: no file, message, argument, environment has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from servers.faults import Fault
from servers.iam_cli import Desk
from servers.issuer import SECRET
from servers.ports import until

OTHER = "https://dav.example.org"


def processes() -> Iterator[bytes]:
    """Yield arguments and environment of all processes that can be seen."""
    for place in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                yield (place / name).read_bytes()
            except OSError:
                continue


def secrets_of(desk: Desk, name: str) -> set[str]:
    kept = desk.kept(name)
    values = {kept["refresh"], kept["client"]["secret"], kept["client"]["management_token"]}
    return {value for value in values | {one["value"] for one in kept["tokens"]} if value}


def test_secrets_stay_where_they_are(desk: Desk, tmp_path: Path) -> None:
    secrets = {SECRET}
    file = desk.home / "the secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    seen: list[bytes] = []
    scopes = ("--scope", "storage.read:/ compute.read")
    desk.log_in("--name", "a", "--client-secret-file", str(file), *scopes, client="server")
    desk.log_in("--name", "b", *scopes, client="")
    for name in "ab":
        for words in ((), ("--scope", "storage.read:/"), ("--fresh",)):
            secrets.add(desk.token("--name", name, *words))
            secrets |= secrets_of(desk, name)
    secrets.add(desk.token("--name", "a", "--audience", OTHER))
    # In the middle of a renewal, while the answer is awaited:
    hanging = desk.front.fault(Fault(method="POST", path="/token", hang_after=0, times=1))
    process = desk.start("token", "--fresh", "--name", "a")
    until(lambda: hanging.happened == 1, what="an answer that hangs")
    seen += processes()
    process.kill()
    desk.said += process.communicate()
    hanging.gate.set()
    # And when things go wrong:
    desk.front.fault(Fault(method="POST", path="/token", lose_answer=True, times=1))
    desk.said.append(desk.fails("token", "--fresh", "--name", "b"))
    desk.said.append(desk.fails("token", "--fresh", "--name", "b"))
    for name in "ab":
        secrets |= secrets_of(desk, name)
        desk.run("status", "--json", "--name", name)
        desk.run("status", "--name", name)
    kept = [file, desk.logins / "a.json", desk.logins / "b.json"]
    seen += [found.read_bytes() for found in tmp_path.rglob("*") if found.is_file() and found not in kept]
    assert any(secret.encode() in kept[1].read_bytes() for secret in secrets)
    for name in "ab":
        desk.run("logout", "--name", name)
    seen += [found.read_bytes() for found in tmp_path.rglob("*") if found.is_file() and found != file]
    assert len(secrets) >= 12
    contents = [*seen, *(text.encode() for text in desk.said)]
    assert len(contents) > 20
    assert [secret for secret in secrets if any(secret.encode() in content for content in contents)] == []
    assert {found.suffix for found in desk.logins.iterdir()} == {".lock"}
