"""`dodas data` against real servers: every verb, trees, patterns, JSON, exit status, hostile names."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from zlib import adler32

import pytest

from data_runs import HOSTILE, Data, environment, make_tree, tree
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty
from servers.pki import Pki
from servers.xrootd import Xrootd


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a test may store things.

    Attributes:
        url: Of the directory, which ends with a slash.
        root: The same on disk; of a federation that of the site that takes what is stored.
        checksums: Whether the storage tells any.
    """

    url: str
    root: Path
    checksums: bool


@pytest.fixture(params=["apache", "xrootd", "dynafed", "apache_tls", "xrootd_tls"])
def place(request: pytest.FixtureRequest) -> Place:
    server: Apache | Xrootd | Dynafed = request.getfixturevalue(request.param)
    root = server.endpoints[0].root if isinstance(server, Dynafed) else server.root
    url = server.url("").replace("https:", "davs:").replace("http:", "dav:")
    return Place(url=url, root=root, checksums="xrootd" in request.param)


@pytest.fixture
def data(tmp_path: Path, pki: Pki) -> Data:
    work = tmp_path / "work"
    work.mkdir()
    return Data(work, environment(tmp_path / "home", SSL_CERT_FILE=str(pki.ca)))


def digest(content: bytes) -> str:
    return f"{adler32(content):08x}"


# --- every verb ---


def test_every_verb_once(data: Data, place: Place) -> None:
    content = os.urandom(300_000)
    (data.place / "in.bin").write_bytes(content)
    how = "adler32 compared" if place.checksums else "only its size compared"

    assert data("mkdir", f"{place.url}made") == f"made {place.url}made\n"
    done = data.whole("put", "in.bin", f"{place.url}made/deep/er/")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.rstrip().endswith(how), done.stderr
    assert (place.root / "made/deep/er/in.bin").read_bytes() == content

    url = f"{place.url}made/deep/er/in.bin"
    assert data("ls", f"{place.url}made/deep/er") == "in.bin\n"
    assert data("ls", f"{place.url}made") == "deep/\n"
    assert data("ls", "-d", f"{place.url}made/deep/") == f"{place.url}made/deep/\n"
    assert data("ls", "-l", url).split()[:2] == ["293", "KiB"]
    assert "size:     300000 (293 KiB)" in data("stat", url)

    data("get", url, "out.bin")
    assert (data.place / "out.bin").read_bytes() == content
    (data.place / "in.bin").unlink()
    data("get", url)
    assert (data.place / "in.bin").read_bytes() == content

    data("cp", url, f"{place.url}made/copy.bin")
    assert (place.root / "made/copy.bin").read_bytes() == content
    if place.checksums:
        assert data("checksum", url) == f"adler32:{digest(content)}  {url}\n"
    assert "in.bin" in data("locate", url)

    assert data("rm", url) == f"removed {url}\n"
    assert not (place.root / "made/deep/er/in.bin").exists()
    data("rm", f"{place.url}made", status=1)
    assert (place.root / "made/copy.bin").exists()
    data("rm", "-r", f"{place.url}made")
    assert not (place.root / "made").exists()


