"""What the last audit found about the pairs of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from smoltui.core.pairs.audit import Audit
from smoltui.core.runs.reading import PairFacts
from smoltui.core.runs.run import RunSpec
from smoltui.errors import SmoltuiError


def pair_facts(spec: RunSpec | None) -> PairFacts | None:
    """Facts for the reading of a run's curves; None if its pairs were not audited on this machine, or have changed.

    Blocking: reads the recipe, the state of its files and the report in the cache.
    """
    if spec is None or spec.pairs_from:
        return None
    from smoltui.backends.data_files.source import files_stamp, pairs_of
    from smoltui.backends.pairs.audit import load_audit
    from smoltui.backends.pairs.counted import imported
    from smoltui.backends.pairs.curated import reading_of
    from smoltui.backends.project.project import Project
    from smoltui.backends.project.recipe_file import parse

    project = Project(Path(spec.project))
    try:
        values, settings = parse("recipe.yaml", spec.recipe).values, project.settings()
        wanted = pairs_of(values)
        if wanted is None or wanted.others:
            return None
        columns, how = reading_of(project, wanted, settings)
        read = replace(wanted, columns=columns, how=how)
        found = imported(read, project.folder, files_stamp(read, project.folder), settings)
        return facts_of(load_audit(found[0])) if found else None
    except SmoltuiError:  # the room of the pairs, or of the recipe, says what is wrong
        return None


def facts_of(audit: Audit) -> PairFacts:
    """What a report says that curves can't."""
    cut = next((found.share for found in audit.findings if found.name == "chosen_cut"), None)
    bias = audit.lengths
    known = bias.pairs > 0
    return PairFacts(bias.share if known else None, bias.longer_wins if known else None, cut)
