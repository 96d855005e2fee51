"""A step sees what it was given and changes nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dodas.containers.engines import engine
from engine_bench import HOSTILE, Bench, snapshot


def test_sees_the_image(container: Bench) -> None:
    assert container.sh("cat /marker /etc/motd") == "image\nfrom the image\n"


def test_each_step_sees_the_image_as_it_was_made(container: Bench) -> None:
    before = snapshot(container.root)
    script = (
        "echo changed >> /etc/motd; rm -f /marker; mkdir /new; touch /usr/bin/x /data/y; ln -s / /bin/z; true"
    )
    container.run("sh", "-c", script)
    assert snapshot(container.root) == before
    assert (
        container.sh("cat /marker /etc/motd; ls /data /usr/bin")
        == "image\nfrom the image\n/data:\n\n/usr/bin:\n"
    )


def test_changes_are_possible_where_the_engine_can(container: Bench) -> None:
    if not engine(container.engine).isolates_root:
        pytest.skip("this engine shows the image read-only")
    script = (
        "echo more >> /etc/motd && chmod 700 /data && rm -r /usr/bin && mkdir /usr/bin && touch /usr/bin/a"
    )
    assert container.sh(f"{script} && cat /etc/motd && ls /usr/bin") == "from the image\nmore\na\n"


def test_temporary_directories_are_private_and_writable(container: Bench) -> None:
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        container.sh(f"touch {place}/dodas-private-file")
        assert container.sh(f"ls {place}") == ""
        assert not os.path.exists(f"{place}/dodas-private-file")


def test_cannot_see_the_home_or_the_host(container: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    below = str(secret).lstrip("/")
    for path in (
        secret,
        f"/to-host/{below}",
        f"/up/{below}",
        f"/../../{below}",
        f"/proc/1/root/{below}",
        f"/proc/self/root/{below}",
        f"/proc/{os.getpid()}/root/{below}",
        f"/proc/{container.worker.pid}/cwd/{below}",
    ):
        outcome = container.run("cat", str(path))
        assert outcome.exit_code != 0, path
        assert b"secret" not in container.stdout.read_bytes()
    home = os.path.expanduser("~")
    container.run("ls", "-A", home)
    assert not {*container.stdout.read_text().split()} & {*os.listdir(home)}


def test_cannot_escape_by_a_link_of_its_own(container: Bench, tmp_path: Path) -> None:
    outside, shared = tmp_path / "outside", tmp_path / "shared"
    outside.mkdir()
    shared.mkdir()
    mounts = ((str(shared), "/shared", True),)
    container.run("sh", "-c", f"ln -s {outside} /shared/link; echo x > /shared/link/file", mounts=mounts)
    assert list(outside.iterdir()) == []


def test_a_link_in_a_given_directory_leads_nowhere(container: Bench, tmp_path: Path) -> None:
    outside, shared = tmp_path / "outside", tmp_path / "shared"
    outside.mkdir()
    shared.mkdir()
    (outside / "file").write_text("secret")
    (shared / "link").symlink_to(outside)
    assert container.run("cat", "/shared/link/file", mounts=((str(shared), "/shared", True),)).exit_code != 0


def test_mount_targets_through_links_of_the_image_stay_inside(container: Bench, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("given")
    target = f"/to-host{tmp_path}/target"
    container.run("cat", target, mounts=((str(given), target, False),))
    assert not (tmp_path / "target").exists()


def test_read_only_mounts_are_read_only(container: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("original")
    (tmp_path / "single").write_text("original")
    mounts = ((str(folder), "/given", False), (str(tmp_path / "single"), "/single", False))
    script = (
        "mount -o remount,rw /given; umount /given; echo x > /given/file; touch /given/new;"
        "rm -f /given/file; echo x > /single; cat /given/file /single"
    )
    container.run("sh", "-c", script, mounts=mounts)
    assert container.stdout.read_text() == "originaloriginal"
    assert (folder / "file").read_text() == "original"
    assert os.listdir(folder) == ["file"]


def test_files_of_the_host_that_every_step_sees_cannot_be_changed(container: Bench) -> None:
    before = Path("/etc/hosts").read_bytes()
    container.run("sh", "-c", "echo changed >> /etc/hosts; echo changed >> /etc/resolv.conf; echo 1 > /sys/x")
    assert Path("/etc/hosts").read_bytes() == before


def test_devices_are_the_harmless_ones(container: Bench) -> None:
    container.sh("head -c 1 /dev/urandom > /dev/null; : > /dev/full; test -c /dev/zero; test -e /dev/ptmx")
    for device in ("/dev/vda", "/dev/sda", "/dev/kmsg", "/dev/mem", "/dev/port"):
        if os.path.exists(device):
            assert container.run("head", "-c", "1", device).exit_code != 0, device


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_paths_can_be_mounted(container: Bench, tmp_path: Path, name: str) -> None:
    source = tmp_path / "sources" / name
    source.parent.mkdir()
    source.mkdir()
    (source / "in").write_text("hello")
    target = f"/work/{name}"
    outcome = container.run(
        "sh", "-c", "cat in && echo done > out", mounts=((str(source), target, True),), cwd=target
    )
    assert (outcome.exit_code, outcome.fault) == (0, ""), container.stderr.read_text()
    assert container.stdout.read_text() == "hello"
    assert (source / "out").read_text() == "done\n"


def test_files_belong_to_the_user(container: Bench, tmp_path: Path) -> None:
    for as_root in (False, True):
        container.sh("touch /out/made", mounts=((str(tmp_path), "/out", True),), as_root=as_root)
        made = tmp_path / "made"
        assert (made.stat().st_uid, made.stat().st_gid) == (os.geteuid(), os.getegid())
        made.unlink()


def test_who_the_step_is(container: Bench) -> None:
    assert container.sh("id -u; id -g") == f"{os.geteuid()}\n{os.getegid()}\n"
    assert container.sh("id -u", as_root=True) == "0\n"
    assert container.sh("whoami").strip() != ""


def test_owners_can_be_set_by_who_believes_to_be_root(container: Bench) -> None:
    container.sh("touch /tmp/file && chown 33:33 /tmp/file", as_root=True)


def test_working_directory_is_made(container: Bench) -> None:
    assert container.sh("pwd; touch x", cwd="/some/new place") == "/some/new place\n"


def test_no_network(container: Bench) -> None:
    if not engine(container.engine).isolates_network:
        pytest.skip("this engine cannot take the network away")
    interfaces = container.sh("ls /proc/sys/net/ipv4/conf; cat /proc/net/dev", network=False)
    assert "eth0" not in interfaces
    assert "lo:" in interfaces
    container.sh(
        "ping -c 1 127.0.0.1 >/dev/null 2>&1 || ip addr show lo | grep -q 'inet 127.0.0.1'", network=False
    )


def test_impossible_launches_are_faults_not_exit_codes(container: Bench, tmp_path: Path) -> None:
    outcome = container.run("true", mounts=((str(tmp_path / "absent"), "/x", False),))
    assert outcome.exit_code is None
    assert "absent" in outcome.fault
    outcome = container.run("true", stdout=str(tmp_path / "no" / "such" / "folder"))
    assert outcome.exit_code is None
    assert "folder" in outcome.fault


def test_writable_root_keeps_changes_for_image_builds(container: Bench, tmp_path: Path) -> None:
    if container.engine == "fuse":
        pytest.skip("builds use the engines without a second layer")
    root = tmp_path / "ROOT"
    os.system(f"cp -a {container.root} {root}")
    container.sh("echo built > /etc/built", root=str(root), writable_root=True, as_root=True)
    assert (root / "etc/built").read_text() == "built\n"
