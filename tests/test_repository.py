"""The repository keeps its own promises: pinned, portable, documented, and without files that can run code."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from unveil.registry import HOMES, load_all

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MEGABYTE = 2**20

# A class of one letter, so that this file does not hold what it looks for.
REGISTRY_HOSTS = re.compile(r"(?:pyp[i]|pythonhoste[d]|download\.pytorc[h]|anacond[a]|npmj[s])\.org")
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/wor[k]/|(?<![\w)\]])\.librar[y]\b|(?<!\w)/(?:hom[e]|User[s]|roo[t])/\w|/opt/(?:wheel[s]|pyp[i])"
)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files under version control."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this tree is not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def _texts(tracked: list[Path]) -> dict[Path, str]:
    readable = (path for path in tracked if path.suffix not in (".png", ".npz", ".gz", ".woff2", ".safetensors"))
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in readable}


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def _declared() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lists = [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"], *extras]
    return [Requirement(line) for lines in lists for line in lines]


@pytest.mark.parametrize("requirement", _declared(), ids=str)
def test_each_declared_dependency_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    assert requirement.specifier.contains(_pins()[canonicalize_name(requirement.name)])


def test_each_package_that_a_dependency_brings_is_pinned() -> None:
    pins, seen, todo = _pins(), set[str](), [canonicalize_name(r.name) for r in _declared()]
    while todo:
        name = todo.pop()
        if name in seen or name.startswith(
            ("nvidia-", "cuda-", "triton")
        ):  # what a GPU build of torch brings is its own
            continue
        seen.add(name)
        assert name in pins, f"{name} is installed and not in constraints.txt"
        needed = (Requirement(line) for line in metadata.requires(name) or [])
        todo += [canonicalize_name(r.name) for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert len(seen) > 30


def test_constraints_hold_exact_portable_versions_in_order() -> None:
    header, *lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert header.startswith("# ")
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0].lower())
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_no_file_names_a_registry_host_or_a_path_of_one_machine(tracked: list[Path]) -> None:
    texts = _texts(tracked)
    assert len(texts) > 20
    for path, text in texts.items():
        assert REGISTRY_HOSTS.findall(text) == [], path
        assert MACHINE_PATHS.findall(text) == [], path


@pytest.mark.parametrize(
    ("first", "second"),
    [("/wor", "k/main"), ("see .libra", "ry/x"), ("/hom", "e/ann/x"), ("/ro", "ot/x"), ("/opt/pyp", "i/x")],
)
def test_a_path_of_one_machine_is_recognised(first: str, second: str) -> None:
    assert MACHINE_PATHS.search(first + second) and not MACHINE_PATHS.search("a.framework/x, self.library, ../shared/x")


def test_a_registry_host_is_recognised() -> None:
    assert REGISTRY_HOSTS.search("https://" + "files.pythonhosted" + ".org/x")


def test_no_large_file_and_no_file_that_runs_code_when_it_is_read_is_tracked(tracked: list[Path]) -> None:
    assert [path for path in tracked if path.stat().st_size > MEGABYTE] == []
    assert [path for path in tracked if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")] == []


def test_each_action_is_pinned_by_commit_and_names_its_version() -> None:
    workflows = [*(ROOT / ".github").rglob("*.yml"), *(ROOT / ".github").rglob("*.yaml")]
    uses = [line for path in workflows for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d", line)] == []


def test_each_path_in_a_command_that_is_printed_is_quoted() -> None:
    """`unveil resume {run.path}` is no command where the path holds a space; unveil.legible has `quoted`."""
    command = re.compile(r"unveil [a-z]+ [^\n]*?\{(?:[\w.]*path|folder|where|out|str\()[!}]")
    assert command.search('"unveil resume {self.path} --steps 1"')
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    assert {path: found for path, text in sources.items() if (found := command.findall(text))} == {}


RUNNERS = {"exec_module", "load_module", "run_path", "system", "popen", "execv", "spawnv"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}  # model.eval() and re.compile() run nothing
LIBRARIES = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "runpy", "code"}
LOADERS = {"torch.load", "np.load", "numpy.load", "yaml.load", "pd.read_pickle", "pandas.read_pickle"}
THE_PLUGIN = ("cli/shared.py", "exec_module")  # `--plugin file.py` runs Python that a person chose, and says so


def runs_code(text: str) -> list[str]:
    """What in a Python file could run what another file holds."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import():
                found += [name.name for name in node.names if name.name.split(".")[0] in LIBRARIES]
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in LIBRARIES:
                found.append(module)
            case ast.Call():
                name = _dotted(node.func).removeprefix("builtins.")
                flags = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg in ("allow_pickle", "shell")}
                is_safe = name in ("np.load", "numpy.load") and flags.get("allow_pickle") == "False"
                if name in LOADERS | BUILT_IN and not is_safe:
                    found.append(name)
                found += [last for last in [name.rpartition(".")[2]] if last in RUNNERS]
                found += [flag for flag, value in flags.items() if value != "False"]
    return found


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{_dotted(node.value)}.{node.attr}"
    return ""


