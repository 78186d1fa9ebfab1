"""The Runs room on the command line: ps, logs, inspect, cancel. `train.py` starts runs, `jobs.py` has the others."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.known import KnownRun, known_runs
from smoltui.backends.services import default_services, places
from smoltui.backends.system.known_secrets import token_source
from smoltui.backends.system.threads import in_thread
from smoltui.cli.output import cell, log_text, note, note_error, print_error, print_json, print_log, say
from smoltui.cli.verdicts import explained, print_verdict, settled, verdict_on
from smoltui.core.runs import events
from smoltui.core.runs.health import health_line
from smoltui.core.runs.pace import as_age
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import LABEL, Run, Stage
from smoltui.core.runs.run_filter import parse_filter
from smoltui.core.runs.wording import gap_words, in_words
from smoltui.errors import InputError, NotFoundOnHubError, NotLoggedInError, ServiceError, SmoltuiError
from smoltui.safe_text import redact, safe, safe_line
from smoltui.suggestions import did_you_mean

if TYPE_CHECKING:
    from smoltui.core.runs.cost import Flavor
    from smoltui.core.runs.reading import Reading

RECENT_SECONDS = 86_400
"""`ps` without `-a` leaves out runs that ended longer ago."""

EXIT_CODES = {Stage.COMPLETED: 0, Stage.CANCELED: 130}
"""Final stage of a run → exit code; 1 for the others."""

T = TypeVar("T")


def exit_code(stage: str) -> int:
    """The exit code of a command that followed a run to this final stage."""
    return EXIT_CODES.get(Stage(stage), 1) if stage in set(Stage) else 1


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; ctrl+c cancels it."""
    return asyncio.run(work)


@contextmanager
def told_if_interrupted(what: str, look: str, as_json: bool) -> Iterator[None]:
    """After ctrl+c, says what may have happened all the same, and the command that shows it."""
    try:
        yield
    except asyncio.CancelledError:
        print_error(f"Interrupted, but {what}", f"Check before retrying: {look}", as_json)
        raise


def told_if_started(place: Place, as_json: bool, label: str = "") -> AbstractContextManager[None]:
    """`told_if_interrupted` while a run is being started; `label` is its unique one, if known."""
    which = f" --filter label:{LABEL}={label}" if label and place.pays else ""
    return told_if_interrupted(f"the {place.run} may have been started", f"smoltui ps -a{which}", as_json)


def print_event(event: events.Event, run: Run, as_json: bool) -> None:
    """Prints an event of a run: what a log shows of it, or one JSON object."""
    if as_json:
        data = event.as_json()
        print_json({**data, "run": run.id} if isinstance(event, events.StageChanged) else data)
        return
    if isinstance(event, events.LogLine):
        print_log(event.text)
    elif words := in_words(event, run.max_steps):
        note(safe(redact(words), 2000))


def ps(*, every: bool, engine: str | None, filter_text: str, quiet: bool, as_json: bool) -> int:
    """Prints the list of runs that match `filter_text` (`core/runs/run_filter.py`), newest first.

    With `quiet`, only their ids. `every` includes those that ended more than `RECENT_SECONDS` ago; `engine` is the only
    one asked, None: all of them.
    An engine or a namespace that cannot be asked is reported on stderr, and the others are listed. The exit code is
    then that of the failure, except for a Hub to which nobody has logged in here: it has no runs of this person.

    Raises:
        SmoltuiError: the one `engine` cannot be asked.
    """
    services = default_services(engine or "")
    wanted, engines = parse_filter(filter_text, places()), services.engines
    asked = [services.named(engine)] if engine else list(engines.values())
    now = time.time()

    async def work() -> tuple[list[Run], list[tuple[str, SmoltuiError]]]:
        listed, errors = await _listed(asked, raises=bool(engine))
        listed = [run for run in listed if (every or _is_recent(run, now)) and wanted.matches(run)]
        recent = {run.id for run in listed if _is_recent(run, now)}
        return listed if quiet else await explained(listed, engines, recent), errors

    runs, errors = run_async(work())
    for which, error in errors:
        note_error(f"{which[:1].upper()}{safe_line(which[1:], 80)} are not listed", error, as_json)
    if as_json:
        print_json([run.id for run in runs] if quiet else [run.summary() for run in runs])
    elif quiet:
        for run in runs:
            say(safe_line(run.id, 60))
    elif runs:
        _print_table(runs, now)
    elif errors:
        note("No other run matches" if wanted else "No other runs")
    else:
        note("No run matches" if wanted else "No runs. Start one: smoltui train FOLDER")
    unused = token_source() is None
    failures = [error for _, error in errors if not (unused and isinstance(error, NotLoggedInError))]
    return failures[0].exit_code if failures else 0