def test_trees_go_and_come_back_the_same(data: Data, place: Place) -> None:
    # XRootD lists a name a line.
    names = [name for name in HOSTILE if not place.checksums or "\n" not in name]
    contents = make_tree(data.place / "tree", names)
    (data.place / "tree" / "link").symlink_to("sub/deep/file")
    contents["link"] = contents["sub/deep/file"]

    assert {one["status"] for one in data.json("put", "-r", "tree", place.url)} == {"done"}
    assert tree(place.root / "tree") == contents

    listed = data.json("ls", "-r", f"{place.url}tree")
    assert sorted(one["url"] for one in listed if not one["directory"]) == sorted(
        f"{place.url}tree/{quote(name, safe='/!$()*,:=@' + chr(39))}" for name in contents
    )
    lines = data("ls", f"{place.url}tree").splitlines()
    assert {"100%", "a b.d/", "[y]*{z}", "é 日本"} <= set(lines)
    assert place.checksums or r"tab\tnew\nline" in lines

    got = data.json("get", "-r", f"{place.url}tree", "back")
    assert {one["status"] for one in got} == {"done"}
    assert {one["target"] for one in got} == {f"back/tree/{name}" for name in contents}
    assert tree(data.place / "back" / "tree") == contents
    if "/fed/" not in place.url:  # a federation makes directories when there is something in them
        assert (place.root / "tree" / "empty").is_dir()
        assert (data.place / "back/tree/empty").is_dir()

    copied = data.json("cp", "-r", f"{place.url}tree/", f"{place.url}other")
    assert {one["status"] for one in copied} == {"done"}
    assert tree(place.root / "other") == contents

    singles = {f"{place.url}tree/{quote(name)}": name for name in names}
    assert [one["name"] for one in data.json("stat", *singles)] == names
    for name in ("[y]*{z}", "100%", "-r"):
        data("get", f"{place.url}tree/{quote(name)}", "single")
        assert (data.place / "single").read_bytes() == name.encode()
        (data.place / "single").unlink()
    data("rm", *singles)
    assert not [name for name in names if (place.root / "tree" / name).exists()]
    data("rm", "-r", f"{place.url}tree", f"{place.url}other")
    assert not (place.root / "tree").exists()


def test_the_same_command_again_does_the_rest(data: Data, place: Place) -> None:
    contents = make_tree(data.place / "tree", ["a", "b", "c"])
    data("put", "-r", "tree/", f"{place.url}up/")
    (place.root / "up" / "b").unlink()
    size_only = () if place.checksums else ("--size-only",)
    again = {
        one["target"]: one["status"] for one in data.json("put", "-r", *size_only, "tree/", f"{place.url}up/")
    }
    assert again.pop(f"{place.url}up/b") == "done"
    assert set(again.values()) == {"same"}
    assert tree(place.root / "up") == contents

    data("get", "-r", f"{place.url}up/", "down")
    (data.place / "down" / "b").unlink()
    again = {one["target"]: one["status"] for one in data.json("get", "-r", f"{place.url}up/", "down")}
    assert again.pop("down/b") == "done"
    assert set(again.values()) == {"same"}
    assert tree(data.place / "down") == contents


def test_what_differs_is_left_alone_unless_told_otherwise(data: Data, place: Place) -> None:
    (data.place / "new").write_bytes(b"new!")
    (place.root / "file").write_bytes(b"old.")
    url = f"{place.url}file"
    assert "hint: " in data("put", "new", url, status=1)
    assert (place.root / "file").read_bytes() == b"old."
    assert "--overwrite" in data("get", url, "new", status=1)
    assert (data.place / "new").read_bytes() == b"new!"
    data("put", "--overwrite", "new", url)
    assert (place.root / "file").read_bytes() == b"new!"
    (place.root / "file").unlink()  # XRootD keeps checksums with the file
    (place.root / "file").write_bytes(b"newer")
    data("get", "--overwrite", url, "new")
    assert (data.place / "new").read_bytes() == b"newer"


def test_patterns(data: Data, place: Place) -> None:
    for name in ("a1.txt", "a2.txt", "b1.txt", "sub/a3.txt", "sub/deep/a4.txt", "star*.txt", "starred.txt"):
        path = place.root / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    def ls(pattern: str) -> list[str]:
        return [
            line.removeprefix(f"{place.url}p/") for line in data("ls", f"{place.url}p/{pattern}").splitlines()
        ]

    assert ls("a*.txt") == ["a1.txt", "a2.txt"]
    assert ls("[ab]?.txt") == ["a1.txt", "a2.txt", "b1.txt"]
    assert sorted(ls("**/a*.txt")) == ["a1.txt", "a2.txt", "sub/a3.txt", "sub/deep/a4.txt"]
    assert ls("star*.txt") == ["star*.txt"], "what is there literally is meant"
    assert data("ls", f"{place.url}p/none*", status=4).startswith("error: ")

    data("get", f"{place.url}p/a*.txt", "out")
    assert tree(data.place / "out") == {"a1.txt": b"a1.txt", "a2.txt": b"a2.txt"}
    data("rm", "-n", f"{place.url}p/a*.txt")
    assert (place.root / "p/a1.txt").exists()
    data("rm", f"{place.url}p/a*.txt")
    assert sorted(os.listdir(place.root / "p")) == ["b1.txt", "star*.txt", "starred.txt", "sub"]