def test_no_source_runs_what_a_file_holds() -> None:
    home = ROOT / "src" / "unveil"
    texts = {path.relative_to(home).as_posix(): path.read_text(encoding="utf-8") for path in home.rglob("*.py")}
    assert {(name, what) for name, text in texts.items() for what in runs_code(text)} == {THE_PLUGIN}


@pytest.mark.parametrize(
    "line",
    [
        "eval(x)", "exec(x)", "compile(x, '', 'exec')", "__import__(x)", "import pickle", "from pickle import loads",
        "torch.load(x)", "yaml.load(x)", "np.load(x, allow_pickle=True)", "np.load(x)", "os.system(x)",
        "import marshal", "import shelve.x",
        "subprocess.run(x, shell=True)", "importer.exec_module(x)", "np.savez(x, allow_pickle=y)",
    ],
)  # fmt: skip
def test_what_runs_code_is_recognised(line: str) -> None:
    assert runs_code(line) and not runs_code("re.compile(x); model.eval(); np.savez(x, allow_pickle=False)")


def test_nothing_is_fetched_from_an_address_without_a_checksum(tracked: list[Path]) -> None:
    """Named data is: `Published` has one for each file. Else no command and no code of ours fetches anything."""
    fetching = re.compile(r"\b(?:curl|wget|urlopen|urlretrieve|requests\.get)\b")
    code = {path: text for path, text in _texts(tracked).items() if path != Path("tests/test_repository.py")}
    assert [path for path, text in code.items() if fetching.search(text)] == []
    assert [p for p, text in code.items() if p.parts[0] == "src" and "pooch.retrieve(" in text] == [
        Path("src/unveil/data/published.py")
    ]


def test_each_test_that_the_security_policy_names_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w./]+?\.py)(?:::(\w+))?`", text))
    assert len(named) > 10
    assert [path for path, _ in named if not (ROOT / path).is_file()] == []
    assert [t for path, t in named if t and f"def {t}(" not in (ROOT / path).read_text(encoding="utf-8")] == []


def test_each_promise_of_the_security_policy_names_what_holds_it() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    promises = text.partition("## What the library promises")[2].partition("\n## ")[0]
    lines = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(lines) > 10 and [line for line in lines if "`tests/" not in line] == []


@pytest.mark.parametrize("kind", HOMES)
def test_each_registered_class_says_in_its_first_line_what_it_is(kind: str) -> None:
    found = load_all(kind)
    assert found
    for name, cls in found.items():
        first = (cls.__dict__.get("__doc__") or "").split("\n")[0]
        assert first and not first.startswith(f"{cls.__name__}("), f"the {kind} {name!r} has no docstring of its own"
        assert len(first) <= 120, f"the first line of the {kind} {name!r} is too long for a table"


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = ["wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("unveil/")}
    assert packed == {
        p.relative_to(tree / "src").as_posix() for p in (tree / "src" / "unveil").rglob("*") if p.is_file()
    }


def _examples() -> list[tuple[str, str]]:
    """(the heading, the code) of each Python example in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"^### ([^\n]+)\n(?:(?!^#).)*?^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_each_kind_has_an_example_in_the_contributing_guide() -> None:
    shown = {kind for _, code in _examples() for kind in re.findall(r'@register\("(\w+)"', code)}
    assert shown >= {"model", "objective", "likelihood", "prior", "posterior", "estimator", "source"}


def test_each_example_of_the_contributing_guide_runs_and_is_found() -> None:
    code = "\n".join(code for _, code in _examples())
    for kind, name in re.findall(r'@register\("(\w+)", "(\w+)"\)', code):
        code += f"\nassert {name!r} in load_all({kind!r})"
    assert '@kind("sign")' in code
    code += '\nfrom unveil.domain import kinds\nassert next(iter(kinds())) == "sign"'
    program = "from unveil.registry import load_all\n" + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT / "src")
    assert done.returncode == 0, done.stderr
