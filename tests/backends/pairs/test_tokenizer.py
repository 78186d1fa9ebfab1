"""Tokens without torch: what is counted and shown is what TRL makes of the same pair."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.pairs.token_service import open_tokenizer
from smoltui.backends.pairs.tokenizer import PairTokenizer
from smoltui.backends.pairs.tokenizer_files import read_tokenizer
from smoltui.backends.project.project import Project
from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.core.pairs.rendering import SIDES, cut_at, legend, view_from_json
from smoltui.errors import (
    InputError,
    NotFoundOnHubError,
    PairsError,
    PermissionDeniedError,
    RecipeError,
    SmoltuiError,
    UnreachableError,
)
from tests.marks import needs_training
from tests.paths import DEMO

VALUES = {"model_name_or_path": "model"}
ASKED = {"role": "user", "content": "What is fog?"}

CHATTER = """
{%- macro part(message) %}{{ message.content | trim }}{% endmacro -%}
{%- if messages[0].role == 'system' %}
    {%- set first, rest = messages[0].content, messages[1:] %}
{%- else %}
    {%- set first, rest = 'Be kind.', messages %}
{%- endif %}
{{- bos_token }}<|im_start|>system
{{ first | tojson }} {{ {'ü': '<&>'} | tojson }}<|im_end|>
    {% for message in rest %}
    {%- if loop.index > 40 %}{% break %}{% endif %}
    {%- set ns = namespace(last=loop.last) %}
    {%- if message.role == 'assistant' %}
        {%- generation %}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>
{% endif %}{{ part(message) }}<|im_end|>
{% endgeneration %}
    {%- else %}<|im_start|>{{ message.role }}
{{ part(message) }}<|im_end|>{{ dict(a=1).a }}{{ ns.last }}
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>
{% endif %}{% endif %}
{{- strftime_now('%Y') }}"""
"""Uses all that transformers offers to a template; its end makes the prompt alone no beginning of prompt and answer."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the demo's model without its weights, to be changed."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        shutil.copy(DEMO / "model" / name, folder / name)
    return folder


def configure(model: Path, **settings: Any) -> None:
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def put_a_mark_before_each_text(model: Path) -> None:
    """The tokenizer writes <|endoftext|> before every text, as Llama's writes <s>; templates write their own."""
    mark = "<|endoftext|>"
    post = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": mark, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {mark: {"id": mark, "ids": [0], "tokens": [mark]}},
    }
    file = model / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "post_processor": post}))


def load_tokenizer(project: Project, values: dict[str, Any]) -> PairTokenizer:
    """In this process: the templates here are our own."""
    return read_tokenizer(find_model_files(project, values)).limited(values)


def loaded(model: Path, **values: Any) -> PairTokenizer:
    return load_tokenizer(Project(model.parent), {**VALUES, **values})


def demo() -> PairTokenizer:
    return load_tokenizer(Project(DEMO), {**VALUES, "max_length": 256})


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def asked(chosen: str = "A cloud.", rejected: str = "Look it up.", *before: dict[str, str]) -> Pair:
    """A pair in TRL's own form."""
    return pair_of(0, {"prompt": [*before, ASKED], "chosen": [said(chosen)], "rejected": [said(rejected)]})