def test_streams(data: Data, place: Place) -> None:
    text = "from a pipe\n" * 100_000
    url = f"{place.url}note"
    data("put", "-", url, text=text)
    assert (place.root / "note").read_text() == text
    assert data("get", "--quiet", url, "-") == text
    assert data.json("put", "-", f"{place.url}empty")[0]["source"] == "-"
    assert data("get", f"{place.url}empty", "-") == ""
    assert "is a directory" in data("put", "-", place.url, status=2)
    assert "one file" in data("get", f"{place.url}*", "-", status=2)
    for name in ("dodas-get-", "dodas-put-"):
        assert not [left for left in os.listdir("/tmp") if left.startswith(name)]


def test_where_things_go(data: Data, place: Place) -> None:
    (data.place / "f").write_text("f")
    (place.root / "there").mkdir()
    data("put", "f", f"{place.url}there")
    data("put", "f", f"{place.url}there/g")
    data("put", "f", f"{place.url}new/")
    assert tree(place.root) == {"there/f": b"f", "there/g": b"f", "new/f": b"f"}
    (data.place / "dir").mkdir()
    data("get", f"{place.url}there/g", "dir")
    data("get", f"{place.url}there/g", "fresh/")
    data("get", f"{place.url}there/f", f"{place.url}there/g", "both")
    found = tree(data.place)
    assert found == dict.fromkeys(("f", "dir/g", "fresh/g", "both/f", "both/g"), b"f")
    twice = data.json("get", f"{place.url}there/f", f"{place.url}new/f", "twice", status=1)
    assert sorted(one["status"] for one in twice) == ["done", "failed"], "whichever of them came first"


def test_a_tree_without_end_is_left(data: Data, xrootd: Xrootd) -> None:
    (xrootd.root / "d").mkdir()
    (xrootd.root / "d" / "f").write_text("x")
    (xrootd.root / "d" / "up").symlink_to(xrootd.root / "d")
    assert "up/up/up" in data("ls", "-r", xrootd.url("d"), status=1)
    assert "up/up/up" in data("get", "-r", xrootd.url("d"), "in", status=1)
    assert (data.place / "in/d/up/f").read_text() == "x"


# --- what scripts need ---


def test_failures_have_their_status_and_stop_nothing(data: Data, place: Place) -> None:
    (place.root / "here").write_text("here")
    for words in (("get",), ("stat",), ("ls",), ("rm",), ("checksum",), ("locate",), ("get", "-r")):
        complaint = data(*words, f"{place.url}absent", status=4)
        assert complaint.startswith("error: "), words
    assert data("rm", "-f", f"{place.url}absent") == ""
    said = data("get", f"{place.url}absent", f"{place.url}here", ".", status=4)
    assert (data.place / "here").exists(), said
    results = data.json("get", f"{place.url}absent", f"{place.url}here", "out", status=4)
    assert {one["status"] for one in results} == {"failed", "done"}
    (failed,) = (one for one in results if one["status"] == "failed")
    assert failed["kind"] == "NotThere"
    assert data("put", "nowhere", f"{place.url}x", status=4).startswith("error: 'nowhere'")
    assert "-r" in data("get", place.url, status=1)
    assert "-r" in data("put", "..", place.url, status=1)


