"""Which profile fits a file, and what is missing for those that do not."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypotheta.catalogue import Location
from hypotheta.errors import MissingBranchError, closest
from hypotheta.ntuples.files import Tree, opened, tree_keys
from hypotheta.ntuples.profiles import load_profile, profile_names
from hypotheta.ntuples.schema import Profile, Role

__all__ = ["Match", "best_match", "match", "matches"]


@dataclass(frozen=True)
class Match:
    """A profile held against a file.

    Args:
        name: name of the profile, or its file.
        tree: the tree that the profile wants.
        found: role → branch, for everything that the file has.
        missing: roles that are needed and have no branch, with a hint each.
        absent: roles that are not needed and have no branch.
        has_tree: whether the file has the tree.
    """

    name: str
    tree: str
    found: Mapping[str, str]
    missing: Mapping[str, str]
    absent: tuple[str, ...]
    has_tree: bool

    @property
    def fits(self) -> bool:
        """Whether nothing that is needed is missing."""
        return self.has_tree and not self.missing

    @property
    def nearness(self) -> tuple[bool, float]:
        """What near misses are sorted by: the share of needed roles that are found, those with the tree first."""
        return self.has_tree, len(self.found) / max(len(self.found) + len(self.missing), 1)


def match(path: Location, name: str, profile: Profile) -> Match:
    """Hold a profile against a file; only metadata are read.

    Raises:
        InputFileError: when the file is missing or damaged.
    """
    with opened(path) as file:
        try:
            branches = Tree.find(file, path, profile.tree).branches
        except MissingBranchError:
            hint = f"there is no tree '{profile.tree}'{closest(profile.tree, tree_keys(file, path))}"
            return Match(name, profile.tree, {}, {"tree": hint}, (), has_tree=False)
    roles = list(profile.roles(branches))
    found = {role.name: branch for role in roles if (branch := role.found(branches)) is not None}
    lacking = [role for role in roles if role.name not in found]
    missing = {role.name: _hint(role, branches) for role in lacking if role.needed}
    absent = tuple(role.name for role in lacking if not role.needed)
    return Match(name, profile.tree, found, missing, absent, has_tree=True)


def _hint(role: Role, branches: frozenset[str]) -> str:
    hint = closest(role.names[0], branches)
    return " or ".join(role.names) + (hint if hint.startswith("; did") else "")


def matches(path: Location) -> list[Match]:
    """Hold all profiles of the package against a file, the nearest first."""
    found = [match(path, name, load_profile(name)) for name in profile_names()]
    return sorted(found, key=lambda m: (m.fits, *m.nearness), reverse=True)


def best_match(path: Location) -> Match:
    """Return the profile that fits a file.

    Raises:
        MissingBranchError: when none fits; names the nearest and what it lacks.
    """
    best = matches(path)[0]
    if best.fits:
        return best
    lacking = "; ".join(f"{role}: {hint}" for role, hint in list(best.missing.items())[:3])
    more = f" and {len(best.missing) - 3} more" if len(best.missing) > 3 else ""
    raise MissingBranchError(
        f"{path}: no profile fits; the nearest is '{best.name}', which lacks {lacking}{more}; write a profile that "
        f"extends it, and pass it with --profile mine.yaml"
    )