async def _listed(engines: Sequence[Engine], *, raises: bool) -> tuple[list[Run], list[tuple[str, SmoltuiError]]]:
    """The runs of these engines, newest first, and what could not be listed with the reason.

    Raises:
        SmoltuiError: an engine cannot be asked, and `raises` is set.
    """
    found: list[Run] = []
    errors: list[tuple[str, SmoltuiError]] = []
    for one in engines:
        try:
            found += await one.list_runs()
        except SmoltuiError as error:
            if raises:
                raise
            errors.append((one.place.plural, error))
        else:
            errors += [(f"{one.place.plural} of {owner}", error) for owner, error in one.problems.items()]
    return sorted(found, key=lambda run: run.created_at or 0, reverse=True), errors


def _is_recent(run: Run, now: float) -> bool:
    return not run.is_final or now - (run.finished_at or now) < RECENT_SECONDS


def _print_table(runs: Sequence[Run], now: float) -> None:
    say(f"{'ID':<26}{'NAME':<22}{'STAGE':<12}{'WHERE':<14}{'AGE':>5}{'STEP':>11}  MESSAGE")
    for run in runs:
        step = f"{run.step}/{run.max_steps}" if run.max_steps else "–"
        age = as_age(now - run.created_at if run.created_at else None)
        say(
            f"{cell(run.id, 26)}{cell(run.name, 22)}{cell(run.stage, 12)}{cell(run.flavor or run.engine, 14)}"
            f"{age:>5}{step:>11}  {safe_line(redact(_said(run)), 80)}".rstrip()
        )


def _said(run: Run) -> str:
    """Why a run waits or ended, or what is wrong in its curves."""
    return run.message or (health_line(run.health) if run.health else "")


def able(act: str, on: str = "") -> Engine:
    """The engine `on` if it supports an act (`core.runs.place.ACTS`), else the first that does.

    Raises:
        InputError: no engine does.
    """
    found = default_services().able(act, on)
    if found is None:
        words = {"scheduled": "scheduled Jobs", "hardware": "hardware to choose from"}
        raise InputError(f"There is no engine here that has {words.get(act, act)}")
    return found


async def hardware(on: str | None, preferred: str) -> tuple[Engine, list[Flavor]]:
    """The hardware of `on`; unless one is named, of the first engine that answers, `preferred` before the others.

    Raises:
        InputError: no engine has hardware to choose from.
        ServiceError: it could not be listed.
    """
    if on or (found := await default_services().hardware(preferred)) is None:
        engine = able("hardware", on or "")
        return engine, await engine.hardware()
    engine, listed, problem = found
    if problem:
        note(f"{safe_line(redact(problem), 300)}. Instead, the hardware of {engine.place.plural}:")
    return engine, listed


