"""Runs on a Slurm cluster, from a login node. One run is one folder of ours; Slurm's jobs are its parts."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.local import summary
from smoltui.backends.local.checkpoints import find_checkpoints, nothing_kept
from smoltui.backends.local.following import follow_log
from smoltui.backends.local.log import RunLog
from smoltui.backends.local.state import newest_of
from smoltui.backends.project.project import RECIPE_NAME
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.output_dir import refuse_model_in, same_folder
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.slurm import commands, offline, preflight, requests
from smoltui.backends.slurm import records as store
from smoltui.backends.slurm.place import SLURM
from smoltui.backends.slurm.queue import ASK_SECONDS, POLL_SECONDS, REST_SECONDS, Queue
from smoltui.backends.slurm.records import BadRecordError, Records
from smoltui.backends.slurm.state import present
from smoltui.backends.slurm.submit import (
    ON_THIS_MACHINE,
    Unconfirmed,
    settings_of,
    step_command,
    submit_part,
    unwritable,
    write_run,
)
from smoltui.backends.slurm.upkeep import (
    all_records,
    fit_of,
    is_over,
    locked,
    make_output,
    readable,
    relabelled,
    unreadable,
)
from smoltui.backends.system import data_folder
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.sample import Sample
from smoltui.core.preflight.check import Check
from smoltui.core.runs import events
from smoltui.core.runs.choice import Choice
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.rerun import NO_CHANGES, Changes, refuse_resume, spec_of
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.scripts import TRAINING_SCRIPT

if TYPE_CHECKING:
    from smoltui.core.preflight.preflight import Facts

LOG_SECONDS = 1.0
"""Seconds between two looks at a log: it is on a file server."""
END_SECONDS = 10.0
"""How long to wait for the end of a run that was asked to pause or stop. Saving may take longer."""


class SlurmEngine(Engine):
    """Implements `Engine` with Slurm's own commands. Waiting, running and ending are Slurm's; the rest is ours."""

    place = SLURM

    def __init__(
        self, script: Path = TRAINING_SCRIPT, *, poll_seconds: float = POLL_SECONDS, log_seconds: float = LOG_SECONDS
    ) -> None:
        """`poll_seconds`: least seconds between two questions about all runs; `log_seconds`: between two looks at a
        log."""
        self._script = script
        self._queue = Queue(poll_seconds)
        self._log_seconds = log_seconds
        self._logs: dict[str, RunLog] = {}
        self._ended: dict[str, tuple[float, float, Run]] = {}
        """Runs that have ended, each with the times of its records, to notice that it was resumed or relabelled."""
        self._lock = threading.RLock()
        """Held while a log is read: the app calls from several threads."""

    # -- the contract

    async def submit(self, spec: RunSpec) -> Run:
        refuse_tokens(spec)
        await offline.fetch(spec, settings_of(spec))
        return await self.get(await in_thread(lambda: self._start(spec)))

    async def list_runs(self) -> list[Run]:
        return await in_thread(self._list)

    async def get(self, run_id: str) -> Run:
        return await in_thread(lambda: self._get(self._named(run_id), age=REST_SECONDS))

    def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        return follow_log(
            self.get,
            run_id,
            store.run_dir,
            follow=follow,
            tail=tail,
            ours=self._speaks,
            poll_seconds=self._log_seconds,
            refuse=readable,
        )

    async def cancel(self, run_id: str) -> Run:
        run = readable(await self.get(run_id))
        if run.is_final:
            return run
        await in_thread(lambda: requests.send(self._records(run.id), self._queue, "cancel"))
        return await self._until(run.id, lambda now: now.is_final)

    async def inspect(self, run_id: str) -> dict[str, Any]:
        return await in_thread(lambda: self._inspect(self._named(run_id)))

    # -- what some engines can do

    async def pause(self, run_id: str) -> Run:
        """Ends a run after the current step, with a checkpoint for `resume`; returns the run.

        The run is then CANCELED and `resumable`. While a large checkpoint is being saved, it is RUNNING, with a message
        that says so.

        Raises:
            InputError: no run has this id; it has ended, waits for its turn, or has nothing to save yet.
            UnreachableError: Slurm did not answer.
        """
        run = readable(await self.get(run_id))
        if run.is_final:
            raise InputError(f"This run has ended and cannot be paused: {run.id}", run.hint or "")
        if run.stage == Stage.SCHEDULING:
            raise InputError(
                f"This run is waiting in Slurm's queue and cannot be paused: {run.id}",
                f"Cancel it: smoltui cancel {run.id}; or hold it: scontrol hold JOB",
            )
        if run.phase not in ("train", "evaluate", "save", "push"):
            raise InputError(
                f"Training has not started, so there is nothing to save yet: {run.id}",
                f"Wait for the first step, or cancel the run: smoltui cancel {run.id}",
            )
        await in_thread(lambda: requests.send(self._records(run.id), self._queue, "pause"))
        return await self._until(run.id, lambda now: now.is_final)

    async def resume(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """Submits a run again, from its newest complete checkpoint: the same run, log and curve, as a new job.

        Raises:
            InputError: no run has this id, it has not ended or is complete, it left no checkpoint, another run has
                trained into its folder since, or Slurm refused it.
            UnreachableError: Slurm did not answer.
        """
        self.refuse_changes(changes)
        return await self.get(await in_thread(lambda: self._resume(self._named(run_id))))

    async def labels(self, run_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> Run:
        """Labels are stored with the run here; Slurm's comment has only the one that identifies it."""

        def change() -> str:
            records = self._records(self._named(run_id))
            labels = relabelled(records.labels, set_, remove)
            try:
                store.write_parts(records.folder, records.parts, labels)
            except OSError as error:
                raise unwritable(records.folder, error) from error
            return records.folder.name

        return await self.get(await in_thread(change))

    def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        from smoltui.backends.slurm import stats

        return stats.stats(self, run_id, follow=follow)

    async def hardware(self) -> list[Flavor]:
        """The partitions of the cluster, each as hardware without a price."""
        partitions, now = await in_thread(preflight.partitions), time.time()
        return [
            Flavor(
                name=one.name,
                pretty=f"{one.name}, {one.nodes} nodes",
                cpu=f"{one.cores} cores",
                ram_bytes=one.memory or None,
                accelerator="/".join(one.gpu_types) or ("GPU" if one.gpus else None),
                count=one.gpus,
                vram_bytes=None,
                usd_per_minute=None,
                listed_at=now,
            )
            for one in partitions
        ]

    # -- optional

    async def choices(self, key: str, values: Mapping[str, object]) -> Sequence[Choice]:
        from smoltui.backends.slurm import choices

        return await in_thread(lambda: choices.choices(key, values))

    async def started_with(self, run: Run) -> RunSpec | None:
        return spec_of(run.raw.get("spec"))

    def steps_after(self, run: Run) -> Sequence[str]:
        spec = spec_of(run.raw.get("spec"))
        if spec is None or not settings_of(spec).offline:
            return ()
        pushes = RecipeFile(Path(spec.project) / RECIPE_NAME, spec.recipe, "").values.get("push_to_hub")
        return ("push",) if pushes else ()

    def around(self, run: Run, step: str) -> Sequence[str]:
        spec = spec_of(run.raw.get("spec"))
        if spec is None or step in ON_THIS_MACHINE or commands.on_a_node():
            return ()
        return step_command(spec, step)

    def connection(self, run_id: str) -> str | None:
        error = self._queue.seen.error
        return None if error is None else safe_line(error.message, 200)

    def poll_seconds(self, stage: str, polls: int) -> float:
        return self._queue.poll_seconds

    async def checks(self, spec: RunSpec, facts: Facts) -> list[Check]:
        needs_token = bool(facts.values.get("push_to_hub"))
        use_cpu = facts.values.get("use_cpu") is True
        return await in_thread(lambda: preflight.checks(spec, facts.fit, needs_token=needs_token, use_cpu=use_cpu))

    # -- implementation

    async def _until(self, run_id: str, enough: Callable[[Run], bool]) -> Run:
        """The run once `enough` is true for it, or after `END_SECONDS`."""
        deadline = time.monotonic() + END_SECONDS
        while not enough(run := await in_thread(lambda: self._get(run_id, age=ASK_SECONDS))):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        return run

    def _start(self, spec: RunSpec) -> str:
        """The id of the run of `spec`. Raises as `submit`."""
        if (wrong := commands.problem()) is not None:
            raise wrong
        settings_of(spec)
        with locked():  # simultaneous starts see each other
            for records in all_records():
                if records.spec.get("label") == spec.label:
                    return records.folder.name
                if same_folder(records.spec.get("output_dir"), spec.output_dir):
                    run = self._get(records.folder.name, age=None)
                    if not run.is_final:
                        raise InputError(
                            f"Run {run.id} has not ended and writes to this folder: {spec.output_dir}",
                            f"Cancel it: smoltui cancel {run.id}; or use another folder: --output-dir "
                            f"{Path(spec.output_dir).name}-2",
                        )
            make_output(spec)
            refuse_model_in(spec)
            folder = write_run(spec, self._script)
            try:
                submit_part(folder, spec, (), self._queue, self._script, fit_of(spec))
            except Unconfirmed:
                raise
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return folder.name

    def _resume(self, run_id: str) -> str:
        with locked():
            self._queue.fresh(age=ASK_SECONDS)
            run = readable(self._get(run_id, age=None))
            refuse_resume(run)
            records = self._records(run_id)
            spec = spec_of(records.spec)
            if spec is None:
                raise BadRecordError(records.folder, "spec.json", "it is incomplete")
            for other in all_records():
                newer = float(other.spec.get("created_at") or 0) > float(run.created_at or 0)
                if newer and same_folder(other.spec.get("output_dir"), spec.output_dir):
                    raise InputError(
                        f"Run {other.folder.name} has since trained into the same folder: {spec.output_dir}",
                        f"Start over from the first step: smoltui rerun {run_id}",
                    )
            with self._lock:
                if newest_of(self._log(run_id, records)) is None:
                    raise nothing_kept(run_id, spec)
            before = records.parts
            try:
                submit_part(records.folder, spec, before, self._queue, self._script, fit_of(spec))
            except Unconfirmed:
                raise
            except SmoltuiError:
                with suppress(OSError):  # on a full disk; the part is taken for one that never arrived
                    store.write_parts(records.folder, before, records.labels)
                raise
            return run_id

    def _named(self, name: str) -> str:
        """The id of the run with this id, or whose newest job has this number.

        Raises:
            InputError: there is none.
        """
        if (store.run_dir(name) / "spec.json").exists():
            return name
        if name.isdecimal():
            for records in all_records():
                if any(part.job == name for part in records.parts):
                    return records.folder.name
        raise InputError(f"No run of this cluster has this id or job number: {name}", "List run ids: smoltui ps -a")

    def _records(self, run_id: str) -> Records:
        found = store.read(run_id)
        if found is None:
            raise InputError(f"No run of this cluster has this id: {run_id}", "List run ids: smoltui ps -a")
        return self._adopted(found)

    def _adopted(self, records: Records) -> Records:
        """`records`, with the job of a submission whose answer was lost, once Slurm's list has it."""
        part = records.part
        if part is None or part.job is not None or (row := self._queue.seen.labelled(part.label)) is None:
            return records
        parts = (*records.parts[:-1], replace(part, job=row.job, cluster=self._queue.cluster() or None))
        with suppress(OSError):  # else it is found again next time
            store.write_parts(records.folder, parts, records.labels)
        return replace(records, parts=parts)

    def _list(self) -> list[Run]:
        data_folder.tighten()
        runs = []
        for run_id in store.run_ids():
            try:
                runs.append(self._get(run_id, age=None))
            except InputError:
                continue  # deleted meanwhile
        return runs

    def _get(self, run_id: str, *, age: float | None) -> Run:
        """The state of a run; `age`: how old Slurm's list may be, None: a normal poll. Nothing is asked about ends."""
        folder = store.run_dir(run_id)
        times = data_folder.mtime(folder / "parts.json") or 0.0, data_folder.mtime(folder / "status.json") or 0.0
        known = self._ended.get(run_id)
        if known is not None and known[:2] == times:
            return known[2]
        try:
            records = self._records(run_id)
            if not is_over(records):
                self._queue.read(age=age)  # without the lock: logs of other runs are read meanwhile
                records = self._adopted(records)
        except BadRecordError as error:
            return unreadable(folder, error)
        with self._lock:
            log = self._log(run_id, records)
            run = present(log, records, self._queue)
            if log.offset - log.saved > (0 if run.is_final else summary.WORTH_BYTES):
                summary.save(log)
            if run.is_final:
                self._ended[run_id] = (*times, run)
                self._logs.pop(run_id, None)
            return run

    def _log(self, run_id: str, records: Records) -> RunLog:
        log = self._logs.get(run_id)
        if log is None:
            spec = records.spec
            run = Run(
                id=run_id,
                engine=self.name,
                name=spec.get("name", run_id),
                stage=Stage.SCHEDULING,
                created_at=spec.get("created_at"),
                project=spec.get("project"),
                output_dir=spec.get("output_dir"),
                # No flavor: a partition has no price, and its nodes keep what a run wrote.
                namespace=spec.get("namespace"),
                labels=records.labels,
            )
            log = self._logs[run_id] = RunLog(records.folder / "log", run, spec.get("log_key"))
            summary.load(log)
        log.read()
        return log

    def _speaks(self, run_id: str) -> bool:
        with self._lock:
            try:
                return self._log(run_id, self._records(run_id)).reader.ours
            except BadRecordError:
                return True

    def _inspect(self, run_id: str) -> dict[str, Any]:
        run, folder = readable(self._get(run_id, age=REST_SECONDS)), store.run_dir(run_id)
        return {
            **run.summary(),
            "plan": run.plan.as_json() if run.plan else None,
            "folder": str(folder),
            "checkpoints": [one.as_json() for one in find_checkpoints(Path(run.output_dir or folder))],
            "job": data_folder.read_json(folder / "job.json"),
            **run.raw,
        }
