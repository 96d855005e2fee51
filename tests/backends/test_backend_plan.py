"""What a step, its image and the place say becomes one launch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dodas.containers.launch import Launch
from dodas.containers.prepared import ImageConfig, PreparedRoot
from dodas.errors import SpecError
from dodas.step import Input, Mount, Resources, Step
from dodas.worker.plan import DEFAULT_PATH, check, plan

CONFIG = ImageConfig(
    env=(("PATH", "/opt/bin"), ("LANG", "C")), entrypoint=("/entry", "-e"), cmd=("serve",), workdir="/srv"
)


def root(config: ImageConfig = CONFIG) -> PreparedRoot:
    return PreparedRoot(
        path="/store/c/ROOT", digest="sha256:0", container="c", lock="/store/l", config=config
    )


def step(**fields: Any) -> Step:
    return Step(**{"id": "s", "name": "s", "argv": ("tool", "", "a b"), "image": "i", **fields})


def planned(made: Step, config: ImageConfig = CONFIG, **options: Any) -> Launch:
    return plan(made, root(config), engine="namespace", **options)


def test_the_step_comes_before_the_place_and_that_before_the_image() -> None:
    launch = planned(
        step(env=(("LANG", "é"), ("B", "2"), ("B", "3"))), env=(("LANG", "place"), ("HOME", "/h"), ("B", "1"))
    )
    assert launch.env == (("PATH", "/opt/bin"), ("HOME", "/h"), ("LANG", "é"), ("B", "3"))


def test_an_image_without_a_path_gets_the_usual_one() -> None:
    assert planned(step(), ImageConfig()).env == (("PATH", DEFAULT_PATH),)


@pytest.mark.parametrize(
    ("fields", "argv"),
    [
        ({}, ("tool", "", "a b")),
        ({"entrypoint": True}, ("/entry", "-e", "tool", "", "a b")),
        ({"entrypoint": True, "argv": ()}, ("/entry", "-e", "serve")),
    ],
)
def test_the_command(fields: dict[str, Any], argv: tuple[str, ...]) -> None:
    assert planned(step(**fields)).argv == argv


def test_an_image_without_a_command_needs_one() -> None:
    with pytest.raises(SpecError, match="no command"):
        planned(step(entrypoint=True, argv=()), ImageConfig())


def test_the_working_directory() -> None:
    assert planned(step()).cwd == "/srv"
    assert planned(step(cwd="/here")).cwd == "/here"
    assert planned(step(), ImageConfig(workdir="")).cwd == "/"
    assert plan(step(image=None), None, engine="x", cwd="/place").cwd == "/place"


def test_mounts_come_in_order_and_inputs_are_read_only() -> None:
    made = step(
        mounts=(Mount(source="/a", target="/x", writable=True), Mount(source="/b", target="/x/y")),
        inputs=(Input(source="/c:d", target="/in"),),
    )
    launch = planned(made, mounts=(Mount(source="/driver", target="/lib/driver"),))
    assert launch.mounts == (
        ("/driver", "/lib/driver", False),
        ("/a", "/x", True),
        ("/b", "/x/y", False),
        ("/c:d", "/in", False),
    )


def test_everything_else_arrives() -> None:
    made = step(
        stdin="/i",
        stderr="/e",
        network=False,
        as_root=True,
        resources=Resources(walltime=timedelta(milliseconds=1500)),
    )
    launch = planned(
        made, stdout="/log/o", stderr="/log/e", devices=("/dev/nvidia0",), tty=True, program="/p"
    )
    assert (launch.engine, launch.root, launch.program) == ("namespace", "/store/c/ROOT", "/p")
    assert (launch.stdin, launch.stdout, launch.stderr) == ("/i", "/log/o", "/e")
    assert (launch.network, launch.as_root, launch.tty, launch.gpus) == (False, True, True, ("/dev/nvidia0",))
    assert launch.walltime == 1.5
    assert Launch.from_plain(launch.plain()) == launch


def test_the_host_has_no_mounts_and_no_variables_but_the_steps() -> None:
    same = Mount(source="/usr/./lib", target="/usr/lib")
    made = step(image=None, env=(("A", "1"),), mounts=(same,))
    check(made)
    launch = plan(made, None, engine="namespace", program="/p")
    assert (launch.engine, launch.root, launch.program) == ("host", None, "")
    assert (launch.env, launch.mounts) == ((("A", "1"),), ())


@pytest.mark.parametrize(
    "fields",
    [
        {"mounts": (Mount(source="/a", target="/b"),)},
        {"inputs": (Input(source="/a", target="/b"),)},
        {"entrypoint": True, "argv": ()},
    ],
)
def test_what_the_host_cannot_do_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        check(step(image=None, **fields))
    check(step(**fields))
