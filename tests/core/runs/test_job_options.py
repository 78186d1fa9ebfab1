"""What `[jobs]` asks of a Job besides its flavor and time."""

from __future__ import annotations

import pytest

from smoltui.core.runs.job_options import JobOptions, JobVolume, options_in, problem_in, secret_values, volume_in
from smoltui.core.settings.settings import parse_settings
from smoltui.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("hf://me/model:/m", JobVolume("model", "me/model", "/m")),
        ("hf://datasets/me/d@v1:/in/:ro", JobVolume("dataset", "me/d", "/in", "v1")),
        ("hf://buckets/me/b:/out", JobVolume("bucket", "me/b", "/out", read_only=False)),
        ("hf://buckets/me/b:/out:ro", JobVolume("bucket", "me/b", "/out")),
        ("hf://me/model://a/./b/../c//", JobVolume("model", "me/model", "/a/c")),
    ],
)
def test_volumes_are_written_as_for_hf_jobs(text: str, volume: JobVolume) -> None:
    assert volume_in(text) == volume


@pytest.mark.parametrize(
    ("options", "key", "sentence"),
    [
        (JobOptions(volumes=("./inputs:/in",)), "volumes", "./inputs:/in"),
        (JobOptions(volumes=("hf://datasets/a/b:/in:rw",)), "volumes", "a/b"),
        (JobOptions(volumes=("hf://a/b:/data/x",)), "volumes", "/data"),
        (JobOptions(volumes=("hf://buckets/a/b://data",)), "volumes", "//data"),
        (JobOptions(volumes=("hf://a/b:/./data",)), "volumes", "/./data"),
        (JobOptions(volumes=("hf://a/b:/x/../data/y",)), "volumes", "/x/../data/y"),
        (JobOptions(volumes=("hf://a/b:/x/..",)), "volumes", "/x/.."),
        (JobOptions(volumes=("hf://a/b:/x", "hf://a/c:/x/")), "volumes", "same path"),
        (JobOptions(volumes=("hf://a/b:/x", "hf://a/c://x")), "volumes", "same path"),
        (JobOptions(secrets=("KEY=value",)), "secrets", "would be stored"),
        (JobOptions(secrets=("a b",)), "secrets", "a b"),
        (JobOptions(secrets=("A",), env={"A": "b"}), "secrets", "jobs.env"),
        (JobOptions(env={"HF_TOKEN": "x"}), "env", "already has a value for: HF_TOKEN"),
        (JobOptions(env={"PYTHONUNBUFFERED": "0"}), "env", "already has a value for: PYTHONUNBUFFERED"),
        (JobOptions(env={"A B": "x"}), "env", "cannot be set: A B"),
    ],
)
def test_what_cannot_be_used_is_named(options: JobOptions, key: str, sentence: str) -> None:
    problem = problem_in(options)
    assert problem is not None and problem[0] == key and sentence in problem[1]


def test_settings_refuse_it_and_a_record_gives_what_it_can() -> None:
    with pytest.raises(RecipeError, match=r"jobs\.volumes"):
        parse_settings({"jobs": {"volumes": ["x"]}})
    assert parse_settings({"jobs": {"secrets": ["WANDB_API_KEY"], "attempts": 2}}).jobs.attempts == 2
    assert options_in({"env": '{"A": "b"}', "ssh": "1", "secrets": "[", "time": '"1h"'}) == JobOptions(env={"A": "b"})


def test_a_file_of_secrets() -> None:
    text = "# comment\nexport A='x y'\nB = \"z\"\nnot a line\nC=a=b\n"
    assert secret_values(text) == {"A": "x y", "B": "z", "C": "a=b"}
