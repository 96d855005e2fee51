"""``pool.yaml`` is read as it is meant, or refused with all that is wrong in it, by line and field."""

from __future__ import annotations

import os
from dataclasses import fields as fields_of
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest
import yaml

from docs_examples import blocks
from dodas.errors import SpecError
from dodas.pool.description import model, units
from dodas.pool.description.problems import DescriptionError
from dodas.pool.description.reading import parse, read
from dodas.pool.description.reference import fields, renew
from dodas.pool.description.remarks import remarks
from dodas.pool.description.schema import schema
from installations import PROJECT

EXAMPLES = sorted((PROJECT / "workflows/pools").glob("*.yaml"))
START = "dodas: 1\nname: p\nflavours:\n  small:\n    provider: local\n"  # five lines


def problems(text: str) -> list[str]:
    with pytest.raises(DescriptionError) as caught:
        parse(text)
    assert caught.value.hint
    return str(caught.value).splitlines()


def flavour(more: str) -> str:
    return START + "".join(f"    {line}\n" for line in dedent(more).strip().splitlines())


def site(more: str) -> str:
    lines = "".join(f"    {line}\n" for line in dedent(more).strip().splitlines())
    return f"{START}    site: s\nsites:\n  s:\n{lines}"


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(
        dedent("""\
            dodas: 1
            name: My_pool-2
            manager: {host: login.example.org, port: 9618}
            providers:
              campus:
                kind: slurm
                partition: short
                extra: [--exclusive, --mail-type=NONE]
                directory: shared
              k8s:
                kind: kubernetes
                token_file: ~/token
                labels: {a.example/b: 2027, c: "yes"}
                tolerations: [{key: x, operator: Exists}]
            sites:
              here:
                attributes: {Site: '"X Y"', Fast: true, Version: 3.10}
                start: >
                  Owner == "anna" &&
                    Fast
                prechecks:
                  - test -d /cvmfs
                  - {name: disk, command: "df /", timeout: 1m30s, every: 5m}
                environment: {VERSION: 3.10, "ON": "yes"}
                mounts: [/cvmfs, {source: /data, target: /d, writable: true}]
                cvmfs: {repositories: [cms.cern.ch], quota: 20GB}
                squid: "[::1]:3128"
                files: {/etc/site: "a\\nb\\n"}
                end_time: 2027-03-01T12:00:00+01:00
            flavours:
              small:
                provider: campus
                site: here
                cores: 4
                memory: 8GiB
                disk: 1.5GB
                lifetime: 2h30m
                slurm: {qos: long}
            budget: {workers: 5, core_hours: 10.5}
            elasticity: {interval: 5s, idle_pool: 0}
        """)
    )
    pool = read(str(file))
    assert (pool.name, pool.manager.host, pool.manager.port) == ("My_pool-2", "login.example.org", 9618)
    campus, k8s = pool.providers
    assert campus.get("extra") == ("--exclusive", "--mail-type=NONE")
    assert campus.get("directory") == str(tmp_path / "shared")
    assert k8s.get("token_file") == os.path.expanduser("~/token")
    assert k8s.get("labels") == (("a.example/b", "2027"), ("c", "yes"))
    assert k8s.get("tolerations") == ((("key", "x"), ("operator", "Exists")),)
    here = pool.sites[0]
    assert here.attributes == (("Site", '"X Y"'), ("Fast", "true"), ("Version", "3.10"))
    assert here.start == 'Owner == "anna" && Fast'
    assert here.prechecks == (
        model.Precheck(name="test -d /cvmfs", command="test -d /cvmfs"),
        model.Precheck(name="disk", command="df /", seconds=90.0, every=300.0),
    )
    assert here.environment == (("VERSION", "3.10"), ("ON", "yes"))
    assert here.mounts == (
        model.Mount(source="/cvmfs", target="/cvmfs"),
        model.Mount(source="/data", target="/d", writable=True),
    )
    assert here.cvmfs == model.Cvmfs(repositories=("cms.cern.ch",), quota=20_000_000_000)
    assert (here.squid, here.files) == ("[::1]:3128", (("/etc/site", "a\nb\n"),))
    assert here.end_time == 1803898800.0
    small = pool.flavours[0]
    assert (small.memory, small.disk, small.lifetime) == (8 << 30, 1_500_000_000, 9000.0)
    assert small.settings == (("qos", "long"),)
    assert pool.budget == model.Budget(workers=5, core_hours=10.5)
    assert pool.elasticity == model.Elasticity(interval=5.0, idle_pool=0.0)
    hash(pool)  # tuples all the way down


