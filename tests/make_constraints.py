"""Prints constraints.txt: the installed version of all that the project and its dev extra need, directly or not."""

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(names: list[tuple[str, str]]) -> dict[str, str]:
    "Installed versions of distributions and, for each (name, extra), of all that they require."
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while names:
        name, extra = names.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            dist = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        found[name] = dist.version.partition("+")[0]  # a local build, such as +cpu, is not on the index
        for line in dist.requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                names += [(canonicalize_name(need.name), e) for e in ("", *need.extras)]
    return found


if __name__ == "__main__":
    own = "secml-workbench"
    versions = closure([(own, ""), (own, "dev")])
    print("# The exact versions that the tests ran with (Python 3.11). Written by tests/make_constraints.py.")
    print("\n".join(f"{n}=={v}" for n, v in sorted(versions.items()) if n != own))
