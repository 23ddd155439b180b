"""The command line: every verb with its arguments, options and example, from the application itself."""

from __future__ import annotations

from typing import Any

import typer

from unveil.cli import app

from .writing import code, prose, table

HEADS = {"en": ("option", "what it does"), "zh": ("选项", "作用")}
EXAMPLE = {"en": "Example:", "zh": "例："}
ONLY = {"en": "This command takes nothing.", "zh": "这个命令不带任何参数。"}


def commands(language: str) -> str:
    """A section for each verb."""
    group: Any = typer.main.get_command(app)
    return "\n".join(_section(name, verb, language) for name, verb in group.commands.items())


def _section(name: str, verb: Any, language: str) -> str:
    rows = [(_written(parameter), _help(parameter)) for parameter in verb.params if parameter.name != "help"]
    usage = " ".join(["unveil", name, *(_usage(p) for p in verb.params if p.param_type_name == "argument")])
    example = str(verb.epilog).removeprefix("Example: ")
    return (
        f"## {name}\n\n{prose(' '.join(str(verb.help).split()))}\n\n```text\n{usage} [OPTIONS]\n```\n\n"
        f"{table(HEADS[language], rows) if rows else ONLY[language]}\n{EXAMPLE[language]} `{example}`\n"
    )


def _usage(parameter: Any) -> str:
    name = str(parameter.metavar) + (" …" if parameter.nargs == -1 and "…" not in str(parameter.metavar) else "")
    return name if parameter.required else f"[{name}]"


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code(str(parameter.metavar))
    names = ", ".join(code(name) for name in [*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {code(str(parameter.metavar))}"


def _help(parameter: Any) -> str:
    default = getattr(parameter, "show_default", False) and not getattr(parameter, "is_flag", False)
    stated = getattr(parameter, "show_default", None)
    shown = stated if isinstance(stated, str) else parameter.default if default else None
    return prose(str(parameter.help)) + (f" ({shown})" if shown is not None else "")