def test_the_smallest_file_has_the_defaults_of_the_model() -> None:
    pool = parse(START)
    assert pool == model.PoolDescription(
        name="p",
        providers=(model.ProviderSettings(name="local", kind="local"),),
        flavours=(model.Flavour(name="small", provider="local"),),
    )


BROKEN = [
    # the file as a whole
    ("", "pool.yaml:1: there is nothing in this file"),
    ("# nothing\n", "pool.yaml:1: there is nothing in this file"),
    ("- a\n", "pool.yaml:1: this must be a mapping"),
    ("x: \x00\n", "pool.yaml:1: the character U+0000 cannot be in a YAML file"),
    ("a: 1\nb:\n\tc: 1\n", "pool.yaml:3:1: a tab cannot indent; use spaces"),
    ("a: b: c\n", "pool.yaml:1:5: a second ': ' in the line"),
    ("a: 'b\n", "pool.yaml:2:1: a quote that was opened is never closed"),
    ("a: 1\n b: 2\n", "pool.yaml:2:3: a second ': ' in the line, or a wrong indentation"),
    ("a: 1\n---\nb: 1\n", "pool.yaml:2:1: a second document begins here"),
    ("a: [1, 2\nb: 1\n", "pool.yaml:2:2: a list in [ ] needs ','"),
    ("a: *b\n", "pool.yaml:1:4: *NAME stands here without an &NAME before"),
    ("a: !!python/object/apply:os.system [x]\n", "pool.yaml:1:4: tags are not used here"),
    ("a: !x 1\n", "pool.yaml:1:4: tags are not used here"),
    ('a: "\\UFFFFFFFF"\n', "pool.yaml:1: this is not YAML"),
    ("a: &a [*a]\n", "pool.yaml:1: a[0][0]: this is too much"),
    ("[" * 3000, "pool.yaml:1:41: this is nested too deeply"),
    ("a: [" + "1," * 20_000 + "]", "pool.yaml:1:39999: there is too much in this file"),
    ("dodas: 2\nname: p\nnew: thing\n", "pool.yaml:1: dodas: made for a newer dodas"),
    # what must be there
    ("name: p\nflavours: {a: {provider: local}}\n", "pool.yaml:1: dodas: is missing: 1, the version"),
    ("dodas: '1'\nname: p\nflavours: {a: {provider: local}}\n", "pool.yaml:1: dodas: must be 1, the version"),
    ("dodas: 1\nflavours: {a: {provider: local}}\n", "pool.yaml:1: name: is missing: up to 32 letters"),
    ("dodas: 1\nname: p\nflavours: {}\n", "pool.yaml:3: flavours: must be a mapping of names to flavours"),
    ("dodas: 1\nname: p\nflavours:\n  a:\n", "pool.yaml:4: flavours.a: has no value; it must be a mapping"),
    ("dodas: 1\nname: p\nflavours:\n  a: {}\n", "pool.yaml:4: flavours.a.provider: is missing"),
    # names
    (START.replace("name: p", "name: -p"), "pool.yaml:2: name: must be up to 32 letters"),
    (START.replace("name: p", "name: a b"), "pool.yaml:2: name: must be up to 32 letters"),
    (START.replace("name: p", 'name: "p\\n"'), "pool.yaml:2: name: must be up to 32 letters"),
    (START.replace("name: p", "name: " + "p" * 33), "pool.yaml:2: name: must be up to 32 letters"),
    (START.replace("name: p", "name: 7"), "pool.yaml:2: name: must be up to 32 letters"),
    (START.replace("small", "Small"), "pool.yaml:4: flavours.Small: this name must be up to 20 lower-case"),
    (START.replace("small", "a" * 21), f"pool.yaml:4: flavours.{'a' * 21}: this name must be up to 20"),
    (START.replace("small", "a-"), "pool.yaml:4: flavours.a-: this name must be up to 20 lower-case"),
    # fields
    (flavour("corse: 1"), "pool.yaml:6: flavours.small.corse: is unknown here; did you mean cores?"),
    (flavour("zzz: 1"), "pool.yaml:6: flavours.small.zzz: is unknown here; known are provider, site, cores"),
    (
        flavour("cores: many"),
        "pool.yaml:6: flavours.small.cores: must be a whole number of at least 1, not 'many'",
    ),
    (flavour("cores: 0"), "pool.yaml:6: flavours.small.cores: must be a whole number of at least 1, not 0"),
    (
        flavour("cores: 1.5"),
        "pool.yaml:6: flavours.small.cores: must be a whole number of at least 1, not 1.5",
    ),
    (
        flavour("cores: true"),
        "pool.yaml:6: flavours.small.cores: must be a whole number of at least 1, not true",
    ),
    (flavour("cores:"), "pool.yaml:6: flavours.small.cores: has no value; it must be a whole number"),
    (
        flavour("cores: [1]"),
        "pool.yaml:6: flavours.small.cores: must be a whole number of at least 1, not a list",
    ),
    (flavour("cores: 1\ncores: 2"), "pool.yaml:7: flavours.small.cores: is there twice, first on line 6"),
    (
        flavour("memory: 8"),
        "pool.yaml:6: flavours.small.memory: 8 bytes are too little; give a unit, as in 8GiB",
    ),
    (flavour("memory: 8 GigaBytes"), "pool.yaml:6: flavours.small.memory: must be a size such as 8GiB"),
    (flavour("memory: -1"), "pool.yaml:6: flavours.small.memory: must be a size such as 8GiB"),
    (flavour("memory: 99999999P"), "pool.yaml:6: flavours.small.memory: must be a size such as 8GiB"),
    (flavour("lifetime: 300"), "pool.yaml:6: flavours.small.lifetime: must be a duration with its unit"),
    (flavour("lifetime: -5m"), "pool.yaml:6: flavours.small.lifetime: must be a duration with its unit"),
    (flavour("lifetime: 99999d"), "pool.yaml:6: flavours.small.lifetime: must be a duration with its unit"),
    (flavour("lifetime: 1m\nidle: 5m"), "pool.yaml:6: flavours.small.lifetime: a worker must be allowed"),
    (flavour("lifetime: 1m"), "pool.yaml:6: flavours.small.lifetime: a worker must be allowed"),
    (flavour("idle: 2d"), "pool.yaml:6: flavours.small.idle: a worker must be allowed"),
    (flavour("idle: 0"), "pool.yaml:6: flavours.small.idle: must be more than 0"),
    (
        flavour("minimum: 11"),
        "pool.yaml:6: flavours.small.minimum: the minimum, 11, is more than the maximum, 10",
    ),
    (
        flavour("slurm: {qos: x}"),
        "pool.yaml:6: flavours.small.slurm: has no effect: the provider local is of kind",
    ),
    (
        flavour("site: nowhere"),
        "pool.yaml:6: flavours.small.site: there is no site called nowhere; add it below",
    ),
    (
        START.replace("local", "campus"),
        "pool.yaml:5: flavours.small.provider: there is no provider called campus",
    ),
    (
        START.replace("local", "campsu") + "providers: {campus: {kind: slurm}}\n",
        "pool.yaml:5: flavours.small.provider: there is no provider called campsu; did you mean campus?",
    ),
    (
        START.replace("local", "k") + "providers: {k: {kind: kubernetes}}\n",
        "pool.yaml:4: flavours.small.image: is missing: kubernetes needs an image",
    ),
    (
        START.replace("local", "k\n    image: localhost/x") + "providers: {k: {kind: kubernetes}}\n",
        "pool.yaml:6: flavours.small.image: is an image of this host, which kubernetes cannot pull",
    ),
    (START + "providers: {c: {kind: slum}}\n", "pool.yaml:6: providers.c.kind: must be one of local, slurm"),
    (START + "providers: {c: {}}\n", "pool.yaml:6: providers.c.kind: is missing"),
    (START + "providers: {c: {kind: im}}\n", "pool.yaml:6: providers.c.url: is missing: an address"),
    (
        START + "providers: {c: {kind: slurm, namespace: x}}\n",
        "pool.yaml:6: providers.c.namespace: is unknown here; known are partition, account",
    ),
    (
        START + "providers: {c: {kind: local, x: 1}}\n",
        "pool.yaml:6: providers.c.x: is unknown here; there is nothing",
    ),
    (
        START + "providers: {c: {kind: im, url: ftp://x}}\n",
        "pool.yaml:6: providers.c.url: must be an address",
    ),
    (START + "manager: {schedd: s}\n", "pool.yaml:6: manager.schedd: is for a pool that exists"),
    (START + "manager: {collector: 'c:1', users: [a, '*']}\n", "pool.yaml:6: manager.users: names everybody"),
    (START + "manager: {trust_domain: x}\n", "pool.yaml:6: manager.trust_domain: is for a pool that exists"),
    (
        START + "manager: {collector: 'c:1', token_file: t, host: h}\n",
        "pool.yaml:6: manager.host: is of a pool that dodas makes",
    ),
    (flavour("minimum: 3") + "budget: {workers: 2}\n", "pool.yaml:7: budget.workers: 2 is less than the 3"),
    (
        flavour("minimum: 3\ncores: 2") + "budget: {cores: 5}\n",
        "pool.yaml:8: budget.cores: 5 is less than the 6",
    ),
    (START + "elasticity: {interval: 0}\n", "pool.yaml:6: elasticity.interval: must be more than 0"),
    (START + "elasticity: {backoff: 1h}\n", "pool.yaml:6: elasticity.backoff: the longest pause"),
    # what means different things to different readers
    (
        START.replace("name: p", "name: no"),
        "pool.yaml:2: name: no means true or false to some readers of YAML",
    ),
    (START + "sites: {no: {}}\n", "pool.yaml:6: sites.no: no means true or false to some readers"),
    (flavour("shared_disk: yes"), "pool.yaml:6: flavours.small.shared_disk: yes means true or false to some"),
    (flavour("lifetime: 1:30"), "pool.yaml:6: flavours.small.lifetime: 1:30 is a number to base 60 to some"),
    (
        flavour("cores: 012"),
        "pool.yaml:6: flavours.small.cores: 012 is an octal number to some readers of YAML",
    ),
    (flavour("cores: 0x10"), "pool.yaml:6: flavours.small.cores: 0x10 is a number to some readers"),
    (flavour("cores: 1_000"), "pool.yaml:6: flavours.small.cores: 1_000 is a number to some readers"),
    (flavour("cores: 1e3"), "pool.yaml:6: flavours.small.cores: 1e3 is a number to some readers"),
    (flavour(f"cores: {'9' * 5000}"), "pool.yaml:6: flavours.small.cores: 999"),
    (site("environment: {DEBUG: on}"), "pool.yaml:9: sites.s.environment.DEBUG: on means true or false"),
    # sites
    (site("end_time: tomorrow"), "pool.yaml:9: sites.s.end_time: must be a time with its zone"),
    (site("end_time: 2027-03-01T12:00:00"), "pool.yaml:9: sites.s.end_time: must be a time with its zone"),
    (site("end_time: 2027-02-30T12:00:00Z"), "pool.yaml:9: sites.s.end_time: must be a time with its zone"),
    (
        site("attributes: {1a: 1}"),
        "pool.yaml:9: sites.s.attributes.1a: this name must be letters, digits and _",
    ),
    (
        site("attributes: {DodasWorker: 1}"),
        "pool.yaml:9: sites.s.attributes.DodasWorker: is set by the worker",
    ),
    (
        site("attributes: {START: true}"),
        "pool.yaml:9: sites.s.attributes.START: is set by the worker itself; use",
    ),
    (site("start: $(OLD) && x"), "pool.yaml:9: sites.s.start: is used as it is: $(…) of a configuration"),
    (site("start: a \\"), "pool.yaml:9: sites.s.start: must not end with a backslash"),
    (site("start: ' '"), "pool.yaml:9: sites.s.start: must be a ClassAd expression, not empty"),
    (site('start: "a\\x07"'), "pool.yaml:9: sites.s.start: has a character that cannot be printed"),
    (site('start: "a\\ud800"'), "pool.yaml:9: sites.s.start: has a character that cannot be printed"),
    (
        site("prechecks: [5]"),
        "pool.yaml:9: sites.s.prechecks[0]: must be a command, or a mapping with command",
    ),
    (site("prechecks: [{name: x}]"), "pool.yaml:9: sites.s.prechecks[0].command: is missing"),
    (site("prechecks: [a, '']"), "pool.yaml:9: sites.s.prechecks[1]: must be a command"),
    (site("mounts: [data]"), "pool.yaml:9: sites.s.mounts[0]: must be an absolute path"),
    (
        site("files: {/etc/../x: a}"),
        "pool.yaml:9: sites.s.files./etc/../x: this name must be an absolute path",
    ),
    (site("squid: proxy"), "pool.yaml:9: sites.s.squid: must be host:port, not 'proxy'"),
    (site("cvmfs: {}"), "pool.yaml:9: sites.s.cvmfs.repositories: is missing"),
    (site('"a\\nb": 1'), "pool.yaml:9: sites.s.'a\\nb': is unknown here"),
    # secrets
    (
        START + "providers: {m: {kind: marathon, url: https://m, password: hunter2}}\n",
        "pool.yaml:6: providers.m.password: a secret has no place here; name the file that holds it: pass",
    ),
    (
        START + "manager: {token: hunter2}\n",
        "pool.yaml:6: manager.token: a secret has no place here; name the file that holds it: token_file",
    ),
    (
        START + "providers: {i: {kind: im, url: https://i, inputs: {htcondor_password: hunter2}}}\n",
        "pool.yaml:6: providers.i.inputs.htcondor_password: a secret has no place here; give secret_inputs",
    ),
    (
        site("environment: {MY_TOKEN: hunter2}"),
        "pool.yaml:9: sites.s.environment.MY_TOKEN: a secret has no place here; name the file that holds it",
    ),
    (
        START + "manager: {token_file: eyJhbGciOiJub25lIn0.eyJzdWIiOiJodW50ZXIyIn0.hunter2}\n",
        "pool.yaml:6: manager.token_file: looks like a secret, which has no place here",
    ),
    (
        START + "providers: {i: {kind: im, url: 'https://anna:hunter2@i'}}\n",
        "pool.yaml:6: providers.i.url: must be an address that begins with https://",
    ),
    (
        site("files: {/k: '-----BEGIN PRIVATE KEY----- hunter2'}"),
        "pool.yaml:9: sites.s.files./k: looks like a secret, which has no place here",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[expected[:70] for _, expected in BROKEN])
def test_what_is_wrong_is_said_by_line_and_field(text: str, expected: str) -> None:
    found = problems(text)
    assert any(line.startswith(expected) for line in found), found
    assert not any("hunter2" in line or "eyJ" in line for line in found)


@pytest.mark.parametrize("expression", ["a ==", "a b", '"open', "((a)", "é == 1", "a\u00a0== 1"])
def test_expressions_are_parsed_where_htcondor_is(expression: str) -> None:
    pytest.importorskip("classad2")
    quoted = expression.replace("'", "''")
    assert (
        problems(flavour(f"start: '{quoted}'"))
        == [f"pool.yaml:6: flavours.small.start: is no ClassAd expression: {expression}"]
        or "cannot be printed" in problems(flavour(f"start: '{quoted}'"))[0]
    )


def test_all_problems_are_said_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        dedent("""\
            dodas: 1
            name: a b
            flavours:
              Small:
                provider: nowhere
                cores: many
                memory: 8
              big:
                provider: local
                minimum: 20
                start:
        """)
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["pool.yaml:2", "name"],
        ["pool.yaml:4", "flavours.Small"],
        ["pool.yaml:5", "flavours.Small.provider"],
        ["pool.yaml:6", "flavours.Small.cores"],
        ["pool.yaml:7", "flavours.Small.memory"],
        ["pool.yaml:10", "flavours.big.minimum"],
        ["pool.yaml:11", "flavours.big.start"],
    ]


