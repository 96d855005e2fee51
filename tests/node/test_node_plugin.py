"""The worker file as HTCondor's plugin for URLs of storage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_pool import Pools
from dodas.node.build import worker_file
from dodas.node.classads import ad, strings
from dodas.node.plugin import environment
from servers.apache import Apache
from servers.dynafed import Dynafed

Pool = Callable[[str], tuple[Pools, str]]
PRINTABLE = st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs"]))


@given(st.lists(st.dictionaries(st.sampled_from(["Url", "LocalFileName", "x"]), PRINTABLE), max_size=4))
def test_what_is_written_is_read(ads: list[dict[str, str]]) -> None:
    text = " ".join(map(ad, ads))
    assert list(strings(text)) == [{name.lower(): value for name, value in one.items()} for one in ads]


def test_ads_of_others_are_read() -> None:
    text = """
    [ Url = "davs://h/a\\"b\\\\c]"; Nested = [ Url = "no"; List = { "x", [ a = 1 ] } ]; Count = 3 + (4);
      LOCALFILENAME = "/s/\\101;" ][Other=true;]
    """
    assert list(strings(text)) == [{"url": 'davs://h/a"b\\c]', "localfilename": "/s/A;"}, {}]


def test_a_line_stays_a_line() -> None:
    assert (
        ad({"E": 'one\ntwo "x" \\', "B": True, "N": 7}) == '[ E = "one two \\"x\\" \\\\"; B = true; N = 7 ]'
    )


def test_a_token_of_htcondor_is_found(tmp_path: Path) -> None:
    (tmp_path / "scitokens.use").write_text('{"access_token": "abc", "expires_in": 7}')
    found = environment({"_CONDOR_CREDS": str(tmp_path)})
    assert found["BEARER_TOKEN"] == "abc"
    assert "BEARER_TOKEN" not in environment({"_CONDOR_CREDS": str(tmp_path), "BEARER_TOKEN_FILE": "/x"})


def test_the_proxy_of_the_job_is_found(tmp_path: Path) -> None:
    (tmp_path / "x509up").write_text("proxy")
    (tmp_path / ".job.ad").write_text('A = 1\nx509userproxy = "/home/me/x509up"\n')
    environ = {"_CONDOR_SCRATCH_DIR": str(tmp_path), "_CONDOR_JOB_AD": str(tmp_path / ".job.ad")}
    assert environment(environ)["X509_USER_PROXY"] == str(tmp_path / "x509up")


class Called:
    """The worker file, called as HTCondor calls it, with the least that a node has."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.out = place / "answers"

    def __call__(self, *requests: tuple[str, Path], upload: bool = False, **environ: str) -> int:
        """Have files moved and return the exit status."""
        asked = "".join(f'[ LocalFileName = "{path}"; Url = "{url}" ]' for url, path in requests)
        (self.place / "requests").write_text(asked)
        words = ["-infile", str(self.place / "requests"), "-outfile", str(self.out)]
        words += ["-upload"] if upload else []
        node = {"PATH": "/usr/bin:/bin", "DODAS_NODE_CACHE": str(self.place / "cache"), **environ}
        return subprocess.run([worker_file(), *words], env=node, cwd=self.place, check=False).returncode

    def answers(self) -> list[dict[str, str]]:
        """Return the strings of what was answered."""
        return list(strings(self.out.read_text()))


@pytest.fixture
def plugin(tmp_path: Path) -> Called:
    return Called(tmp_path)


def test_it_says_what_it_can(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "DODAS_NODE_CACHE": str(tmp_path)}
    said = subprocess.run(
        [worker_file(), "-classad"], env=environ, check=True, capture_output=True, text=True
    )
    assert 'SupportedMethods = "davs,dav,dynafed,dodas"\n' in said.stdout
    assert "MultipleFileSupport = true\n" in said.stdout


def test_each_file_has_its_answer(plugin: Called, apache: Apache, tmp_path: Path) -> None:
    (apache.root / "a b").write_text("content")
    base = apache.url().replace("http", "dav")
    plugin.out.write_text(" " * 3000)
    good, bad = (f"{base}a%20b", tmp_path / "a b"), (f"{base}missing", tmp_path / "missing")
    assert plugin(good, bad) == 1
    assert plugin.out.stat().st_size == 3000
    first, second = plugin.answers()
    assert (first["transferurl"], first["transferfilename"]) == (good[0], "a b")
    assert "transfererror" not in first
    assert bad[0] in second["transfererror"]
    assert (tmp_path / "a b").read_text() == "content"


def test_what_an_earlier_call_said_is_gone(plugin: Called, apache: Apache, tmp_path: Path) -> None:
    plugin.out.write_text('[ TransferUrl = "old" ]' * 100)
    (tmp_path / "x").write_text("x")
    url = apache.url("up/x").replace("http", "dav")
    assert plugin((url, tmp_path / "x"), upload=True) == 0
    assert [one["transferurl"] for one in plugin.answers()] == [url]
    assert (apache.root / "up/x").read_text() == "x"


def test_useless_credentials_fail_every_file(plugin: Called, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-token")
    pairs = [(f"dodas://localhost:1/{n}", tmp_path / str(n)) for n in range(2)]
    assert plugin(*pairs, BEARER_TOKEN_FILE=missing, DODAS_STORAGE_ATTEMPTS="1") == 1
    answers = plugin.answers()
    assert [one["transferurl"] for one in answers] == [url for url, _ in pairs]
    assert all(one["transfererror"] for one in answers)


SUBMIT = """
import os
description = htcondor2.Submit({{
    "executable": "/bin/sh", "transfer_executable": "false",
    "arguments": '"-c \\'tr a-z A-Z < in.txt > out.txt\\'"',
    "initialdir": {place!r}, "log": "log", "output": "stdout", "error": "stderr",
    "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT",
    "transfer_plugins": "davs,dav,dynafed,dodas=dodas_plugin",
    "transfer_input_files": {source!r},
    "transfer_output_files": "out.txt",
    "transfer_output_remaps": '"out.txt = ' + {target!r} + '"',
}})
cluster = schedd.submit(description).cluster()
events = htcondor2.JobEventLog(os.path.join({place!r}, "log")).events(stop_after=40)
ended = next((event for event in events if event.type.name in ("JOB_TERMINATED", "JOB_HELD")), None)
print(ended and (ended.type.name, str(ended)))
schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {{cluster}}")
"""


def test_a_job_of_anybody_moves_files_through_a_federation(
    condor_pool: Pool, dynafed: Dynafed, tmp_path: Path
) -> None:
    (Path(dynafed.endpoints[1].root) / "in.txt").write_text("content\n")
    base = dynafed.url().replace("http", "dav", 1)
    pools, name = condor_pool("far")
    made = subprocess.run(
        [sys.executable, "-m", "dodas", "pool", "plugin"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert made.stdout == "transfer_plugins = davs,dav,dynafed,dodas=dodas_plugin\n"
    code = SUBMIT.format(place=str(tmp_path), source=f"{base}in.txt", target=f"{base}out/result.txt")
    said = pools.python(name, code)
    assert said.startswith("('JOB_TERMINATED'"), said + (tmp_path / "log").read_text()
    results = [Path(endpoint.root) / "out/result.txt" for endpoint in dynafed.endpoints]
    assert [path.read_text() for path in results if path.exists()] == ["CONTENT\n"]
    assert not (tmp_path / "out.txt").exists()