async def find(run_id: str) -> tuple[Engine, Run]:
    """A run and its engine; engines of this machine are asked first.

    Raises:
        InputError: no engine knows the id.
        ServiceError: the Hub, or another service, could not be asked.
    """
    if not run_id.strip():
        raise InputError("The run id is empty", "List run ids: smoltui ps -a")
    asked: list[str] = []
    refused: list[tuple[Engine, ServiceError]] = []
    for engine in default_services().engines.values():
        try:
            return engine, await engine.get(run_id)
        except (InputError, NotFoundOnHubError):
            asked.append(f"on {engine.place.title}")
        except ServiceError as error:
            refused.append((engine, error))
    known = known_runs()
    recorded = any(run.id == run_id for run in known)  # then it is no slip
    listing = "List run ids: smoltui ps -a"
    hint = listing if recorded else f"{_meant(run_id, known)}{listing}"
    if not refused:
        raise InputError(f"No run has this id {either(asked)}: {run_id}", hint)
    said = [f"{engine.place.subject} could not be asked for this run ({error.message})" for engine, error in refused]
    said += [f"it is not {either(asked)}"] if asked else []
    hints = [error.hint for _, error in refused if error.hint] + ([] if recorded else [hint])
    first = refused[0][1]
    raise type(first)(f"{'; '.join(said)}: {run_id}", _in_a_row(hints)) from first


