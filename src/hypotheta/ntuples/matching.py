"""Which profile fits a file, and what is missing for those that do not."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypotheta.catalogue import Location
from hypotheta.errors import MissingBranchError, closest
from hypotheta.ntuples.files import Tree, opened, tree_keys
from hypotheta.ntuples.profiles import load_profile, profile_names
from hypotheta.ntuples.schema import Profile, Role

__all__ = ["Match", "NoProfileError", "best_match", "match", "matches"]

#: the share of branches that a profile must find to be called near
_NEAR = 0.25


class NoProfileError(MissingBranchError):
    """No profile of the package fits a file: it takes one of its own."""


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
        level: of the profile.
        tree_there: the tree of the file that was looked at; the largest where it has not the one that is wanted.
    """

    name: str
    tree: str
    found: Mapping[str, str]
    missing: Mapping[str, str]
    absent: tuple[str, ...]
    has_tree: bool
    level: str = "events"
    tree_there: str | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing that is needed is missing."""
        return self.has_tree and not self.missing

    @property
    def nearness(self) -> tuple[float, bool]:
        """What near misses are sorted by: the share of branches that are found, then whether the tree is."""
        lacking = len(self.missing) - (not self.has_tree)
        return len(self.found) / max(len(self.found) + lacking, 1), self.has_tree


def match(path: Location, name: str, profile: Profile) -> Match:
    """Hold a profile against a file; only metadata are read.

    Raises:
        InputFileError: when the file is missing or damaged.
    """
    with opened(path) as file:
        known = tree_keys(file, path)
        try:
            tree: Tree | None = Tree.find(file, path, profile.tree)
        except MissingBranchError:
            tree = max((Tree.find(file, path, name) for name in known), key=lambda t: len(t.branches), default=None)
            missing = {"tree": f"there is no tree '{profile.tree}'{closest(profile.tree, known)}"}
        else:
            missing = {}
        branches = frozenset[str]() if tree is None else tree.branches
    roles = list(profile.roles(branches))
    found = {role.name: branch for role in roles if (branch := role.found(branches)) is not None}
    lacking = [role for role in roles if role.name not in found]
    has_tree = not missing
    missing |= {role.name: _hint(role, branches) for role in lacking if role.needed}
    absent = tuple(role.name for role in lacking if not role.needed)
    there = None if tree is None else tree.name
    return Match(name, profile.tree, found, missing, absent, has_tree, profile.level, there)


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
        NoProfileError: when none fits; names the nearest and what it lacks.
    """
    best = matches(path)[0]
    if best.fits:
        return best
    if best.nearness[0] < _NEAR:
        raise NoProfileError(f"{path}: no profile fits, and none comes near: its names are its own")
    lacking = "; ".join(f"{role}: {hint}" for role, hint in list(best.missing.items())[:3])
    more = f" and {len(best.missing) - 3} more" if len(best.missing) > 3 else ""
    raise NoProfileError(f"{path}: no profile fits; the nearest is '{best.name}', which lacks {lacking}{more}")
