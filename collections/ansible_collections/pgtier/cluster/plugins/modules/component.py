#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: component
short_description: Converge one component of a host in one execution
version_added: 0.1.0
description:
  - A component is packages, directories, files and systemd units that belong together, such as HAProxy on a host.
  - Templates are rendered on the controller. On the host, one execution installs what is missing, checks the changed
    files with the service's own checker, puts them in place, enables and starts the units, and reloads or restarts
    them if a file that concerns them has changed.
  - Nothing is put in place if one file fails its check, or if an account that it shall belong to does not exist.
  - What is to follow a change is written to C(/var/lib/pgtier/<name>.json) before the change is made. A run that was
    interrupted is finished by the next.
  - While packages are installed, C(/usr/sbin/policy-rc.d) keeps their services down. A host's own policy stands.
  - Missing parent directories of files are made, for root, mode 0755.
  - Debian with systemd is assumed, and privileges (C(become)).
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    details:
      - The result is that of a real run. What a package will bring with it cannot be foreseen on a host that does not
        have it yet. Checks that cannot be made yet are named in RV(skipped_checks).
  diff_mode:
    details:
      - Of a secret file it says only that the content differs.
options:
  name:
    description: Name of the component. Work left by an interrupted run is found under this name.
    type: str
    required: true
  action:
    description:
      - V(converge) brings the component to what the other options say.
      - V(restart_pending) only does the restarts that an earlier run put off or left unfinished.
        Files and packages are not looked at.
    type: str
    choices: [converge, restart_pending]
    default: converge
  packages:
    description:
      - Debian packages that shall be installed, by plain name. Missing ones are installed in one apt transaction,
        without recommended packages and keeping configuration files that exist. Installed ones are not upgraded.
      - C(apt-get update) runs only if apt finds no such package or cannot fetch it.
    type: list
    elements: str
    default: []
  directories:
    description: Directories that shall exist. Their contents are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Four octal digits, as a string.
        type: raw
        default: "0755"
  files:
    description: Files that shall exist with a content, given by one of O(files[].template), O(files[].content) and
      O(files[].source).
    type: list
    elements: dict
    default: []
    suboptions:
      dest:
        description: Absolute path on the host.
        type: path
        required: true
        aliases: [path]
      template:
        description: Jinja template on the controller; looked for as M(ansible.builtin.template) does.
        type: path
      content:
        description: The content itself.
        type: str
      source:
        description: File on the controller that is copied as it is.
        type: path
      variables:
        description: Variables for the template, over those of the task.
        type: dict
        default: {}
      trim_blocks:
        description: Whether the newline after a block of the template is taken out.
        type: bool
        default: true
      lstrip_blocks:
        description: Whether blanks before a block of the template are taken out.
        type: bool
        default: false
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description:
          - Four octal digits, as a string. C("0600") for a secret file, C("0644") otherwise.
          - A mode, owner or group that is put right restarts nothing.
        type: raw
      secret:
        description: Whether the content is kept out of diffs, and out of what checkers and logs are quoted with.
          A secret file that everyone may read is refused.
        type: bool
        default: false
      before_packages:
        description: Whether the file is put in place before missing packages are installed, because it steers their
          installation.
        type: bool
        default: false
      validate:
        description:
          - Command that checks the changed file before any file is put in place. C(%s) stands for the staged file.
          - If its program is not there (before the packages, and in check mode) the check is skipped and
            RV(skipped_checks) says so. Otherwise that is an error.
        type: list
        elements: str
        default: []
      on_change:
        description: What the units that the file concerns do when its content has changed. A unit that cannot reload
          restarts.
        type: str
        choices: [restart, reload, none]
        default: restart
      units:
        description: Units that the file concerns, among O(units). All of them if it is not given.
        type: list
        elements: str
      apply:
        description: Command that is run when the content has changed, once all files are in place and before units
          start.
        type: list
        elements: str
        default: []
      apply_optional_in_container:
        description: Whether a failure of O(files[].apply) is only noted in RV(notes) when the host is a container,
          whose kernel settings belong to its own host.
        type: bool
        default: false
  units:
    description: systemd units. A bare name is a service. C(oneshot) services need C(RemainAfterExit=yes).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the unit.
        type: str
        required: true
      enabled:
        description: Whether it starts at boot.
        type: bool
        default: true
      state:
        description: Whether it runs.
        type: str
        choices: [started, stopped]
        default: started
  obsolete:
    description: A unit, or instances of a template unit, that is there without being listed in O(units) is stopped
      and disabled.
    type: dict
    suboptions:
      units:
        description: Name of the unit, or pattern of the instances, such as C(pgbouncer@*.service).
        type: str
        required: true
      paths:
        description: Patterns of their files. Files found that are not listed in O(files) are removed.
        type: list
        elements: str
        default: []
  absent_files:
    description: Files that shall not exist. Removing one restarts nothing.
    type: list
    elements: str
    default: []
  ready:
    description: How to tell that the units serve. Without it, a unit is up if it has not died 0.4 s after its start.
    type: dict
    suboptions:
      command:
        description: Run after a start or restart until it succeeds.
        type: list
        elements: str
        required: true
      timeout:
        description: Seconds after which it is given up.
        type: int
        default: 30
  restart:
    description:
      - With V(defer) a running unit is not restarted. RV(restart_pending) lists what waits, in every run, until
        it is done by O(action=restart_pending) or by anyone else.
    type: str
    choices: [now, defer]
    default: now
  contents:
    description: Set by the action plugin, not by the user. Final contents of the files in base64, by path.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Converge HAProxy
  pgtier.cluster.component:
    name: haproxy
    packages: [haproxy]
    files:
      - dest: /etc/haproxy/haproxy.cfg
        template: haproxy.cfg.j2
        validate: [haproxy, -c, -q, -f, "%s"]
        on_change: reload
    units:
      - {name: haproxy}
  become: true

