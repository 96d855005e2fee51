"""Units, verdicts and options: functions of values."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import dodas_cwl
from dodas.errors import SpecError
from dodas.step import MIB, Failure, Result
from dodas_cwl import options, translate

GRANTED = {"cores": 1.5, "ram": 254.9, "outdirSize": 1024, "tmpdirSize": 1024}


def test_the_defaults_of_cwl_are_no_wish_of_anybody() -> None:
    found = translate.resources(GRANTED, (), seconds=None, limit_memory=False)
    assert (found.cores, found.memory, found.disk, found.scratch) == (1.5, None, None, None)
    assert (found.gpus, found.walltime) == (0, None)


def test_mebibytes_and_seconds_are_converted_and_rounded_up() -> None:
    asked = ("ramMin", "tmpdirMax", "outdirMin")
    found = translate.resources({**GRANTED, "cudaDeviceCount": 2}, asked, seconds=90, limit_memory=True)
    assert found.memory == int(254.9 * MIB) + 1
    assert (found.disk, found.scratch) == (1024 * MIB, 1024 * MIB)
    assert (found.gpus, found.walltime) == (2, timedelta(seconds=90))


def test_memory_is_set_aside_and_a_limit_only_on_request() -> None:
    found = translate.resources(GRANTED, ("ramMin",), seconds=None, limit_memory=False)
    assert (found.memory, found.memory_is_limit) == (int(254.9 * MIB) + 1, False)
    assert translate.resources(GRANTED, (), seconds=None, limit_memory=True).memory_is_limit


def test_a_time_limit_of_zero_is_none() -> None:
    assert translate.resources(GRANTED, (), seconds=0, limit_memory=False).walltime is None


@pytest.mark.parametrize(
    ("code", "status"),
    [(0, "success"), (3, "success"), (4, "temporaryFail"), (5, "permanentFail"), (6, "permanentFail")],
)
def test_exit_codes_mean_what_the_tool_says(code: int, status: str) -> None:
    assert translate.status(code, [3], [4], [5]) == status


def test_zero_may_be_a_failure() -> None:
    assert translate.status(0, [1], [0], []) == "temporaryFail"


@pytest.mark.parametrize("failure", [kind for kind in Failure if kind is not Failure.TOOL])
def test_what_is_not_the_tools_fault_is_no_exit_code(failure: Failure) -> None:
    assert translate.tool_code(Result(step="1", exit_code=1, failure=failure)) is None


def test_ids_are_fit_for_file_names() -> None:
    assert translate.step_id(7, "wörk/it out;$(x)") == "00007-w_rk_it_out_x_"
    assert len(translate.step_id(123456, "x" * 300)) < 64


def test_plain_values_hold_no_annotated_ones() -> None:
    class Annotated(list[object]):
        pass

    found = translate.plain({"a": Annotated([Annotated([1]), "text", None])})
    assert found == {"a": [[1], "text", None]}
    assert type(found["a"]) is list
    assert type(found["a"][0]) is list


def test_the_environment_adds_options_and_the_command_line_wins() -> None:
    args = options.parse(
        ["--on-error", "stop", "wf.cwl", "--count", "3"], {"CWLTOOL_OPTIONS": " --on-error continue  --debug"}
    )
    assert (args.on_error, args.debug, args.job_order) == ("stop", True, ["--count", "3"])


def test_what_may_be_used_is_said_in_usual_units() -> None:
    args = options.parse(["--cores", "1.5", "--memory", "2GiB", "wf.cwl"], {})
    assert (args.cores, args.memory) == (1.5, 2 << 30)


def test_options_for_other_runtimes_are_refused_with_advice() -> None:
    with pytest.raises(SpecError) as refused:
        options.parse(["--singularity", "wf.cwl"], {})
    assert "--singularity" in refused.value.hint


def test_command_lines_made_for_udocker_still_work() -> None:
    assert options.parse(["--udocker", "--parallel", "wf.cwl"], {}).user_space_docker_cmd is None


def test_one_module_knows_cwltool() -> None:
    package = Path(dodas_cwl.__file__).parent
    imports = re.compile(r"^\s*(from|import) cwltool\b", re.MULTILINE)
    knowing = [path.name for path in package.glob("*.py") if imports.search(path.read_text("utf-8"))]
    assert knowing == ["reference.py"]
