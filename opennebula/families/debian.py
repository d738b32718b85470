"""Debian and Ubuntu.

Releases: OpenNebula's platform notes for 7.0, 7.2 and 7.4. AppArmor needs no changes.
"""

from dataclasses import replace

from opennebula.families.family import NGINX, Distribution, Family, Release, WebServerPackages

DEBIAN = Family(
    name="debian",
    like=("debian", "ubuntu"),
    scripts=("debian",),
    distributions=(
        Distribution(
            id="debian",
            name="Debian",
            folder="Debian",
            releases=(Release("11", until="7.0"), Release("12"), Release("13", since="7.0")),
        ),
        Distribution(
            id="ubuntu",
            name="Ubuntu",
            folder="Ubuntu",
            releases=(Release("22.04"), Release("24.04")),
        ),
    ),
    tools=("rsync", "zstd", "openssh-client", "iputils-arping"),
    database="mariadb-server",
    shares={"nfs": "nfs-common", "nfs4": "nfs-common"},
    unattended=("unattended-upgrades",),
    locale_file="/etc/default/locale",
    web={
        "apache": WebServerPackages(
            packages="apache2",
            unit="apache2.service",
            site="/etc/apache2/sites-available/opennebula-ssl.conf",
            link="/etc/apache2/sites-enabled/opennebula-ssl.conf",
            check="apache2ctl configtest",
            modules="headers proxy proxy_http proxy_wstunnel rewrite ssl",
        ),
        "nginx": replace(
            NGINX,
            site="/etc/nginx/sites-available/opennebula-ssl.conf",
            link="/etc/nginx/sites-enabled/opennebula-ssl.conf",
        ),
    },
    constants={
        "manager": "apt-get",
        "extension": "deb",
        "database_folder": "/var/lib/mysql",
        "source_file": "/etc/apt/sources.list.d/opennebula.sources",
        # What one-deploy and OpenNebula's documentation write for the same repository.
        "former_source_file": "/etc/apt/sources.list.d/opennebula.list",
        "key_file": "/etc/apt/keyrings/opennebula.asc",
        "token_file": "/etc/apt/auth.conf.d/opennebula.conf",
        "pin_file": "/etc/apt/preferences.d/opennebula",
        "proxy_file": "/etc/apt/apt.conf.d/99opennebula-ha",
        # All that OpenNebula's repository has under the version of OpenNebula.
        "theirs": "opennebula* libopennebula* python3-pyone docker-machine-opennebula",
        "clashes": "",
    },
)
