"""The README.md of a published model: metadata for the Hub, and what the record of its run says, figure by figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from smoltui.core.evaluation.figure_rows import UNKNOWN, figure_rows, rules
from smoltui.core.publish import curves
from smoltui.core.publish.card_metadata import metadata, quoted
from smoltui.core.publish.record import Base, Benchmark, Pairs, Record, Vote, Weights
from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.pace import as_time
from smoltui.safe_text import redact, safe, safe_line

NAME = "README.md"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")
NOT_RECORDED = "not recorded"


def card(record: Record, repo: str) -> str:
    """The whole card of `repo` (owner/name). What the record does not know is named as unknown, never left as a gap."""
    parts = [
        metadata(record),
        [f"# {plain(record.name)}", "", *_intro(record)],
        _usage(record, repo),
        *facts(record).values(),
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""])


def facts(record: Record) -> dict[str, list[str]]:
    """Subject → lines of its section: what the record says, for the card and for the report of a run."""
    return {
        "training": _training(record),
        "pairs": _pairs(record.pairs),
        "recipe": _recipe(record),
        "held-out": _held_out(record),
        "votes": _votes(record.votes),
        "benchmarks": _benchmarks(record.benchmarks),
        "limits": _limits(record),
        "versions": _versions(record),
    }


def _intro(record: Record) -> list[str]:
    base, what = record.base, "A LoRA adapter for" if record.weights is Weights.ADAPTER else "A version of"
    how = " (the adapter is merged into the weights)" if record.weights is Weights.MERGED else ""
    lines = [
        f"{what} {_base_link(base)}, aligned to preference pairs by {plain(record.method)} with "
        f"[TRL](https://github.com/huggingface/trl){how}.",
    ]
    if base.repo is None:
        lines.append(
            f"The base model is a folder of the machine that trained it (`{_code(base.name)}`), not on the Hub."
        )
    if any(record.curves.values()):
        lines += ["", f"![{curves.TITLE}]({curves.NAME})", ""]
        lines.append("Lines: at each logged step. Dots: on held-out pairs.")
    return lines


def _base_link(base: Base) -> str:
    if base.repo is None:
        return f"`{_code(base.name)}`"
    return f"[{plain(base.repo)}](https://huggingface.co/{base.repo})"


def _usage(record: Record, repo: str) -> list[str]:
    adapter = record.weights is Weights.ADAPTER
    loader, package = ("AutoPeftModelForCausalLM", "peft") if adapter else ("AutoModelForCausalLM", "transformers")
    imports = ["from transformers import AutoTokenizer"] if adapter else []
    first = f"from {package} import {loader}" + ("" if adapter else ", AutoTokenizer")
    lines = ["## How to use", "", "```python", first, *imports, "", f"name = {quoted(repo)}"]
    lines.append("tokenizer = AutoTokenizer.from_pretrained(name)")
    lines.append(f'model = {loader}.from_pretrained(name, dtype="auto", device_map="auto")')
    if record.plain_text or record.template is False:
        lines.append('inputs = tokenizer("How can I learn to cook?", return_tensors="pt").to(model.device)')
    else:
        lines += ['messages = [{"role": "user", "content": "How can I learn to cook?"}]']
        lines += ["inputs = tokenizer.apply_chat_template("]
        thinking = ", enable_thinking=False" if record.thinks else ""
        lines += [f'    messages, add_generation_prompt=True{thinking}, return_dict=True, return_tensors="pt"']
        lines += [").to(model.device)"]
    lines += ['answer = model.generate(**inputs, max_new_tokens=256)[0, inputs["input_ids"].shape[1] :]']
    return [*lines, "print(tokenizer.decode(answer, skip_special_tokens=True))", "```", "", _template(record)]


def _template(record: Record) -> str:
    if record.plain_text:
        return "It was trained on plain texts, without a chat template."
    if record.template is False:
        return "The tokenizer has no chat template."
    if record.template is None:
        return "Whether the tokenizer has a chat template is not recorded."
    if record.thinks:
        return "The prompt is rendered by the tokenizer's chat template with thinking off, as in the evaluation below."
    return "The prompt is rendered by the tokenizer's chat template."


def _training(record: Record) -> list[str]:
    base = record.base
    commit = f"`{base.commit}`" if base.commit else NOT_RECORDED
    steps = f"{record.step:,} of {record.steps:,}" if record.steps else f"{record.step:,}"
    epochs = f" ({record.epochs:.3g} epoch{'s' * (record.epochs != 1)})" if record.epochs else ""
    count = NOT_RECORDED if record.parameters is None else f"{record.parameters:,}"
    trained = (
        f", {record.trainable:,} trained" if record.trainable not in (None, record.parameters) else ", all trained"
    )
    rows = [
        ("base model", _base_link(base)),
        ("its commit", commit),
        ("method", f"{plain(record.method)}, loss `{_code(record.loss)}`, beta {record.beta:g}"),
        ("learning rate", _known(record.learning_rate)),
        ("longest pair, tokens", _known(record.max_length)),
        ("seed", _known(record.seed)),
        ("steps", f"{steps}{epochs}"),
        ("parameters", f"{count}{trained if record.parameters is not None else ''}"),
        ("weights", _known(record.dtype)),
        ("device", _known(record.device)),
        ("time", as_time(record.seconds) if record.seconds else NOT_RECORDED),
        ("trained on", _known(record.trained_at)),
    ]
    if record.moved is not None:
        rows.append(("weights that changed", f"{record.moved * 100:.0f} %"))
    if record.chapter:
        rows.append(("smol-course chapter", plain(record.chapter)))
    return ["## Training", "", *table(("", ""), rows)]


def _known(text: str) -> str:
    return plain(text) if text else NOT_RECORDED


def _pairs(pairs: Pairs) -> list[str]:
    name = f"[{plain(pairs.repo)}](https://huggingface.co/datasets/{pairs.repo})" if pairs.repo else plain(pairs.name)
    rows = [
        ("source", name + (f", split `{_code(pairs.split)}`" if pairs.split else "")),
        ("trained on", _count(pairs.train)),
        ("held out", _count(pairs.held_out)),
        ("hash of the rows", f"`{_code(pairs.digest)}`" if pairs.digest else NOT_RECORDED),
    ]
    lines = ["## Preference pairs", "", *table(("", ""), rows)]
    notes = [f"Curated: {plain(pairs.origin)}."] if pairs.origin else []
    if pairs.excluded or pairs.swapped:
        notes.append(f"Decisions of the project: {pairs.excluded:,} pairs excluded, {pairs.swapped:,} swapped.")
    if pairs.left_out:
        said = ", ".join(f"{plain(reason)}: {count:,}" for reason, count in sorted(pairs.left_out.items()))
        notes.append(f"Rows that were not trained on ({said}).")
    lines += ["", *[f"- {note}" for note in notes]] if notes else []
    if not pairs.audit:
        return [*lines, "", "The set was not audited."]
    lines += ["", "Audit:", "", *[f"- {plain(line)}" for line in pairs.audit]]
    if pairs.findings:
        found = [(severity, f"{count:,}", plain(title)) for severity, count, title in pairs.findings]
        lines += ["", *table(("severity", "pairs", "finding"), found)]
    return lines


def _count(number: int | None) -> str:
    return NOT_RECORDED if number is None else f"{number:,}"


def _recipe(record: Record) -> list[str]:
    about = "Every key is TRL's; `trl dpo --config recipe.yaml` runs it."
    return ["## Recipe", "", about, "", *fenced(record.recipe, "yaml")]


def fenced(text: str, language: str = "") -> list[str]:
    """A foreign text of several lines as a block of code: nothing in it is Markdown."""
    shown = safe(redact(text), None).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return [f"{fence}{language}", shown, fence]


def _held_out(record: Record) -> list[str]:
    found = record.measurement
    head = ["## Held-out pairs", ""]
    if found is None:
        return [*head, "Not measured."]
    rows = figure_rows(found.reference, found.aligned, record.manner, found.date)
    rows.append(
        ("answer length ÷ reference's", *(as_word(each.length_ratio, 2) for each in (found.reference, found.aligned)))
    )
    compared = table(("", "reference", "this model"), [tuple(map(plain, row)) for row in rows])
    about = (
        f"Measured on {found.aligned.pairs:,} pairs (hash `{_code(found.pairs_hash)}`), with answers sampled with seed "
        f"{found.seed}, by {_packages(found.versions)}."
    )
    return [*head, *compared, "", about, "", *[f"- {plain(rule)}" for rule in rules(found.beta, record.manner)]]


def _packages(versions: Mapping[str, str]) -> str:
    named = [f"{plain(name)} {plain(version)}" for name, version in sorted(versions.items())]
    return ", ".join(named) or "unknown versions"


def _votes(votes: Sequence[Vote]) -> list[str]:
    lines = ["## Blind votes", ""]
    if not votes:
        return [*lines, "No votes are recorded."]
    for vote in votes:
        rows = [(plain(label), plain(figure)) for label, figure in vote.rows]
        lines += [f"{plain(vote.title)}:", "", *table(("", ""), rows), "", plain(vote.sentence), ""]
    return lines[:-1]


def _benchmarks(benchmarks: Sequence[Benchmark]) -> list[str]:
    lines = ["## Benchmarks", ""]
    kept = [benchmark for benchmark in benchmarks if not benchmark.rehearsal]
    if not kept:
        return [*lines, "Not measured."]
    for benchmark in kept:
        lines += [f"### {plain(benchmark.harness)}", ""]
        rows = [
            (
                f"`{_code(row.task)}`",
                f"`{_code(row.metric)}`",
                _with_error(row.reference, row.reference_stderr),
                _with_error(row.value, row.stderr),
            )
            for row in benchmark.rows
        ]
        lines += table(("task", "metric", "reference", "this model"), rows)
        about = ["± one standard error", benchmark.settings, benchmark.date and f"on {benchmark.date}"]
        about.append(f"with {', '.join(benchmark.pins)}" if benchmark.pins else "its packages were not recorded")
        lines += ["", f"{plain('; '.join(filter(None, about)))}."]
        if benchmark.dataset:
            lines += [
                "",
                f"All results: [{plain(benchmark.dataset)}](https://huggingface.co/datasets/{benchmark.dataset})",
            ]
        lines.append("")
    return [*lines, "Figures of different harnesses, or with other settings, are not comparable."]


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return UNKNOWN
    return as_word(value, 4) + (f" ± {as_word(error, 4)}" if error is not None else "")


def _limits(record: Record) -> list[str]:
    found = record.measurement
    said = [
        "It was aligned to the preferences in its pairs, with their mistakes and their style; nothing else was taught."
    ]
    if found is None:
        said.append("It was not measured on held-out pairs, so whether it learned more than its pairs is unknown.")
    else:
        if found.aligned.pairs < 200:
            said.append(f"The held-out figures rest on {found.aligned.pairs:,} pairs: read the intervals.")
        ratio = found.aligned.length_ratio
        if ratio is not None and abs(ratio - 1) > 0.2:
            said.append(
                f"Its answers are {ratio:.2f} times as long as the reference's: part of a preference may be length."
            )
        changes = (found.aligned.chosen_change, found.aligned.rejected_change)
        if all(change is not None and change < 0 for change in changes):
            said.append("Chosen answers became less likely too; the margin says only that rejected ones fell further.")
    said.append(
        "No votes of people on its answers are recorded." if not record.votes else "The votes are one person's."
    )
    if not [benchmark for benchmark in record.benchmarks if not benchmark.rehearsal]:
        said.append("Whether it lost abilities of its base model was not measured.")
    said.append("It can be wrong, and it can be led to say harmful things. Check its answers before you rely on them.")
    return ["## Limits", "", *[f"- {sentence}" for sentence in said]]


def _versions(record: Record) -> list[str]:
    tool = f"smoltui {record.tool}, " if record.tool else ""
    lines = ["## Versions", "", f"Trained by {tool}run `{_code(record.run_id)}`, with {_packages(record.versions)}."]
    if record.base.license is None:
        lines += ["", "The license of the base model applies; it is not recorded here."]
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table of cells that are Markdown already."""
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


def _code(text: str) -> str:
    """A text between backticks."""
    return safe_line(redact(text), 200).replace("`", "´").replace("|", "¦")


def plain(text: str) -> str:
    """A text as Markdown that shows it: foreign signs mean nothing."""
    return _SPECIAL.sub(r"\\\1", safe_line(redact(text), 1000))