def test_a_wrong_command_line_is_2(data: Data) -> None:
    for words, said in {
        ("get",): "usage",
        ("get", "here"): "no URL",
        ("ls", "here"): "no URL",
        ("ls", "ftp://h/x"): "no URL",
        ("get", "davs://anna:secret@h/x"): "user name",
        ("put", "x", "y"): "no URL",
        ("cp", "x", "davs://h/y"): "dodas data get",
        ("get", "--jobs", "0", "davs://h/x"): "--jobs",
        ("get", "--checksum", "adler32:xyz", "davs://h/x"): "adler32",
        ("get", "--checksum", "adler32:00000001", "-r", "davs://h/x"): "one file",
        ("rm", "-r", "davs://h/"): "all of that storage",
        ("cp", "-r", "davs://h/a", "dynafed://h/a/b/"): "into itself",
        ("fly",): "usage",
        (): "usage",
    }.items():
        complaint = data(*words, status=2)
        assert said in complaint, (words, complaint)
        assert "secret" not in complaint


def test_nobody_there_is_1(data: Data) -> None:
    assert data("ls", "dav://localhost:1/x", status=1).startswith("error: ")


def test_without_the_right_token_it_is_5(data: Data, tmp_path: Path, pki: Pki) -> None:
    with Apache(tmp_path / "tokens", pki=pki, tokens=("right-token",)) as server:
        (server.root / "file").write_text("x")
        url = server.url("file").replace("https:", "davs:")
        for verb in ("ls", "stat", "get", "rm"):
            assert data(verb, url, status=5).startswith("error: ")
        data.environ["BEARER_TOKEN"] = "wrong-token"
        complaint = data("get", url, status=5)
        assert "wrong-token" not in complaint
        data.environ["BEARER_TOKEN"] = "right-token"
        shown = data.whole("get", url, "--json")
        assert shown.returncode == 0, shown.stderr
        assert "right-token" not in shown.stdout + shown.stderr


def test_json_of_what_was_moved(data: Data, xrootd: Xrootd) -> None:
    content = os.urandom(5000)
    (data.place / "f").write_bytes(content)
    url = xrootd.url("f").replace("http:", "dav:")
    (put,) = data.json("put", "f", url)
    assert put | {"checksums": {}, "endpoint": ""} == {
        "source": "f", "target": url, "status": "done", "size": 5000,
        "checksums": {}, "verified": "checksum", "endpoint": "",
    }  # fmt: skip
    (got,) = data.json("get", url, "g")
    assert got["checksums"]["adler32"] == digest(content)
    assert str(xrootd.port) in got["endpoint"]


def test_a_checksum_that_is_asked_for(data: Data, apache: Apache) -> None:
    content = os.urandom(5000)
    (apache.root / "f").write_bytes(content)
    url = apache.url("f")
    assert "compared" in data.whole("get", "--checksum", f"adler32:{digest(content)}", url, "good").stderr
    data("get", "--checksum", "md5:" + "0" * 32, url, "bad", status=1)
    assert not (data.place / "bad").exists()
    assert sorted(os.listdir(data.place)) == ["good"]
    data("get", "--checksum", "md5:" + "0" * 32, url, "good", status=1)
    assert data("checksum", "-a", "sha256", "good").startswith("sha256:")


def test_names_that_are_no_text(data: Data, apache: Apache, xrootd: Xrootd) -> None:
    name = b"\xff\xfe \xe9"
    (data.place / "tree").mkdir()
    (data.place / "tree" / os.fsdecode(name)).write_text("x")
    for server in (apache, xrootd):
        data("put", "-r", "tree", server.url(""))
        assert os.listdir(os.fsencode(server.root / "tree")) == [name]
        assert data("ls", server.url("tree")) == "\\udcff\\udcfe \\udce9\n"
        (listed,) = data.json("ls", server.url("tree"))
        assert os.fsencode(listed["name"]) == name
        data("get", "-r", listed["url"], f"out{server.port}")
        assert os.listdir(os.fsencode(data.place / f"out{server.port}")) == [name]
        data("rm", listed["url"])


def test_names_that_a_terminal_cannot_show(data: Data, apache: Apache) -> None:
    (apache.root / "é").touch()
    data.environ["PYTHONIOENCODING"] = "ascii"
    assert data("ls", apache.url("")) == "\\xe9\n"


