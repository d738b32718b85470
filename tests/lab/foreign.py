"""Hosts that others built, and a snapshot of everything on them that an ``up`` could change."""

import shlex
from pathlib import Path
from typing import Any

from lab.machines import Lab, LabHost
from opennebula import conf
from tests.lab.messages import Message, only
from tests.lab.operators import VIP_KEYS, Operator

HOST = "n1a1"
"""The name of the host that others built."""
STEP = "identify the OpenNebula on the host"

_DUMP = (
    "mariadb-dump --all-databases --skip-comments --skip-extended-insert --order-by-primary"
    " --routines --events"
    # MariaDB updates these by itself.
    " --ignore-table=mysql.innodb_index_stats --ignore-table=mysql.innodb_table_stats"
)
_MEASURED = ("datastore_pool", "host_monitoring", "vm_monitoring")
"""Tables in which a running oned records by itself what its monitoring measures."""
_ONE_DB = "/var/lib/one/one.db"
_ONE_DB_ROWS = """
import hashlib, os, sqlite3, sys
path, *measured = sys.argv[1:]
if os.path.exists(path):
    print(path, os.stat(path).st_ino)
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
        for name, text in sorted(database.execute("SELECT name, sql FROM sqlite_master")):
            if text and text.startswith("CREATE TABLE") and name not in measured:
                rows = sorted(repr(row) for row in database.execute(f"SELECT * FROM [{name}]"))
                print(path, name, hashlib.sha256(repr(rows).encode()).hexdigest())
    except sqlite3.DatabaseError as error:
        print(path, error)
"""
FOREIGN_PASSWORD = "canary-foreign-password-2c81"
SHOP = """
CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, what TEXT);
INSERT INTO shop.orders VALUES (1, 'a chair');
"""


def do(host: LabHost, script: str) -> str:
    """Run a script that must succeed, and return its output."""
    done = host.run(f"set -e\n{script}")
    assert done.returncode == 0, f"{host.name}: {script}: {done.stdout}{done.stderr}"
    return done.stdout


def sql(host: LabHost, statements: str) -> str:
    """Run SQL as root, and return its output."""
    return do(host, f"mariadb -N <<'END'\n{statements}\nEND")


def everything(hosts: list[LabHost]) -> set[str]:
    """List files, databases with their accounts, packages, units and mounts, one per line.

    What a running oned writes by itself is left out while one runs on any of the hosts: what its
    monitoring measures, in the database, and the folders that it makes for that.
    """
    runs = any(host.run("pgrep -x oned").returncode == 0 for host in hosts)
    files = f"-type f{' ! -name one.db* ! -path */datastores/*' if runs else ''}"
    paths = "! -path */datastores/*" if runs else ""
    rows = f"/^INSERT INTO `({'|'.join(_MEASURED)})`/d; " if runs else ""
    look = (
        f"set -f; find /etc /var/lib/one /var/lib/opennebula-ha /var/backups /root -xdev {files}"
        " -exec sha256sum {} + 2>/dev/null | sort -k2;"
        f" find /var/lib/one /etc/one {paths} -printf '%m %u:%g %p %l\\n' 2>/dev/null | sort;"
        f" python3 -c {shlex.quote(_ONE_DB_ROWS)} {_ONE_DB} {' '.join(_MEASURED)};"
        f" ({_DUMP} || echo none) 2>&1 | sed -E '{rows}/ GTID /d' | sha256sum;"
        " dpkg -l; find /etc/systemd /lib/systemd -printf '%p %l\\n' | sort;"
        " systemctl show -p ActiveState -p ActiveEnterTimestamp opennebula mariadb;"
        " pgrep -ax oned; ls -A /var/lib/mysql /srv | grep -v '^aria_log'"
    )
    return {f"{host.name}: {line}" for host in hosts for line in host.run(look).stdout.splitlines()}


def read_conf(host: LabHost) -> str:
    """Return the host's oned.conf."""
    return do(host, "cat /etc/one/oned.conf")


def set_conf(host: LabHost, name: str, **values: str | int) -> None:
    """Set an attribute of the host's oned.conf, and change nothing else in it."""
    write_conf(host, conf.write(read_conf(host), name, values))


def write_conf(host: LabHost, text: str) -> None:
    """Replace the text of the host's oned.conf; keep its owner and mode."""
    do(host, f"printf %s {shlex.quote(text)} >/etc/one/oned.conf")


def serve_database(host: LabHost) -> None:
    """Let other hosts use this host's MariaDB, as an external database server does."""
    do(
        host,
        "printf '[mysqld]\\nbind-address = 0.0.0.0\\n' >/etc/mysql/mariadb.conf.d/99-open.cnf\n"
        "systemctl restart mariadb",
    )


def copy_database(source: LabHost, name: str, target: LabHost, new_name: str) -> None:
    """Copy a database to the same or another host, with an account that may use it."""
    dump = do(source, f"mariadb-dump --hex-blob {name}")
    sql(
        target,
        f"CREATE DATABASE {new_name}; USE {new_name};\n{dump}\n"
        f"CREATE USER IF NOT EXISTS 'cloud'@'%' IDENTIFIED BY '{FOREIGN_PASSWORD}';"
        f"CREATE USER IF NOT EXISTS 'cloud'@'localhost' IDENTIFIED BY '{FOREIGN_PASSWORD}';"
        f"GRANT ALL ON {new_name}.* TO 'cloud'@'%';"
        f"GRANT ALL ON {new_name}.* TO 'cloud'@'localhost';",
    )


def alone(lab: Lab, directory: Path) -> Operator:
    """Return the config of a stack with one front-end and no VIP."""
    operator = Operator(lab, directory, front_ends=[HOST])
    for key in VIP_KEYS:
        del operator.config[key]
    return operator


def renewed(lab: Lab) -> LabHost:
    """Replace the host by a blank one, and return it."""
    lab.replace(HOST, trust=True)
    return lab.host(HOST)


def refused(lab: Lab, operator: Operator, host: str = HOST) -> Message:
    """Return the message with which ``up`` refuses the host; check that nothing changed."""
    before = everything(lab.hosts)
    message = only(operator.up(), host)
    changed = everything(lab.hosts) ^ before
    assert not changed, "\n".join(sorted(changed))
    return message


def well(operator: Operator, **keys: Any) -> None:
    """Check that ``up`` with these keys succeeds, and that a second one has nothing to do."""
    operator.config |= keys
    run = operator.up()
    assert run.ok, run.output
    assert operator.up("--expect-no-changes").ok


def taken_over(operator: Operator, **keys: Any) -> None:
    """Check the same for a running OpenNebula, which the first ``up`` only adopts."""
    operator.config |= keys
    run = operator.up()
    assert run.ok, run.output
    well(operator)