def test_a_thousand_problems_are_not_all_shown() -> None:
    found = problems("dodas: 1\n" + "".join(f"x{number}: 1\n" for number in range(1000)))
    assert len(found) == 51
    assert found[-1].startswith("and 9")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_other_editors_files_are_read(tmp_path: Path, newline: str, mark: str) -> None:
    file = tmp_path / "pool.yaml"
    file.write_bytes((mark + START.replace("\n", newline)).encode())
    assert read(str(file)).name == "p"


def test_what_stands_once_may_be_used_often() -> None:
    pool = parse(
        dedent("""\
            dodas: 1
            name: p
            flavours:
              small: &small
                provider: local
                cores: 2
                idle: 1m
              large:
                <<: *small
                cores: 8
        """)
    )
    small, large = pool.flavours
    assert (small.cores, large.cores, small.idle, large.idle) == (2, 8, 60.0, 60.0)


def test_references_that_multiply_are_refused_quickly() -> None:
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert "this is too much" in problems(f"a0: &a0 [x]\n{bomb}")[0]
    merged = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))
    assert "this is too much" in problems(f"a0: &a0 {{x: y}}\n{merged}")[0]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent.yaml cannot be read: No such file"):
        read(str(tmp_path / "absent.yaml"))
    with pytest.raises(SpecError, match=r"cannot be read: Is a directory"):
        read(str(tmp_path))
    with pytest.raises(SpecError, match="cannot be read"):
        read("a\0b")
    large, latin = tmp_path / "large.yaml", tmp_path / "latin.yaml"
    large.write_bytes(b"#" * (1 << 20) + b"\n")
    latin.write_bytes(b"dodas: 1\nname: caf\xe9\n")
    with pytest.raises(SpecError, match=r"large.yaml:1: the file is larger than 1 MiB"):
        read(str(large))
    with pytest.raises(SpecError, match=r"latin.yaml:2: this is not UTF-8"):
        read(str(latin))


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(DescriptionError, match="made for a newer dodas") as caught:
        parse("dodas: 7\nother: 1\n")
    assert "update" in caught.value.hint


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(example: Path) -> None:
    pool = read(str(example))
    assert pool.name == example.stem
    assert remarks(pool, 1.8e9) == ()
    jsonschema.validate(yaml.safe_load(example.read_text()), schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("page", sorted((PROJECT / "docs").glob("pool*.md")), ids=lambda path: path.name)
def test_the_pages_show_files_that_are_valid(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "yaml" and "flavours:" in block.text and block.note != "broken.yaml":
            parse(block.text, f"{page.name}:{block.line}")


def test_there_are_examples_of_every_kind_and_experiment() -> None:
    kinds = {one.kind for example in EXAMPLES for one in read(str(example)).providers}
    assert kinds == {"local", "slurm", "kubernetes", "im", "orchestrator", "marathon"}
    assert {"cms", "ams", "fermi", "plain"} <= {example.stem for example in EXAMPLES}
    listed = (PROJECT / "workflows/pools/README.md").read_text()
    assert all(f"({example.name})" in listed for example in EXAMPLES)


def test_likely_mistakes_are_remarked_upon() -> None:
    pool = parse(
        dedent("""\
            dodas: 1
            name: p
            providers: {c: {kind: slurm}, k: {kind: kubernetes}, unused: {kind: slurm}}
            sites: {s: {end_time: 2020-01-01T00:00Z, attributes: {Site: Nwh}}, t: {}, m: {mounts: [/cvmfs]}}
            flavours:
              a: {provider: c, site: s, cores: 4, maximum: 0, lifetime: 6m}
              b: {provider: k, site: m, image: registry.example.org/x}
            budget: {cores: 2}
        """)
    )
    words = "\n".join(remarks(pool, 1.8e9))
    for expected in (
        "manager.host is not set",
        "flavours.a: its 4 cores exceed budget.cores, 2",
        "flavours.a: none starts, since its maximum is 0",
        "flavours.a: a worker that boots slowly",
        "flavours.b: kubernetes mounts nothing of the node",
        "providers.unused: no flavour uses it",
        "sites.t: no flavour uses it",
        "sites.s.end_time has passed",
        "sites.s.attributes.Site is the value of the attribute Nwh",
    ):
        assert expected in words


def test_the_schema_is_one_and_agrees_with_the_model() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    names = {path: field for path, field, _ in fields()}
    for kind, group in (
        (model.Flavour, "flavours.NAME"),
        (model.Elasticity, "elasticity"),
        (model.Manager, "manager"),
        (model.Budget, "budget"),
        (model.Cvmfs, "sites.NAME.cvmfs"),
    ):
        spelled = {"token": "token_file"}
        for one in fields_of(kind):
            if one.name in ("name", "settings"):
                continue
            field = names[f"{group}.{spelled.get(one.name, one.name)}"]
            if "default" in field:
                assert converted(field) == one.default, (group, one.name)


def converted(field: dict[str, Any]) -> object:
    default = field["default"]
    if field.get("format") == "size":
        return units.size(default)
    return units.duration(default) if field.get("format") == "duration-in-units" else default


def test_every_field_is_explained() -> None:
    for path, field, _ in fields():
        assert len(field["description"]) > 10, path
        assert field["title"][0].islower() or field["title"][0] in "1MC", path


def test_the_page_has_every_field() -> None:
    page = PROJECT / "docs/pools-on-demand.md"
    text = page.read_text()
    # Renew it with: python -m dodas.pool.description.reference docs/pools-on-demand.md
    assert renew(text) == text