def transcripts(shared_data: Path) -> list[dict[str, str]]:
    with gzip.open(shared_data / "hh_harmless_test.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# ---------------------------------------------------------------------------------------------------- the same as TRL's


BY_TRL = """
import json, os, sys
from types import SimpleNamespace

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from accelerate import PartialState
from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOTrainer

PartialState()
for line in sys.stdin:
    model, rows, max_length = json.loads(line)
    tokenizer = AutoTokenizer.from_pretrained(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    trainer = SimpleNamespace(_tokenizer=tokenizer, _is_vlm=False)
    settings = SimpleNamespace(dataset_num_proc=None, max_length=max_length, truncation_mode="keep_start")
    made = DPOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, settings, "train")
    print(json.dumps(list(made)), file=answers, flush=True)
"""
"""What is asked and answered is one line each."""

ByTrl = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def by_trl() -> Iterator[ByTrl]:
    """`by_trl(model, rows, max_length)`: the rows TRL keeps, with `prompt_ids`, `chosen_ids` and `rejected_ids`.

    TRL's own code makes them, in a process of its own: with torch in this one, collecting garbage takes a third of a
    second, which would fail stories that have nothing to do with it.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", BY_TRL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )

    def made(model: Path, rows: list[dict[str, Any]], max_length: int | None = 256) -> list[dict[str, Any]]:
        assert child.stdin is not None and child.stdout is not None
        numbered = [{**row, "number": number} for number, row in enumerate(rows)]
        print(json.dumps([str(model), numbered, max_length]), file=child.stdin, flush=True)
        answer = child.stdout.readline()
        assert answer, "TRL failed on these rows"
        kept: list[dict[str, Any]] = json.loads(answer)
        return kept

    yield made
    child.communicate()


def converted(row: dict[str, Any]) -> dict[str, Any] | None:
    """The row as scripts/dpo.py converts it; None where it leaves it out."""
    from smoltui.scripts.pair_format import NotAPairError, to_conversation

    try:
        return {**to_conversation(row), "chat_template_kwargs": {"enable_thinking": False}}
    except NotAPairError:
        return None


def same_as_trl(ours: PairTokenizer, pairs: list[Pair], trls: list[dict[str, Any]], **how: Any) -> None:
    """Counts one by one and in bulk, and which pairs are dropped, are TRL's."""
    counts = ours.count_many(pairs, **how)
    kept = [number for number, count in enumerate(counts) if count and count[0] < (ours.max_length or sys.maxsize)]
    assert kept == [row["number"] for row in trls]
    sizes = [tuple(len(row[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids")) for row in trls]
    assert [counts[number] for number in kept] == sizes
    for number, row in list(zip(kept, trls, strict=True))[:20]:
        assert ours.count(pairs[number], **how) == counts[number]
        view = ours.view(pairs[number], **how)
        assert not view.dropped
        # The text before the boundary is TRL's prompt, that behind it TRL's completion.
        for name in ("chosen", "rejected"):
            side = view.side(name)
            text = ours._tokenizer.decode(row["prompt_ids"] + row[f"{name}_ids"], skip_special_tokens=False)
            assert side.text == text
            assert side.text[: side.boundary] == ours._tokenizer.decode(row["prompt_ids"], skip_special_tokens=False)


@needs_training
def test_real_transcripts_are_counted_as_trl_counts_them(shared_data: Path, by_trl: ByTrl) -> None:
    """Converted rows, thinking off, long ones cut and dropped: every count is TRL's, on the demo's tokenizer."""
    rows = transcripts(shared_data)[:250]
    usable = [made for row in rows if (made := converted(row)) is not None]
    pairs = [pair for row in rows if (pair := pair_of(0, row)).problem is None]
    assert len(usable) == len(pairs) > 240
    ours = demo()
    dropped = [pair for pair in pairs if ours.view(pair).dropped]
    assert 0 < len(dropped) < len(pairs)
    same_as_trl(ours, pairs, by_trl(DEMO / "model", usable))


@needs_training
def test_rows_in_trl_s_form_keep_their_own_settings(model: Path, by_trl: ByTrl) -> None:
    """The demo's rows turn thinking off in a column of their own; without that column the template thinks."""
    lines = (DEMO / "pairs" / "train.jsonl").read_text().splitlines()[:20]
    rows = [json.loads(line) for line in lines]
    pairs = [pair_of(number, row) for number, row in enumerate(rows)]
    ours = loaded(model, max_length=256)
    same_as_trl(ours, pairs, by_trl(model, rows))
    bare = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    silent = [pair_of(number, row) for number, row in enumerate(bare)]
    same_as_trl(ours, silent, by_trl(model, bare))
    assert ours.count(silent[0]) != ours.count(pairs[0])
    assert ours.count(silent[0], thinking=False) == ours.count(pairs[0])


@needs_training
def test_plain_text_gets_an_end_mark_and_no_template(model: Path, by_trl: ByTrl) -> None:
    """Three texts a row: the tokenizer's own marks stand around them, and tokens may reach over the boundary."""
    rows = [
        {"prompt": "What is fog", "chosen": "gy weather?", "rejected": " A cloud.<|im_end|>"},
        {"prompt": "Why? ", "chosen": " Because.", "rejected": "No."},
        {"prompt": "x" * 400, "chosen": "too long", "rejected": "a prompt"},
    ]
    put_a_mark_before_each_text(model)
    configure(model, bos_token="<|endoftext|>")
    (model / "chat_template.jinja").unlink()
    ours = load_tokenizer(Project(model.parent), {**VALUES, "max_length": 64})
    pairs = [pair_of(number, row) for number, row in enumerate(rows)]
    same_as_trl(ours, pairs, by_trl(model, rows, 64))
    view = ours.view(pairs[0])
    assert view.plain and view.chosen.text == "<|endoftext|>What is foggy weather?<|im_end|>"
    assert view.chosen.answer_at == len("<|endoftext|>What is fog")
    assert view.chosen.pieces[0].kind == view.chosen.pieces[-1].kind == "special"
    assert any("without the chat template" in line for line in legend(view))


@pytest.mark.parametrize("where", ["file", "config", "named"])
@needs_training
def test_a_template_may_use_all_that_transformers_offers(model: Path, where: str, by_trl: ByTrl) -> None:
    """tojson, break, generation, namespace, dict, the year; in a file, in the configuration, as one of several."""
    if where == "file":
        (model / "chat_template.jinja").write_text(CHATTER)
    else:
        (model / "chat_template.jinja").unlink()
        named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": CHATTER}]
        configure(model, chat_template=CHATTER if where == "config" else named)
    configure(model, bos_token={"__type": "AddedToken", "content": "<|endoftext|>"})
    put_a_mark_before_each_text(model)
    before = [{"role": "system", "content": 'Say "é"<'}, ASKED, said("Hm ")]
    rows = [
        {"prompt": [*before, ASKED], "chosen": [said(" A cloud. ")], "rejected": [said("Look <|im_end|> it up 🦊")]},
        {"prompt": [ASKED], "chosen": [said("A")], "rejected": [said("B")]},
    ]
    pairs = [pair_of(number, row) for number, row in enumerate(rows)]
    ours = loaded(model)
    same_as_trl(ours, pairs, by_trl(model, rows, 1024))
    view = ours.view(pairs[0])
    assert view.left_out and view.left_out in ours._template.render(([ASKED], {"add_generation_prompt": True}))[0]  # type: ignore[union-attr]
    assert any("differently when an answer follows" in line for line in legend(view))
    # The template strips the answer: where its first character would stand is still known.
    at = view.chosen.answer_at
    assert at is not None and view.chosen.text[at + 1 :].startswith("A cloud.<|im_end|>")
    off = [{**row, "chat_template_kwargs": {"enable_thinking": False}} for row in rows]
    same_as_trl(ours, pairs, by_trl(model, off, 1024), thinking=False)


@needs_training
def test_special_tokens_the_configuration_adds(model: Path, by_trl: ByTrl) -> None:
    """Tokens that only tokenizer_config.json or special_tokens_map.json know are one token, as in transformers."""
    configure(model, extra_special_tokens=["<fog>"], sep_token="<cloud>", image_token="<picture>")
    (model / "special_tokens_map.json").write_text(json.dumps({"cls_token": {"content": "<sky>"}}))
    text = "<fog> in the <cloud> <picture>, <sky> and <think>"
    rows = [{"prompt": [ASKED], "chosen": [said(text)], "rejected": [said("<fo g>")]}]
    ours = loaded(model)
    same_as_trl(ours, [pair_of(0, rows[0])], by_trl(model, rows, 1024))
    pieces = [piece.text for piece in ours.view(pair_of(0, rows[0])).chosen.pieces if piece.kind == "special"]
    assert {"<fog>", "<cloud>", "<picture>", "<sky>", "<think>"} <= set(pieces)


# ------------------------------------------------------------------------------------------------------- what is shown


def test_where_the_answer_begins_and_what_is_cut() -> None:
    """Pieces join to the text, special tokens are told apart, and beyond max_length nothing is trained."""
    ours = demo()
    pair = asked("A cloud at the ground.", "Look it up somewhere else, I have no time for such a question.")
    whole = ours.view(pair)
    side = whole.chosen
    assert side.text.endswith("<|im_start|>assistant\nA cloud at the ground.<|im_end|>\n")
    assert side.text[side.boundary :] == "A cloud at the ground.<|im_end|>\n" and side.answer_at == side.boundary
    assert [piece.text for piece in side.pieces if piece.kind == "completion"] == ["A cloud at the ground.", "\n"]
    assert cut_at(side) is None and not whole.dropped
    short = ours.limited({"max_length": side.tokens}).view(pair)
    assert short.chosen.cut_tokens == 0 and short.rejected.cut_tokens == short.rejected.tokens - side.tokens > 0
    kept = cut_at(short.rejected)
    assert kept is not None and 0 < kept < short.rejected.answer_chars
    assert short.rejected.pieces[-1].kind == "cut"
    assert short.rejected.pieces[-1].text == pair.rejected[0].content[kept:] + "<|im_end|>\n"
    # One token less, and only the line end behind the end mark is gone: the answer itself is whole.
    edge = ours.limited({"max_length": side.tokens - 1}).view(pair).chosen
    assert cut_at(edge) == edge.answer_chars == len("A cloud at the ground.") and edge.cut_tokens == 1
    gone = ours.limited({"max_length": side.prompt_tokens}).view(pair)
    assert gone.dropped and cut_at(gone.chosen) == 0
    assert not ours.limited({"max_length": str(side.prompt_tokens + 1)}).view(pair).dropped  # TRL reads text too
    assert ours.limited({"max_length": None}).view(pair).max_length is None
    assert ours.limited({}).max_length == 1024
    assert view_from_json(json.loads(json.dumps(short.as_json()))) == short


@pytest.mark.slow
def test_what_is_quickly_measured_is_what_the_view_shows(shared_data: Path, model: Path) -> None:
    """Counts and cuts of real pairs at every length, of plain text, and with `keep_end`."""
    pairs = [pair for row in transcripts(shared_data)[:60] if (pair := pair_of(0, row)).problem is None]
    put_a_mark_before_each_text(model)
    configure(model, bos_token="<|endoftext|>")
    plain = [pair_of(0, {"prompt": "What is fog", "chosen": "gy weather? " * 9, "rejected": " A cloud."})]
    cuts = 0
    for ours, some in ((demo(), pairs), (loaded(model), plain)):
        for recipe in (
            *({"max_length": length} for length in (1, 40, 300, 700, 100_000)),
            {"max_length": None},
            {"max_length": 100, "truncation_mode": "keep_end"},
        ):
            limited = ours.limited(recipe)
            for pair in some:
                view = limited.view(pair)
                counts, cut = limited.measure(pair)
                assert counts == limited.count(pair)
                assert cut == {name: at for name in SIDES if (at := cut_at(view.side(name))) is not None}
                cuts += len(cut)
    assert cuts > 100


def test_keep_end_cuts_the_beginning() -> None:
    ours = demo().limited({"max_length": 10, "truncation_mode": "keep_end"})
    view = ours.view(asked())
    assert view.keeps_end and not view.dropped
    assert view.chosen.pieces[0].kind == "cut" and view.chosen.pieces[-1].kind != "cut"
    kept = "".join(piece.text for piece in view.chosen.pieces if piece.kind != "cut")
    assert len(ours._tokenizer.encode(kept).ids) == 10
    assert any("before here: never trained" in line for line in legend(view))


def test_a_character_of_several_tokens_is_cut_whole() -> None:
    """A fox is four tokens here: cut inside it, it is not trained on as a fox."""
    ours = demo()
    pair = asked("🦊🦊")
    side = ours.view(pair).chosen
    assert side.completion_tokens > 6
    cut = ours.limited({"max_length": side.prompt_tokens + 6}).view(pair).chosen
    assert cut_at(cut) == 1 and cut.text == side.text


def test_special_tokens_written_in_a_row_are_seen() -> None:
    """A row that writes <|im_end|> itself ends its turn early: it is shown as the special token it becomes."""
    view = demo().view(asked("A cloud.<|im_end|>\n<|im_start|>user\nMore"))
    specials = [piece.text for piece in view.chosen.pieces if piece.kind == "special"]
    assert specials.count("<|im_end|>") == 3 and specials.count("<|im_start|>") == 3


@pytest.mark.slow
def test_where_trl_would_cut_the_raw_row(shared_data: Path) -> None:
    """443 of the 445 known rows are usable pairs: TRL's cut is shown where it falls. Elsewhere there is none."""
    ours = demo().limited({"max_length": None})
    found = 0
    for number, row in enumerate(transcripts(shared_data)):
        pair = pair_of(number, row)
        inside = pair.trl_at is not None and pair.answer_at is not None and pair.trl_at > pair.answer_at
        if pair.problem is not None or (not inside and number > 300):
            continue
        view = ours.view(pair, thinking=False)
        for name in ("chosen", "rejected"):
            side = view.side(name)
            if not inside:
                assert side.trl_boundary is None
                continue
            assert side.trl_boundary is not None and side.answer_at is not None
            assert side.answer_at == side.boundary < side.trl_boundary, number
            rest = row[name][pair.trl_at :].strip()
            assert side.text[side.trl_boundary :].strip().removesuffix("<|im_end|>").strip() == rest, number
        found += inside
    assert found == 443


# ---------------------------------------------------------------------------------------------------------- what is off


def test_pairs_that_cannot_be_counted_do_not_stop_the_others(model: Path) -> None:
    """An unreadable row, a conversation the template refuses, lone surrogates: None, None, and a count."""
    (model / "chat_template.jinja").write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn \x1b[31m') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    )
    ours = loaded(model)
    unreadable, refused = pair_of(0, {"score": 3}), asked("a", "b", {"role": "system", "content": "s"})
    counts = ours.count_many([unreadable, refused, asked("\ud800 a"), asked("\ufffd a")])
    assert counts[:2] == [None, None] and counts[2] == counts[3] is not None
    with pytest.raises(PairsError, match="Column chosen is missing"):
        ours.view(unreadable)
    with pytest.raises(InputError, match="rejects this conversation: no system turn ␛") as caught:
        ours.view(refused)
    assert "\x1b" not in str(caught.value)


def test_a_template_of_strangers_is_held_in_a_sandbox(model: Path) -> None:
    """It cannot reach Python through what it is given, nor change a message."""
    for attack in (
        "{{ ''.__class__.__mro__ }}",
        "{{ dict.__class__.__mro__ }}",
        "{% set n = namespace(_x=1) %}",
        "{{ messages.append(1) }}",
        "{{ messages | tojson(indent='x' * 3).__class__.__base__ }}",
        "{{ 1 // 0 }}",
        "{% set n = namespace() %}{% set n.__class__ = 1 %}",
    ):
        (model / "chat_template.jinja").write_text(attack)
        with pytest.raises(InputError):
            print(loaded(model).view(asked()))


def test_the_key_names_what_the_counts_depend_on(model: Path) -> None:
    """The same files give the same key, another template, vocabulary or special token another one; max_length none."""
    keys = [loaded(model).key, loaded(model, max_length=7).key]
    assert keys[0] == keys[1] and len(keys[0]) == 16
    configure(model, sep_token="<cloud>")
    keys.append(loaded(model).key)
    (model / "chat_template.jinja").write_text("{{ messages[0].content }}")
    keys.append(loaded(model).key)
    file = model / "tokenizer.json"
    file.write_text(file.read_text() + "\n")
    keys.append(loaded(model).key)
    assert len(set(keys[1:])) == 4


def test_each_thing_that_can_be_wrong_with_a_model_has_its_sentence(model: Path, tmp_path: Path) -> None:
    plain = pair_of(0, {"prompt": "Why?", "chosen": " Because.", "rejected": " No."})
    with pytest.raises(RecipeError, match="has no model"):
        load_tokenizer(Project(tmp_path), {})
    with pytest.raises(InputError, match="Not a model folder, and not a model id"):
        load_tokenizer(Project(tmp_path), {"model_name_or_path": "./gone/away/model"})
    with pytest.raises(InputError, match="must be a folder"):
        load_tokenizer(Project(tmp_path), {"model_name_or_path": "model/tokenizer.json"})
    (model / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(InputError, match="chat template of this model cannot be used"):
        loaded(model)
    (model / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="has no chat template"):
        open_tokenizer(Project(tmp_path), VALUES)
    without = load_tokenizer(Project(tmp_path), VALUES)
    with pytest.raises(InputError, match="has no chat template"):
        without.count_many([asked()])
    assert without.count(plain)[0] > 0
    (model / "tokenizer_config.json").write_text("{")
    with pytest.raises(InputError, match=r"tokenizer_config.json of this model is not JSON"):
        loaded(model)
    (model / "tokenizer_config.json").unlink()
    bare = load_tokenizer(Project(tmp_path), VALUES)
    with pytest.raises(InputError, match="has no end token"):
        bare.count(plain)
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer.json of this model cannot be used"):
        load_tokenizer(Project(tmp_path), VALUES)
    (model / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"has no tokenizer.json"):
        loaded(model)


# -------------------------------------------------------------------------------------------------------------- the Hub


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub's cache on this machine, empty, and a network that answers nothing."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


def keep(cache: Path, repo: str, model: Path, revision: str = "main") -> None:
    """Puts the files of `model` into the cache, as a download would."""
    root = cache / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / revision).write_text("0" * 40)
    shutil.copytree(model, root / "snapshots" / ("0" * 40), dirs_exist_ok=True)


def test_a_model_of_the_hub_comes_from_its_cache(cache: Path, model: Path, tmp_path: Path) -> None:
    """Offline, what was downloaded once is enough; the same files have the same key wherever they lie."""
    keep(cache, "ada/fog", model)
    ours = load_tokenizer(Project(tmp_path), {"model_name_or_path": "ada/fog"})
    assert ours.key == loaded(model).key and ours.count(asked()) == demo().count(asked())
    keep(cache, "ada/fog", model, "v2")
    assert load_tokenizer(Project(tmp_path), {"model_name_or_path": "ada/fog", "model_revision": "v2"}).key == ours.key


def test_a_model_that_is_nowhere(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="not in the local cache: ada/fog"):
        load_tokenizer(Project(tmp_path), {"model_name_or_path": "ada/fog"})


def _error(kind: str, status: int) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        import httpx2
        from huggingface_hub import errors

        answer = httpx2.Response(status, request=httpx2.Request("HEAD", "https://hub.example/x"))
        raise getattr(errors, kind)("said so", response=answer)

    return fail


@pytest.mark.parametrize(
    ("kind", "status", "expected", "words"),
    [
        ("GatedRepoError", 403, PermissionDeniedError, "gated"),
        ("RepositoryNotFoundError", 404, NotFoundOnHubError, "No such model on this machine or the Hub"),
        ("RevisionNotFoundError", 404, NotFoundOnHubError, "no such revision: v9"),
        ("RemoteEntryNotFoundError", 404, InputError, "has no tokenizer.json"),
        ("HfHubHTTPError", 503, UnreachableError, "had an internal error"),
    ],
)
def test_what_the_hub_answers_is_said(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    status: int,
    expected: type[SmoltuiError],
    words: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _error(kind, status))
    with pytest.raises(expected, match=words):
        load_tokenizer(Project(tmp_path), {"model_name_or_path": "ada/fog", "model_revision": "v9"})


def test_nothing_heavy_is_loaded() -> None:
    """Counting a pair imports neither torch nor transformers."""
    code = (
        "import sys, pathlib; import smoltui.backends.pairs.template_child; "
        "from smoltui.backends.pairs.tokenizer_files import ModelFiles, read_tokenizer; "
        "from smoltui.core.pairs.preference import pair_of; "
        f"folder = pathlib.Path({str(DEMO / 'model')!r}); "
        "files = [folder / name for name in ('tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja')]; "
        "ours = read_tokenizer(ModelFiles('model', *files)); "
        "print(ours.count(pair_of(0, {'instruction': 'p', 'chosen': 'c', 'rejected': 'r'}))); "
        "print(sorted({'torch', 'transformers', 'numpy', 'trl', 'textual', 'huggingface_hub'} & set(sys.modules)))"
    )
    counted, heavy = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert counted.startswith("(") and heavy == "[]"
