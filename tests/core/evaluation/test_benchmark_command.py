"""The commands that are run, word by word."""

from __future__ import annotations

from smoltui.core.evaluation.benchmark_command import LightEvalCommand, LmEvalCommand, in_shell

COMMAND = LightEvalCommand(
    "ada/aligned",
    ("truthfulqa:mc|0", "gsm8k|0"),
    results_org="ada",
    on_jobs=True,
    flavor="a10g-large",
    timeout="3h",
)


def test_the_job_is_the_command_that_ran() -> None:
    assert in_shell(COMMAND.hf_jobs()) == (
        "hf jobs uv run --flavor a10g-large --timeout 3h --secrets HF_TOKEN --python 3.11 --with lighteval==0.13.0 "
        "--with 'huggingface_hub<2' --with 'xxhash<4' --with transformers==5.23.0 lighteval accelerate "
        "model_name=ada/aligned,dtype=bfloat16,batch_size=8,system_prompt=/no_think 'truthfulqa:mc|0,gsm8k|0' "
        "--push-to-hub --results-org ada --public-run --save-details"
    )
    assert COMMAND.in_container() == ["uv", "run", *COMMAND.environment(), *COMMAND.lighteval()]
    assert COMMAND.results_dataset == "ada/details_ada__aligned"


def test_what_a_rehearsal_and_private_results_change() -> None:
    from dataclasses import replace

    rehearsal = replace(COMMAND, max_samples=10, public=False)
    assert "--max-samples 10" in in_shell(rehearsal.lighteval()) and rehearsal.is_rehearsal
    assert "--public-run" not in rehearsal.lighteval()
    assert rehearsal.results_dataset == "ada/details_ada__aligned_private"
    assert replace(COMMAND, results_org=None).results_dataset is None


def test_lm_eval_turns_thinking_off_and_takes_an_adapter_as_it_is() -> None:
    command = LmEvalCommand("/m", ("a", "b"), "/out", adapter="/lora", task_folder="/tasks", max_samples=3)
    assert in_shell(command.lm_eval()) == (
        "lm_eval run --model hf --model_args pretrained=/m,peft=/lora,enable_thinking=False --tasks a,b "
        "--include_path /tasks --batch_size 8 --apply_chat_template --limit 3 --output_path /out"
    )
    on_hub = LmEvalCommand("o/m", ("a",), "/out", revision="abc", device="cpu", dtype="float32", thinking=True)
    assert on_hub.model_args() == "pretrained=o/m,revision=abc,dtype=float32,enable_thinking=True"
    assert "--device cpu" in in_shell(on_hub.lm_eval()) and not on_hub.is_rehearsal
