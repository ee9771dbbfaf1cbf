"""What is known of a variable that a user may write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Scope = Literal["cluster", "host"]


@dataclass(frozen=True)
class Option:
    """A variable, or a key of one. A default of None means that it is computed or may be left out."""

    name: str
    type: Literal["str", "int", "bool", "list", "dict"]
    description: str
    default: Any = None
    role: str = ""
    scope: Scope = "cluster"
    choices: tuple[str | int, ...] = ()
    elements: Literal["", "str", "dict"] = ""
    keys: tuple[Option, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    unit: str = ""
    required: bool = False
    planned: bool = True  # False: only a role reads it


def port_option(name: str, role: str, default: int, description: str) -> Option:
    return Option(name, "int", description, default, role, minimum=1024, maximum=65535)


def template_option(role: str) -> Option:
    return Option(
        f"{role}_template_dir",
        "str",
        "Folder of the role's templates. Set it to use templates of your own.",
        f"{{{{ role_path }}}}/../../templates/{role}",
        role,
        planned=False,
    )
