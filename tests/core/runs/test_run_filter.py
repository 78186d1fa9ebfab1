"""What one types to see only some runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.core.runs.run import Run
from smoltui.core.runs.run_filter import KEYS, parse_filter


def run(**known: object) -> Run:
    plain = {"id": "66f0aa", "engine": "hub", "name": "smollm3-dpo-beta", "stage": "RUNNING"}
    return Run(**{**plain, **known})  # type: ignore[arg-type]


A = run(flavor="a100-large", namespace="lab", labels={"team": "ML", "name": "smollm3-dpo-beta", "try": "one two"})
B = run(id="deadbeef", engine="local", name="uv:python3.12", stage="CANCELED", project="/home/ada/first project")
C = run(id="c0ffee", name="other", stage="HIBERNATING", message="Waits for hardware", flavor="t4-small")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "ABC"),
        ("  ", "ABC"),
        ("smdpo", "A"),  # letters of the name, in order
        ("opds", ""),
        ("SMOLLM3", "A"),
        ("deadb", "B"),
        ("dedbeef", ""),  # fuzzy is for names; an id is not guessed
        ("hardware", "C"),
        ("lab", "A"),
        ("hub", "AC"),
        ("project", "B"),
        ("uv:python3.12", "B"),  # no key of ours: part of a word
        ("stage:run", "A"),
        ("stage:cancelled", "B"),
        ("stage:cancell", "B"),
        ("stage:Hibernat", "C"),
        ("stage:run,hib", "AC"),
        ("stage:", "ABC"),  # as it is being typed
        ("stage:unning", ""),
        ("STAGE:RUN", "A"),
        ("label:team", "A"),
        ("label:ml", "A"),
        ("label:team=m", "A"),
        ("label:team=x", ""),
        ("label:tea", ""),
        ('label:"try=one two"', "A"),
        ("label:try=two", ""),
        ("flavor:a100", "A"),
        ("flavor:small,large", "AC"),
        ("engine:local", "B"),
        ("engine:jobs", "AC"),
        ("engine:h stage:run", "A"),
        ("stage:run stage:hib", ""),
        ('"first project"', "B"),
        ('"first', ""),
        ('"', ""),
        ('""', "ABC"),
    ],
)
def test_what_is_found(text: str, found: str) -> None:
    wanted = parse_filter(text, [HERE, JOBS])
    assert "".join(name for name, one in zip("ABC", (A, B, C), strict=True) if wanted.matches(one)) == found


def test_whether_it_leaves_anything_out() -> None:
    """The list says "no run matches" only where something was asked for."""
    assert not parse_filter(" ") and not parse_filter("stage: label:") and parse_filter("stage: x")


TEXTS = st.text() | st.lists(
    st.sampled_from([*(f"{key}:" for key in KEYS), "run", ",", '"', " ", "=", "smol", "ERROR", "\u2028", "İ"])
).map("".join)
RUNS = st.builds(
    Run,
    id=st.text(min_size=1),
    engine=st.sampled_from(["local", "hub", "slurm"]),
    name=st.text(),
    stage=st.sampled_from(["RUNNING", "ERROR", "UPDATING"]) | st.text(),
    message=st.none() | st.text(),
    flavor=st.none() | st.text(),
    project=st.none() | st.text(),
    labels=st.dictionaries(st.text(), st.text(), max_size=3),
)


@given(TEXTS, TEXTS, RUNS)
def test_more_words_never_find_more(first: str, second: str, one: Run) -> None:
    """Anything can be typed, and each further term only narrows."""
    if first.count('"') % 2 == 0 and parse_filter(f"{first} {second}").matches(one):
        assert parse_filter(first).matches(one) and parse_filter(second).matches(one)


@given(RUNS)
def test_a_run_is_found_by_what_it_is(one: Run) -> None:
    """By its stage and its name as they are written, where quotes do not come between."""
    for key, value in (("stage:", one.stage), ("", one.name), ("", one.id)):
        if value and not set('",') & set(value) and ":" not in value:
            assert parse_filter(f'{key}"{value}"').matches(one), (key, value)
