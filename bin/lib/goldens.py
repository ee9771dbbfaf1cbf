"""Plans of the example inventories and every file rendered from them, for a change of the plan to show as a diff."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts, Inventory
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.reading import read_inventory
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan
from documents import Dumper
from jinja2 import Environment, FileSystemLoader, StrictUndefined

# What every host of the examples says about itself.
FACTS = HostFacts(memory_mb=8192, cores=4, ssh_client="192.0.2.5", ssh_port=22, interface="eth0")

Context = dict[str, Any]
Contexts = Callable[[Plan], Iterator[tuple[str, Context]]]


def _once(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield "", {}


def _trusted(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield "", {"trusted": "of the trusted certificates" if plan["tls"]["enabled"] else ""}


def _each_host(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield from ((host, {"inventory_hostname": host}) for host in plan["hosts"])


def _each_firewall(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield from ((host, {"inventory_hostname": host}) for host in plan["firewall"]["hosts"])


def _each_proxy_of_address(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield from ((host, {"inventory_hostname": host}) for host in plan["keepalived"]["proxies"])


def _each_etcd_member(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield from ((host, {"inventory_hostname": host}) for host in plan["etcd"]["members"])


def _each_instance(plan: Plan) -> Iterator[tuple[str, Context]]:
    pgbouncer = plan["pgbouncer"]
    yield from ((one["name"], {"instance": one}) for one in (*pgbouncer["instances"], *pgbouncer["standins"]))


def _each_unit(plan: Plan) -> Iterator[tuple[str, Context]]:
    yield from (("", {"standin": False}), ("standin", {"standin": True}))


# What each template is rendered with, as its role does it. A new template needs a row.
TEMPLATES: dict[str, Contexts] = {
    "etcd/bootstrap.env.j2": _each_etcd_member,
    "etcd/etcd.env.j2": _each_etcd_member,
    "etcd/unit.conf.j2": _once,
    "firewall/firewall.nft.j2": _each_firewall,
    "firewall/unit.service.j2": _once,
    "haproxy/haproxy.cfg.j2": _trusted,
    "haproxy/unit.conf.j2": _once,
    "keepalived/keepalived.conf.j2": _each_proxy_of_address,
    "keepalived/proxy-check.service.j2": _once,
    "keepalived/unit.service.j2": _once,
    "patroni/ended.conf.j2": _once,
    "patroni/succession.service.j2": _once,
    "patroni/unit.conf.j2": _once,
    "pgbouncer/hba.conf.j2": _once,
    "pgbouncer/instance.ini.j2": _each_instance,
    "pgbouncer/primary-route.service.j2": _once,
    "pgbouncer/route.resolv.conf.j2": _once,
    "pgbouncer/start.ini.j2": _each_instance,
    "pgbouncer/unit.service.j2": _each_unit,
    "pgbouncer/userlist.txt.j2": _once,
    "system/createcluster.conf.j2": _once,
    "system/postgres.sh.j2": _once,
    "system/sysctl.conf.j2": _each_host,
    "system/thp.conf.j2": _once,
}


def load(directory: Path) -> Inventory:
    """An inventory as Ansible reads it."""
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(directory)])
    variables = VariableManager(loader=loader, inventory=manager)
    return read_inventory(manager.get_groups_dict(), HostVars(manager, variables, loader))


def plan_of(directory: Path) -> Plan:
    inventory = load(directory)
    return build_plan(inventory, dict.fromkeys(inventory.hosts, FACTS))


def goldens(root: Path) -> dict[Path, str]:
    files: dict[Path, str] = {}
    for directory in sorted((root / "tests" / "inventories").iterdir()):
        plan = plan_of(directory)
        target = root / "tests" / "golden" / directory.name
        files[target / "plan.yml"] = "---\n" + yaml.dump(
            plan, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True
        )
        files |= {target / name: text for name, text in rendered(root / "templates", plan)}
    return files


def rendered(templates: Path, plan: Plan) -> Iterator[tuple[str, str]]:
    # As Ansible's template action sets it up.
    environment = Environment(
        loader=FileSystemLoader(templates), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    secrets = {
        "users": {name: f"password of {name}" for name in plan["users"]},
        "services": {"pgtier_admin": "password of pgtier_admin"},
    }
    common: Context = {"plan": plan, "secrets": secrets, "ansible_managed": "Ansible managed"}
    for template, contexts in TEMPLATES.items():
        for name, context in contexts(plan):
            path = Path(template.removesuffix(".j2"))
            yield str(path.parent / name / path.name), environment.get_template(template).render(**common, **context)


def leftovers(root: Path, wanted: dict[Path, str]) -> list[Path]:
    """Golden files that nothing makes any more."""
    return sorted(path for path in (root / "tests" / "golden").rglob("*") if path.is_file() and path not in wanted)
