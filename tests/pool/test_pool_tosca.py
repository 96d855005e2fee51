"""Templates: what is rendered, what of the user's is accepted, and that hostile words stay words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dodas.errors import SpecError
from dodas.pool.description.model import Flavour, Setting
from dodas.pool.providers.base import NotAuthorised, Refused
from dodas.pool.providers.im_authorization import header
from dodas.pool.providers.im_states import why
from dodas.pool.providers.im_workers import nodes, unused, values
from dodas.pool.providers.orchestrator_changes import with_more, without, workers
from dodas.pool.rendering import tosca, tosca_own
from dodas.pool.rendering.tosca import Node
from dodas.pool.rendering.tosca_tasks import tasks
from pool_clouds import SETTINGS, TOKEN, cloud_pool, workers_of

INPUTS: tuple[str, Setting] = ("inputs", (("worker_url", "https://files.example.org/worker"),))
POOL = cloud_pool("poet", "im", [("url", "https://im.example.org"), INPUTS])
OWN = """\
tosca_definitions_version: tosca_simple_yaml_1_0
topology_template:
  inputs:
    cores: {type: integer, default: 1}
    worker_name: {type: string}
  node_templates:
    node: {type: tosca.nodes.Compute}
"""


def node_of(text: str, name: str) -> Any:
    return yaml.safe_load(text)["topology_template"]["node_templates"][name]


def test_a_flavour_is_told_whole() -> None:
    large = Flavour(
        name="large",
        provider="cloud",
        cores=8,
        memory=(16 << 30) + 1,
        disk=100 << 30,
        gpus=2,
        settings=(*SETTINGS, ("instance_type", "m1.large"), ("network", "net7.PUBLIC")),
    )
    pool = cloud_pool("poet", "im", POOL.providers[0].settings, [large])
    [rendered] = tosca.render(pool, large)
    assert rendered.name == "large.tosca.yaml"
    capabilities = node_of(rendered.text, "large-0")["capabilities"]
    assert capabilities["host"]["properties"] == {
        "num_cpus": 8,
        "mem_size": "16385 MiB",
        "disk_size": "102400 MiB",
        "num_gpus": 2,
        "instance_type": "m1.large",
    }
    assert capabilities["os"]["properties"]["image"] == "mock0://linux.for.ev.er/image1"
    assert capabilities["endpoint"]["properties"] == {"network_name": "net7.PUBLIC"}


def test_a_template_needs_nothing_but_itself_and_has_no_secret() -> None:
    document = yaml.safe_load(tosca.render(POOL, POOL.flavours[0])[0].text)
    assert "imports" not in document
    inputs = document["topology_template"]["inputs"]
    assert [name for name, one in inputs.items() if "default" not in one] == [
        "worker_sha256",
        "pilot_small-0",
        "token_small-0",
    ]
    types = set(document["node_types"]) | set(document["capability_types"])
    used = {node["type"] for node in document["topology_template"]["node_templates"].values()}
    assert used <= types


def test_what_is_sent_is_what_is_rendered_with_the_secrets_filled_in(tmp_path: Path) -> None:
    [worker] = workers_of(POOL, tmp_path, 1)
    chosen = nodes([worker], ())
    [rendered] = tosca.render(POOL, worker.flavour, worker)
    sent = yaml.safe_load(
        tosca.template(POOL, "cloud", [node for node, _ in chosen], values(POOL, "cloud", chosen))
    )
    for one in sent["topology_template"]["inputs"].values():
        one.pop("default")
    shown = yaml.safe_load(rendered.text)
    for one in shown["topology_template"]["inputs"].values():
        one.pop("default", None)
    assert sent == shown
    assert TOKEN not in rendered.text


def test_tasks_survive_being_put_between_quotes_and_evaluated_once() -> None:
    # As the Infrastructure Manager writes them into a playbook, and Ansible evaluates the playbook.
    text = tasks()
    assert '"' not in text
    assert "\\" not in text
    quoted = yaml.safe_load('"{}"'.format(text.replace("\n", "\\n")))
    inner = re.fullmatch(r"\{% raw %\}\n(.*)\{% endraw %\}\n", quoted, re.DOTALL)
    assert inner is not None
    assert "raw" not in inner[1]
    found = yaml.safe_load(inner[1])
    assert all({"name"} < set(task) for task in found)
    [secret] = [task for task in found if "dodas_token" in str(task)]
    assert secret["no_log"] is True
    assert secret["ansible.builtin.copy"]["mode"] == "0600"


def test_nodes_are_used_again_and_nobody_gets_one_that_is_taken(tmp_path: Path) -> None:
    three = workers_of(POOL, tmp_path, 3)
    assert [node.name for node, _ in nodes(three, {"small-1"})] == ["small-0", "small-2", "small-3"]
    [idle] = unused(POOL, ["small-7"])
    text = tosca.template(POOL, "cloud", [idle])
    assert node_of(text, "small-7")["capabilities"]["scalable"]["properties"] == {"count": 0}
    assert workers(yaml.safe_load(text)) == {}


def test_a_worker_without_the_address_of_its_program_is_refused(tmp_path: Path) -> None:
    pool = cloud_pool("poet", "im", [("url", "https://im.example.org")])
    with pytest.raises(Refused) as caught:
        values(pool, "cloud", nodes(workers_of(pool, tmp_path, 1), ()))
    assert "worker_url" in caught.value.hint


def test_an_input_that_the_template_does_not_have(tmp_path: Path) -> None:
    odd: tuple[str, Setting] = ("inputs", (("worker_url", "https://x"), ("worker_urk", "https://x")))
    pool = cloud_pool("poet", "im", [odd])
    with pytest.raises(Refused, match="no input worker_urk"):
        values(pool, "cloud", nodes(workers_of(pool, tmp_path, 1), ()))
    with pytest.raises(SpecError, match="no input worker_urk"):
        tosca.render(pool, pool.flavours[0])


def test_templates_with_more_and_with_less() -> None:
    def one(name: str, worker: str) -> str:
        return tosca.template(
            POOL, "cloud", [Node(name=name, worker=worker, flavour=POOL.flavours[0])], {"token": "x"}
        )

    both = yaml.safe_load(with_more(yaml.safe_load(one("small-0", "a")), one("small-1", "b")))
    assert workers(both) == {"small-0": "a", "small-1": "b"}
    assert both == yaml.safe_load(with_more(both, one("small-1", "b")))
    less = yaml.safe_load(without(both, {"small-0": ["1-2-3"]}))
    assert workers(less) == {"small-1": "b"}
    scale = less["topology_template"]["node_templates"]["small-0"]["capabilities"]["scalable"]
    assert scale["properties"] == {"count": 0, "removal_list": ["1-2-3"]}
    again = yaml.safe_load(with_more(less, one("small-0", "c")))
    assert workers(again) == {"small-0": "c", "small-1": "b"}
    assert "removal_list" not in str(again["topology_template"])


def test_the_template_of_the_user_gets_what_it_has_inputs_for(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    told: list[tuple[str, Setting]] = [("template", str(path)), ("inputs", (("cores", 4),))]
    pool = cloud_pool("poet", "im", told)
    document = yaml.safe_load(tosca.render(pool, pool.flavours[0])[0].text)
    inputs = document["topology_template"]["inputs"]
    assert inputs["cores"] == {"type": "integer", "default": 4}
    assert inputs["worker_name"]["default"] == "poet-small-00000000"
    assert document["metadata"]["infra_name"] == "dodas-poet-cloud/poet-small-00000000"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "tosca_definitions_version"),
        ("a: [", "own.yaml:1"),
        ("- a", "tosca_definitions_version"),
        ("tosca_definitions_version: tosca_simple_yaml_1_0", "topology_template"),
        ("tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template: {}", "node_templates"),
        (OWN.replace("{type: tosca.nodes.Compute}", "{}"), "its node node has no type"),
        (OWN.replace("node_templates", "no_templates"), "node_templates"),
        (OWN.replace("cores:", "cpus:"), "no input cores"),
        ("!!python/object/apply:os.system ['true']", "own.yaml"),
    ],
)
def test_what_is_no_template_is_said_to_be_none(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=re.escape(problem)):
        tosca_own.filled(text, "own.yaml", infrastructure="x", told={"cores": 4}, own={})


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        tosca_own.content(str(tmp_path / "none.yaml"))


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_value_of_an_input_stays_that_value(value: str) -> None:
    text = tosca_own.filled(OWN, "own.yaml", infrastructure="x", told={"worker_name": value}, own={})
    inputs = yaml.safe_load(text)["topology_template"]["inputs"]
    assert inputs["worker_name"]["default"] == value


def test_lines_make_a_header() -> None:
    text = "\n# me\n id = im; type = InfrastructureManager; token = {token}\nid = o; type = OpenStack\n"
    assert header(text) == (
        r"id = im; type = InfrastructureManager; token = {token}\nid = o; type = OpenStack"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id = im",
        "id = o; type = OpenStack",
        "type = InfrastructureManager; password = é",
        "type = InfrastructureManager; password = a\tb",
    ],
)
def test_lines_that_make_no_header(text: str) -> None:
    with pytest.raises(NotAuthorised) as caught:
        header(text)
    assert "password" not in str(caught.value)


def test_the_reason_of_a_failure_is_found_among_what_ansible_says() -> None:
    message = """\
2026-01-01 10:00:00: Select master VM
TASK [The worker program] ****
fatal: [10.0.0.7_0]: FAILED! => {"msg": "Request failed", "response": "HTTP Error 404: Not Found"}
PLAY RECAP ***
10.0.0.7_0 : ok=7 changed=3 unreachable=0 failed=1 skipped=0
"""
    assert "HTTP Error 404" in why(message)
    assert "ok=7" not in why(message)
    assert why("") == ""
