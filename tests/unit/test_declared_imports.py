import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"flows", "connectors", "tests"}


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~;\[]", r, maxsplit=1)[0].lower().replace("_", "-")
            for r in requirements}  # fmt: skip


def imported(*folders: str) -> dict[str, str]:
    """Every module from outside that the files import, with the first file that does."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                for name in names:
                    if name.split(".")[0] not in sys.stdlib_module_names | OURS:
                        found.setdefault(name, str(path.relative_to(ROOT)))
    return found


def undeclared(modules: dict[str, str], declared: set[str]) -> dict[str, str]:
    owners = packages_distributions()
    return {
        name: where
        for name, where in modules.items()
        # one that is not installed here is called as its module is
        if not {
            d.lower().replace("_", "-")
            for d in owners.get(name.split(".")[0], [name.split(".")[0]])
        }
        & declared
    }


def test_every_direct_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = names_of(project["project"]["dependencies"])
    dev = names_of(project["dependency-groups"]["dev"])

    assert undeclared(imported("flows", "connectors"), runtime) == {}
    bench = names_of(project["dependency-groups"]["bench"])
    missing = undeclared(imported("tests"), runtime | dev)
    of_bench = {name: where for name, where in missing.items() if "tests/bench/" in where}
    assert undeclared(of_bench, bench) == {}
    assert missing == of_bench


def test_pandas_stays_out_of_the_runtime() -> None:
    # merely being installed makes pyarrow import it, which costs a second a process
    lock = tomllib.loads((ROOT / "uv.lock").read_text())

    assert "pandas" not in {package["name"] for package in lock["package"]}
