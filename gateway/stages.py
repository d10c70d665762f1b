"""The stages around retrieval and around calls that the settings switch on and off."""

from __future__ import annotations

from gateway.case_search import CaseSearch
from gateway.flagged import FlaggedTools
from gateway.outcome_search import OutcomeSearch
from gateway.recorded_sessions import RecordedSessions
from gateway.settings import Settings
from gateway.use_cases.attempts import Attempts, FixedTimeouts, RestartEarly
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.experience import Experiences
from index.dependencies import ClosedSearch
from index.searcher import Searcher
from index.server_cap import CappedSearch
from servers.ports import Pool


def staged(settings: Settings, searcher: Searcher, recorded: RecordedSessions, flagged: FlaggedTools) -> Searcher:
    """The cap comes last: what comes along is bound by it too."""
    closed = ClosedSearch(searcher, recorded.graph) if settings.dependency_closure else searcher
    return CappedSearch(closed, flagged.bound)


def by_experience(
    settings: Settings, searcher: Searcher, experiences: Experiences, catalogue: CatalogueReader
) -> Searcher:
    """Outcomes move what was found; then cases offer what worked."""
    weighed = (
        OutcomeSearch(searcher, experiences.outcomes, experiences.ranked) if settings.outcome_ranking else searcher
    )
    return CaseSearch(weighed, experiences, catalogue)


def attempts_of(settings: Settings, pool: Pool, experiences: Experiences) -> Attempts:
    return Attempts(pool, RestartEarly(experiences.attempts) if settings.restart_early else FixedTimeouts())
