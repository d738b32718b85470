"""RHEL, and what is built from its sources.

Releases: OpenNebula's platform notes for 7.0, 7.2 and 7.4; what they need first: OpenNebula's
documentation and one-deploy's roles/repository. SELinux may stay enforcing: OpenNebula's services
run unconfined, and neither the documentation nor one-deploy changes its settings for a front-end
without a web server (with one: see web_server.sh). Files that we write get the label of their path.
"""

from opennebula.families.family import NGINX, Distribution, Family, Release, WebServerPackages

_EPEL = "https://dl.fedoraproject.org/pub/epel/epel-release-latest-{}.noarch.rpm"
# The default of 8 is MariaDB 10.3, where an account cannot have two passwords.
_MARIADB = "module mariadb:10.5"
# It enables repositories.
_CONFIG_MANAGER = "package dnf-plugins-core"


def _rebuilt(name: str, *needs: str, since: str = "0", until: str = "") -> Release:
    crb, availability = ("powertools", "ha") if name == "8" else ("crb", "highavailability")
    repositories = (f"repository {repository}" for repository in ("epel", crb, availability))
    needs = (*needs, _CONFIG_MANAGER, "package epel-release", *repositories)
    return Release(name, since, until, needs)


def _red_hat(name: str, *needs: str, since: str = "0", until: str = "") -> Release:
    needs = (
        *needs,
        _CONFIG_MANAGER,
        f"subscription codeready-builder-for-rhel-{name}-$basearch-rpms",
        f"subscription rhel-{name}-for-$basearch-highavailability-rpms",
        f"package epel-release {_EPEL.format(name)}",
        "repository epel",
    )
    return Release(name, since, until, needs)


REDHAT = Family(
    name="redhat",
    like=("rhel", "centos", "fedora"),
    scripts=("rpm", "redhat"),
    distributions=(
        Distribution(
            id="almalinux",
            name="AlmaLinux",
            folder="AlmaLinux",
            releases=(
                _rebuilt("8", _MARIADB, until="7.0"),
                _rebuilt("9"),
                _rebuilt("10", since="7.0"),
            ),
            by_major=True,
        ),
        Distribution(
            id="rhel",
            name="RHEL",
            folder="RedHat",
            releases=(
                _red_hat("8", _MARIADB, until="7.0"),
                _red_hat("9"),
                _red_hat("10", since="7.0"),
            ),
            by_major=True,
        ),
        Distribution(
            id="rocky",
            name="Rocky Linux",
            folder="RedHat",
            releases=(_rebuilt("9", since="7.4"), _rebuilt("10", since="7.4")),
            by_major=True,
        ),
    ),
    tools=("rsync", "zstd", "openssh-clients", "iputils", "cpio"),
    database="mariadb-server",
    shares={"nfs": "nfs-utils", "nfs4": "nfs-utils"},
    unattended=("dnf-automatic",),
    locale_file="/etc/locale.conf",
    web={
        "apache": WebServerPackages(
            packages="httpd mod_ssl",
            unit="httpd.service",
            site="/etc/httpd/conf.d/opennebula-ssl.conf",
            check="apachectl configtest",
        ),
        "nginx": NGINX,
    },
    constants={
        "manager": "dnf",
        "extension": "rpm",
        "database_folder": "/var/lib/mysql",
        "source_file": "/etc/yum.repos.d/opennebula.repo",
        "key_file": "/etc/pki/rpm-gpg/RPM-GPG-KEY-opennebula2",
        "proxy_file": "/etc/dnf/dnf.conf",
        "lock_file": "/etc/dnf/plugins/versionlock.list",
        "theirs": "opennebula* python3-pyone docker-machine-opennebula",
        # Parts of the distribution's Node.js that conflict with the one in OpenNebula's repository
        # from 7.2 on.
        "clashes": "nodejs-docs nodejs-full-i18n nodejs-libs npm",
    },
)
