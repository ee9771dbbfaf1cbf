"""Variables of replication and failover."""

from __future__ import annotations

from ..option import Option, port_option, template_option

OPTIONS = (
    Option("patroni_scope", "str", "Name of the cluster.", "main", "patroni"),
    Option(
        "patroni_recovery_time",
        "str",
        "How soon a primary that does not answer is replaced. `fast` wants a quiet network; "
        "`tolerant` rides out pauses of half a minute.",
        "fast",
        "patroni",
        choices=("fast", "default", "tolerant"),
    ),
    Option(
        "patroni_recovery_point",
        "str",
        "`zero`: a commit is acknowledged when a second member has it. `async`: commits do not wait and the latest "
        "may be lost with the primary. Default: `zero` with three or more failover candidates, else `async`.",
        None,
        "patroni",
        choices=("zero", "async"),
    ),
    port_option("patroni_restapi_port", "patroni", 8008, "Port of Patroni's REST API."),
    Option(
        "patroni_role",
        "str",
        "`analytics` makes this member a replica for long queries, which never becomes primary and serves no other "
        "reads.",
        "candidate",
        "patroni",
        "host",
        choices=("candidate", "analytics"),
    ),
    Option(
        "patroni_replicate_from",
        "str",
        "Member that this one streams from, to spare the primary's network. It acknowledges no commits. While "
        "that member is "
        "away, or when this one is primary, it does without. Default: the primary.",
        None,
        "patroni",
        "host",
    ),
    Option(
        "patroni_fence_command",
        "list",
        "Command, word by word, that switches a member's host off and ends with 0 only when it is off. `{host}` stands "
        "for its name, `{address}` for its address. The members run it on a primary whose host has gone silent, and "
        "then replace it within seconds instead of after the ttl. Default: nobody is fenced, the ttl decides.",
        [],
        "patroni",
        elements="str",
    ),
    Option(
        "patroni_fence_timeout_seconds",
        "int",
        "How long the fence may take. After that it has failed, and the ttl decides.",
        10,
        "patroni",
        minimum=1,
        maximum=300,
        unit="s",
    ),
    Option(
        "patroni_wait_seconds",
        "int",
        "How long a run waits for all members to stream. Copying a large database to a new one takes its time.",
        120,
        "patroni",
        minimum=0,
        maximum=86400,
        unit="s",
        planned=False,
    ),
    template_option("patroni"),
)