def either(words: Sequence[str]) -> str:
    """`a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _in_a_row(hints: Sequence[str]) -> str:
    """Next steps as sentences, each once; the last one ends as it did, because it may be a command."""
    *others, last = dict.fromkeys(hints) or [""]
    return " ".join([*(f"{hint.rstrip('.')}." for hint in others), last])


def _meant(run_id: str, known: Sequence[KnownRun]) -> str:
    """Which runs were probably meant: by a similar id, or by their name; ends with a space, or is empty."""
    named = [f"{run.id} ({safe_line(run.name, 60)})" for run in known if run.name and run.name == run_id][:3]
    said = f"Did you mean {' or '.join(named)}?" if named else did_you_mean(run_id, (run.id for run in known))
    return f"{said} " if said else ""


def logs(run_id: str, *, follow: bool, tail: int | None, grep: str | None, as_json: bool) -> int:
    """Prints the log; returns the exit code, which is 0 unless the run is followed.

    `tail` limits it to the last lines (None: all). Of these, only those that match `grep` are printed, where events
    count as the words that a log shows for them.

    The stage, and why the run waits, goes to stderr: whenever it changes if the run is followed, else if there is no
    log yet.

    Raises:
        InputError: `grep` is not a regular expression.
    """
    pattern = _pattern(grep)

    async def work() -> int:
        engine, run = await find(run_id)
        empty = True
        async with aclosing(engine.follow(run_id, follow=follow, tail=tail)) as stream:
            async for event in stream:
                run = run.after(event)
                if not isinstance(event, events.StageChanged):
                    empty = False
                elif follow and not as_json and not run.is_final:
                    print_event(event, run, False)
                if not as_json:
                    _print_matching(_log_words(event, run), pattern)
                elif pattern is None or isinstance(event, events.StageChanged) or _matches(event, run, pattern):
                    print_event(event, run, True)
                if isinstance(event, events.Gap) and not as_json:
                    note(gap_words(event))
        if not follow:
            if empty and tail != 0 and not as_json:
                note(f"{'No log' if run.is_final else 'No log yet'}: {stage_words(run)}")
            return 0
        if run.is_final:
            ended = await settled(engine, await engine.get(run.id))
            print_verdict(await verdict_on(engine, ended), as_json)
        return exit_code(run.stage)

    return run_async(work())


def _print_matching(words: str | None, pattern: re.Pattern[str] | None) -> None:
    """Prints the matching lines of a text, or all of them without a pattern. None stands for no lines."""
    lines = [] if words is None else words.split("\n")
    if matching := [line for line in lines if pattern is None or pattern.search(line)]:
        print_log("\n".join(matching))


def _matches(event: events.Event, run: Run, pattern: re.Pattern[str]) -> bool:
    """Whether a line that a log shows for this event matches."""
    words = _log_words(event, run)
    return words is not None and any(pattern.search(line) for line in words.split("\n"))


def _log_words(event: events.Event, run: Run) -> str | None:
    """What the output shows for an event; None for a change of stage, for a gap, which is reported on stderr, and for
    events that a log does not show."""
    if isinstance(event, events.LogLine):
        return log_text(event.text)
    if isinstance(event, events.StageChanged | events.Gap):
        return None
    words = in_words(event, run.max_steps)
    return None if words is None else safe(redact(words), 2000)


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise InputError(
            f"--grep is not a regular expression ({error}): {safe_line(grep or '', 100)}",
            "Write \\ before a special character to match it literally.",
        ) from error


def inspect(run_id: str, *, as_json: bool) -> None:
    """Prints everything known about a run; without `as_json`, also how to connect to a running Job."""

    async def work() -> tuple[dict[str, Any], list[str]]:
        engine, run = await find(run_id)
        found = await engine.inspect(run_id)
        if reading := await reading_of(engine, run):
            found = {"reading": reading.as_json(), **found}
        if verdict := await verdict_on(engine, await settled(engine, run)):
            found = {"verdict": verdict.as_json(), **found}
        return found, engine.access(found)

    found, ways = run_async(work())
    if as_json:
        print_json(found)
    else:
        print_json(found, indent=2)
        for way in ways:
            note(f"Connect: {safe_line(redact(way))}")


async def reading_of(engine: Engine, run: Run) -> Reading | None:
    """What the curves of a run show; None if it has none, or they are not known on this machine."""
    from smoltui.backends.runs.pair_facts import pair_facts
    from smoltui.core.runs.reading import Verdict, read_run

    await in_thread(run.history.load)
    spec = await engine.started_with(run)
    reading = await in_thread(lambda: read_run(run, pair_facts(spec)))
    return None if reading.verdict is Verdict.NONE else reading


def cancel(run_ids: Sequence[str], *, as_json: bool) -> None:
    """Stops runs and prints the stage of each. If one cannot be stopped, the others still are.

    Raises as `for_each`, and ServiceError: a run is still running.
    """

    async def work(run_id: str) -> Run:
        engine, _ = await find(run_id)
        return await engine.cancel(run_id)

    def check(run: Run) -> None:
        if not run.is_final:
            raise ServiceError(
                f"Asked to cancel {run.id}, but it is still running", f"Wait for its end: smoltui wait {run.id}"
            )

    for_each(run_ids, work, as_json, check)


def for_each(
    run_ids: Sequence[str],
    work: Callable[[str], Coroutine[Any, Any, Run]],
    as_json: bool,
    check: Callable[[Run], object] = lambda run: None,
) -> None:
    """Applies `work` to each run in turn, prints the result as long as somebody reads it, and then checks it.

    Raises:
        SmoltuiError: the first failure; further ones are printed on stderr.
        BrokenPipeError: nothing failed, but the reader has left.
    """

    async def all_of_them() -> SmoltuiError | BrokenPipeError | None:
        first: SmoltuiError | None = None
        unread: BrokenPipeError | None = None
        for run_id in dict.fromkeys(run_ids):
            try:
                run = await work(run_id)
                try:
                    if unread is None:
                        print_run(run, as_json)
                except BrokenPipeError as error:
                    unread = error  # the others are to be canceled all the same
                check(run)
            except SmoltuiError as error:
                if first is not None:
                    print_error(error.message, error.hint, as_json)
                first = first or error
        return first or unread

    if (error := run_async(all_of_them())) is not None:
        raise error


def print_run(run: Run, as_json: bool) -> None:
    """Prints the stage of a run: one line, or one JSON object."""
    if as_json:
        print_json(run.summary())
    else:
        say(stage_words(run))


def stage_words(run: Run) -> str:
    """A run's id, its stage, and the reason."""
    message = f" ({safe_line(redact(run.message), 200)})" if run.message else ""
    return f"{safe_line(run.id, 60)}: {safe_line(run.stage, 40)}{message}"
