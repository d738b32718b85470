"""SUSE Linux Enterprise Server and openSUSE Leap.

Releases: OpenNebula's platform notes for 7.2 and 7.4, its repository has neither Leap 15 nor SLES
16; what they need first, and what they lack: its documentation, and one-deploy's
roles/repository. SELinux and AppArmor: see redhat.py and debian.py.
"""

from opennebula.families.family import NGINX, Distribution, Family, Release, WebServerPackages

_SCIENCE = "https://download.opensuse.org/repositories/science/openSUSE_Leap_$release/"

SUSE = Family(
    name="suse",
    like=("suse", "opensuse"),
    scripts=("rpm", "suse"),
    distributions=(
        Distribution(
            id="sles",
            name="SLES",
            folder="SLES",
            releases=(
                Release(
                    "15",
                    since="7.2",
                    needs=(
                        "product PackageHub",
                        "product sle-module-desktop-applications",
                        "product sle-module-public-cloud",
                    ),
                ),
            ),
            by_major=True,
        ),
        Distribution(
            id="opensuse-leap",
            name="openSUSE Leap",
            folder="openSUSE",
            releases=(Release("16", since="7.2", needs=(f"repository science {_SCIENCE}",)),),
            by_major=True,
        ),
    ),
    tools=("rsync", "zstd", "openssh-clients", "iputils", "cpio"),
    database="mariadb",
    shares={"nfs": "nfs-client", "nfs4": "nfs-client"},
    unattended=("os-update", "yast2-online-update-configuration"),
    locale_file="/etc/locale.conf",
    web={
        "apache": WebServerPackages(
            packages="apache2",
            unit="apache2.service",
            site="/etc/apache2/conf.d/opennebula-ssl.conf",
            check="apachectl configtest",
            modules="headers proxy proxy_http proxy_wstunnel rewrite ssl",
        ),
        "nginx": NGINX,
    },
    constants={
        "manager": "zypper",
        "extension": "rpm",
        "database_folder": "/var/lib/mysql",
        "source_file": "/etc/zypp/repos.d/opennebula.repo",
        "key_file": "/etc/pki/rpm-gpg/RPM-GPG-KEY-opennebula2",
        "token_file": "/etc/zypp/credentials.d/opennebula.conf",
        # zypper has none of its own: what stands in /etc/sysconfig/proxy is for all programs.
        "proxy_file": "",
        "lock_file": "/etc/zypp/locks",
        "clashes": "",
    },
    lacks=("form",),
)
