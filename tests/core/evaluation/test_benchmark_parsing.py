"""Commands that people wrote are read as the shell and LightEval would."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.benchmark_checks import check_lighteval
from smoltui.core.evaluation.benchmark_command import LightEvalCommand, in_shell
from smoltui.core.evaluation.benchmark_parsing import read_command
from smoltui.core.recipe import Level
from smoltui.errors import InputError

COURSE = """hf jobs uv run \\
    --flavor a10g-large \\
    --with "lighteval[vllm]" \\
    --secrets HF_TOKEN \\
    lighteval vllm "model_name=ada/aligned,dtype=bfloat16" \\
    "lighteval|truthfulqa:mc2|0|0,lighteval|hellaswag|0|0,lighteval|arc:challenge|0|0" \\
    --push-to-hub --results-org ada"""


def test_the_command_of_the_course_is_read() -> None:
    read = read_command(COURSE)
    assert read.backend == "vllm" and read.pins == ("lighteval[vllm]",) and read.on_jobs and read.timeout is None
    assert read.flavor == "a10g-large" and read.secrets == ("HF_TOKEN",)
    assert read.model == "ada/aligned" and read.system_prompt is None
    assert read.tasks[0] == "lighteval|truthfulqa:mc2|0|0" and len(read.tasks) == 3
    assert read.results_org == "ada" and not read.public
    names = {check.name for check in check_lighteval(read) if check.level is Level.STOP}
    assert names == {
        "task string",
        "task",
        "pin huggingface_hub",
        "pin xxhash",
        "backend",
        "public results",
        "timeout",
    }


def test_variables_and_repeated_requirements_are_read() -> None:
    read = read_command(
        "HF_HUB_OFFLINE=1 uv run --with 'lighteval>=0.12,<0.14,xxhash<4' lighteval accelerate model_name=m t"
    )
    assert read.offline and read.pins == ("lighteval>=0.12,<0.14", "xxhash<4") and not read.on_jobs
    assert read_command("hf jobs uv run -e HF_HUB_OFFLINE=1 lighteval accelerate model_name=m t").offline
    own = read_command("lighteval accelerate pretrained=m,adapter_weights=True t --max-samples=5 --custom-tasks a.py")
    assert own.model == "m" and own.max_samples == 5 and own.custom_tasks == "a.py"
    assert set(own.more_model_args) == {"pretrained=", "adapter_weights=True"}


@pytest.mark.parametrize("text", ["", "ls -l", "lighteval", "lighteval accelerate model_name=m", "lighteval 'x"])
def test_what_is_no_lighteval_command_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_command(text)


WORDS = st.text("abcXYZ019._-:", min_size=1, max_size=12).filter(lambda word: not word.startswith("-"))
COMMANDS = st.builds(
    LightEvalCommand,
    model=st.tuples(WORDS, WORDS).map("/".join),
    tasks=st.lists(WORDS.map(lambda name: f"{name}|0"), min_size=1, max_size=3).map(tuple),
    batch_size=st.none() | st.integers(1, 64),
    results_org=st.none() | WORDS,
    max_samples=st.none() | st.integers(1, 99),
    flavor=st.none() | WORDS,
    timeout=st.sampled_from([None, "3h", "90m"]),
    namespace=st.none() | WORDS,
    output_dir=st.none() | WORDS,
    cache_dir=st.none() | WORDS,
)


@given(COMMANDS)
def test_what_is_composed_is_read_back(command: LightEvalCommand) -> None:
    command = replace(command, on_jobs=True, public=command.results_org is not None)
    assert read_command(in_shell(command.hf_jobs())) == command


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read_command(f"lighteval accelerate {text}")
    except InputError as error:
        assert error.message
