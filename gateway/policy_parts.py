"""The policy's parts as the composition root wires them."""

from __future__ import annotations

from gateway.event_log.keeper import LogKeeper
from gateway.models import tool_texts
from gateway.policy.fast_path import FastPath
from gateway.policy.first_place import FirstPlaceSearch
from gateway.policy.kept import KeptPolicies
from gateway.policy.lifecycle import Lifecycle
from gateway.policy.situations import Situations
from gateway.policy.stage import PolicySearch, Sources, Texts
from gateway.policy.standing import Regime, Standing, Standings
from gateway.settings import Settings
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.experience import Experiences
from gateway.use_cases.exploration import ExploringSearch
from index.searcher import Searcher
from policy_client.router import Router
from store.store import Store


def open_lifecycle(settings: Settings, store: Store, router: Router, texts: Texts) -> tuple[Standings, Lifecycle]:
    """`router`: over the policies that the settings name, which decide wherever a tenant promoted none."""
    standings = Standings(Standing(router, Regime(settings.policy_mode, settings.policy_share)))
    return standings, Lifecycle(store, KeptPolicies(store.policies, settings.data / "policies"), standings, texts)


def sources_of(
    settings: Settings, catalogue: CatalogueReader, situations: Situations, experiences: Experiences, keeper: LogKeeper
) -> Sources:
    fast = FastPath(experiences.steps, catalogue) if settings.inertia else None
    return Sources(tool_texts(catalogue), situations, experiences.known_records, fast, keeper.draws)


def drawing(policy: PolicySearch, keeper: LogKeeper) -> Searcher:
    """What chance draws comes after what is decided: first who stands first, then whether one more is shown."""
    first = FirstPlaceSearch(policy, lambda tenant: keeper.rules(tenant).first_place)
    return ExploringSearch(first, lambda tenant: keeper.rules(tenant).exploration)