def test_a_pipe_that_is_closed_is_no_error(data: Data, apache: Apache) -> None:
    for number in range(3000):
        (apache.root / f"{number:04}").touch()
    shell = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -n 1; echo ${PIPESTATUS[0]}', "bash",
         *data.command(["ls", apache.url()])],
        capture_output=True, text=True, check=False, env=data.environ,
    )  # fmt: skip
    assert shell.stdout.splitlines() == ["0000", "141"]
    assert shell.stderr == ""


def test_a_busy_xrootd_is_asked_again(data: Data, faulty: Faulty) -> None:
    """Release 5 says 404 when it cannot go on itself, as it does now and then."""
    (faulty.behind.root / "f").write_text("x")
    words = b"Could not run read request."
    answer = b"HTTP/1.1 404 Not Found\r\nServer: XrootD/v5.5.3\r\nContent-Length: %d\r\n\r\n%b" % (
        len(words),
        words,
    )
    fault = Fault(method="GET", raw=answer, times=1)
    faulty.fault(fault)
    data("get", faulty.url("f"))
    assert fault.happened == 1
    assert (data.place / "f").read_text() == "x"


# --- federations ---


def test_a_dead_copy_costs_nothing_but_time(data: Data, dynafed: Dynafed) -> None:
    dynafed.place("f", b"content", at=(0, 1))
    url = dynafed.url("f").replace("http:", "dav:")
    copies = data("locate", "-l", url).splitlines()
    assert len(copies) == 2
    assert " it " in copies[0]
    assert " ch " in copies[1]
    assert data("locate", "--prefer", "CH", url).splitlines()[0] in copies[1]
    dynafed.sites[0].stop()
    data("get", url)
    assert (data.place / "f").read_bytes() == b"content"


def test_a_preferred_place_is_asked_first(data: Data, dynafed: Dynafed) -> None:
    dynafed.place("f", b"content", at=(0, 1))
    dynafed.forget()
    data("get", "--prefer", "CH", dynafed.url("f").replace("http:", "dav:"))
    assert not [one for one in dynafed.sites[0].requests() if one.method == "GET"]
    assert [one for one in dynafed.sites[1].requests() if one.method == "GET"]


def test_what_is_replaced_is_replaced_everywhere(data: Data, dynafed: Dynafed) -> None:
    dynafed.place("f", b"old", at=(0, 1))
    (data.place / "f").write_bytes(b"newer")
    data("put", "--overwrite", "f", dynafed.url("f").replace("http:", "dav:"))
    assert set(dynafed.copies("f")) == {b"newer", None}


def test_tokens_go_where_the_user_allows(data: Data, tmp_path: Path, pki: Pki) -> None:
    site = Apache(tmp_path / "site", pki=pki, tokens=("right-token",))
    with Dynafed([site], pki=pki, token="right-token") as federation:
        federation.place("f", b"content")
        data.environ["BEARER_TOKEN"] = "right-token"
        url = federation.url("f").replace("https:", "davs:")
        data("get", url, status=5)
        (data.place / "g").write_bytes(b"more")
        data("put", "g", federation.url("g"), status=5)
        assert not any(one.authorization for one in site.requests() if one.method in ("GET", "PUT"))
        data.environ["DODAS_STORAGE_TOKEN_HOSTS"] = f"localhost:{site.port}"
        data("get", url)
        assert (data.place / "f").read_bytes() == b"content"
        data("put", "g", federation.url("g"))
        assert federation.copies("g") == [b"more"]


def test_signed_urls_are_secret(data: Data, dynafed_tls: Dynafed) -> None:
    dynafed_tls.behaviour.signed = True
    dynafed_tls.place("f", b"content", at=(0, 1))
    for words in (("locate", "-l"), ("locate", "--json"), ("get", "--json")):
        done = data.whole(*words, dynafed_tls.url("f").replace("https:", "davs:"))
        assert done.returncode == 0, done.stderr
        assert "ignature" not in done.stdout + done.stderr
        assert "sig=" not in done.stdout + done.stderr