- name: Converge etcd, but leave restarts for later
  pgtier.cluster.component:
    name: etcd
    files:
      - {dest: /etc/default/etcd, template: etcd.env.j2}
    units:
      - {name: etcd}
    restart: defer
  become: true
  register: etcd

- name: Restart etcd one member after the other
  pgtier.cluster.component:
    name: etcd
    action: restart_pending
    ready: {command: [etcdctl, endpoint, health], timeout: 60}
  become: true
  throttle: 1
  when: etcd.restart_pending | length > 0
"""

RETURN = r"""
packages_installed:
  description: Packages that were missing.
  returned: success
  type: list
  elements: str
directories_changed:
  description: Directories that were made or put right.
  returned: success
  type: list
  elements: str
files_changed:
  description: Files whose content or attributes were changed.
  returned: success
  type: list
  elements: str
files_removed:
  description: Files that were removed, leftovers of an interrupted run among them.
  returned: success
  type: list
  elements: str
commands_applied:
  description: Files whose O(files[].apply) command was run.
  returned: success
  type: list
  elements: str
daemon_reloaded:
  description: Whether systemd was made to read its unit files again.
  returned: success
  type: bool
units_enabled:
  description: Units that were enabled.
  returned: success
  type: list
  elements: str
units_disabled:
  description: Units that were disabled.
  returned: success
  type: list
  elements: str
units_retired:
  description: Instances that were stopped and disabled because they are not listed.
  returned: success
  type: list
  elements: str
units_stopped:
  description: Units that were stopped, as V({unit, reasons}).
  returned: success
  type: list
  elements: dict
units_started:
  description: Units that were started, as V({unit, reasons}).
  returned: success
  type: list
  elements: dict
reloaded:
  description: Units that were reloaded, as V({unit, reasons}).
  returned: success
  type: list
  elements: dict
restarted:
  description: Units that were restarted, as V({unit, reasons}).
  returned: success
  type: list
  elements: dict
  sample: [{unit: haproxy.service, reasons: [/etc/haproxy/haproxy.cfg changed]}]
restart_pending:
  description: Units whose restart was put off, as V({unit, reasons}). It does not count as a change.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: Checks that could not be made, with the cause.
  returned: success
  type: list
  elements: str
notes:
  description: What else is worth knowing.
  returned: success
  type: list
  elements: str
"""

import signal
from types import FrameType

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.component.converge import converge
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError, desired_from
from ansible_collections.pgtier.cluster.plugins.module_utils.component.spec import ARGUMENT_SPEC


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    # So that "finally" clauses run: the policy that keeps services down must not outlive this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        result = converge(Host(), desired_from(module.params), check=module.check_mode, diff=module._diff)
    except ComponentError as error:
        module.fail_json(msg=f"{module.params['name']}: {error}")
    except OSError as error:
        module.fail_json(msg=f"{module.params['name']}: {error}. See to that file system, then run again")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
