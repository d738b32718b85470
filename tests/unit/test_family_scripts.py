"""Commands and files of the scripts on a host of each family."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from procedures import script_text as script_text_module
from tests.unit.sandbox import Sandbox

SCRIPTS = Path(script_text_module.__file__).parent
URL = "http://m/7.2"
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

DEBIAN = 'ID=debian\nVERSION_ID="12"\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'
ALMA = 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
RHEL = 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.5"\n'
SLES = 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.7"\n'
LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"\n'

EVERYWHERE = r"""
"curl "*" -o "*) echo "KEY" >"${asked##* -o }"; file=${asked##* -o }; echo "KEY" >"${file%% *}" ;;
"uname -m") echo x86_64 ;;
*ActiveState*) echo inactive ;;
"systemctl is-"*) exit 1 ;;
""".replace("KEY", KEY)
APT = (
    EVERYWHERE
    + r"""
"apt-helper "*download-file*) echo "KEY" >"${@: -1}" ;;
"apt-helper cat-file"*) cat "$HOME/published" ;;
"apt-get "*indextargets*) echo Packages ;;
"dpkg-query "*" "[a-z]*) version=$(there "${@: -1}"); echo "installed $version" | grep ' [0-9]' ;;
"apt-get "*--download-only*)
    folder=${asked#*archives=}
    for one in "$@"; do
        [[ $one != [a-z]*=[0-9]* ]] || touch "${folder%% *}/${one/=/_}_amd64.deb"
    done ;;
"apt-get "*" install "*" -s "*) ;;
"apt-get "*" install "*) for one in "$@"; do [[ $one != opennebula* ]] || arrive "$one"; done ;;
"dpkg-deb "*) echo " LATEST_DB_VERSION = '7.2.0'" \
    >"$HOME/schema"; tar -cf - --transform 's,.*,./usr/lib/one/ruby/onedb/database_schema.rb,' \
    -C "$HOME" schema ;;
""".replace("KEY", KEY)
)
RPM = (
    EVERYWHERE
    + r"""
"rpm -q "*) version=$(there "$4"); [ -n "$version" ] && echo "$version" ;;
"rpm -qa "*) cat "$HOME/installed" ;;
"rpm -qac "*) echo /ROOT/etc/one/oned.conf ;;
"rpm -qp "*) for one in "${@:5}"; do file=${one##*/}; echo "${file%%-7.*}"; done ;;
"rpm2cpio "*) ;;
"cpio "*) echo " LATEST_DB_VERSION = '7.2.0'" ;;
"""
)
DNF = (
    RPM
    + r"""
"dnf "*repolist*) printf 'repo id  name\nbaseos  BaseOS\nepel  EPEL\n' ;;
"dnf "*repoquery*) cat "$HOME/published" ;;
"dnf "*--downloadonly*)
    folder=${asked#*destdir=}
    for one in "$@"; do [[ $one != [a-z]*-7.* ]] || touch "${folder%% *}/$one.noarch.rpm"; done ;;
"dnf "*--assumeno*) echo "Operation aborted." >&2; exit 1 ;;
"dnf "*" install "*) for one in "$@"; do [[ $one != opennebula* ]] || arrive "$one"; done ;;
"""
)
ZYPPER = (
    RPM
    + r"""
"SUSEConnect --status") echo '[{"identifier":"PackageHub","status":"Registered"}]' ;;
"zypper "*" repos science"*) exit 6 ;;
"zypper "*" search "*) cat "$HOME/published" ;;
"zypper "*--download-only*)
    folder=${asked#*pkg-cache-dir }
    mkdir -p "${folder%% *}/opennebula/noarch"
    for one in "$@"; do
        [[ $one != [a-z]*=7.* ]] || touch "${folder%% *}/opennebula/noarch/${one/=/-}.noarch.rpm"
    done ;;
"zypper "*--dry-run*) ;;
"zypper "*" install "*) for one in "$@"; do [[ $one != opennebula* ]] || arrive "$one"; done ;;
"""
)


STATUS = """\
Package: rsync
Status: hold ok installed

Package: zstd
Status: hold ok installed
"""


def host(root: Path, os_release: str) -> Sandbox:
    answers = APT if "debian" in os_release else ZYPPER if "suse" in os_release else DNF
    made = Sandbox(
        root / "host",
        os_release,
        answers,
        new="7.2.0-1" if "debian" in os_release else "7.2.0-1.el9",
    )
    made.file("etc/one/oned.conf", "# as the package has it\n")
    made.file("var/lib/dpkg/status", STATUS)
    made.file("published", "")
    for folder in ("apt/sources.list.d", "apt/preferences.d", "apt/auth.conf.d", "apt/apt.conf.d"):
        (made.root / "etc" / folder).mkdir(parents=True)
    made.file("etc/yum.repos.d/baseos.repo", "[baseos]\n")
    made.file("etc/zypp/repos.d/oss.repo", "[oss]\n")
    made.file("etc/dnf/dnf.conf", "[main]\nbest=True\n")
    return made


def variables(**changes: str) -> dict[str, str]:
    given = {
        "url": f"{URL}/X/9",
        "key_url": "http://m/repo2.key",
        "packages": "opennebula rsync",
        "refresh": "no",
        "blank": "",
    }
    empty = ("key", "needs", "files", "stage", "proxy")
    return {**dict.fromkeys(empty, ""), **given, **changes}


# The functions of each family

FUNCTIONS = re.findall(
    r"\b[a-z_]+\b",
    " ".join(re.findall(r"^- [^:]*: (.*?)[;.]$", str(script_text_module.__doc__), re.M | re.S)),
)


@pytest.mark.parametrize("os_release", [DEBIAN, ALMA, LEAP])
def test_each_family_has_all_functions(tmp_path: Path, os_release: str) -> None:
    one = host(tmp_path, os_release)
    assert len(FUNCTIONS) > 20
    assert one.functions() >= {*FUNCTIONS, "reasons"}


def test_every_script_name_is_unique_and_belongs_to_a_module() -> None:
    folders = ("shell", "families", "programs")
    own = [path for path in SCRIPTS.rglob("*.sh") if path.parent.name not in folders]
    assert len({path.stem for path in own}) == len(own) == len(script_text_module.scripts())
    for path in own:
        assert list(path.parent.glob("[a-z]*.py")), path


def test_scripts_name_no_package_manager() -> None:
    known = re.compile(r"\b(apt|apt-get|apt-mark|dpkg|dnf|yum|rpm|zypper|deb)\b|\.deb\b")
    for file in (*script_text_module.scripts().values(), *SCRIPTS.glob("shell/*.sh")):
        text = re.sub(r"^ *#.*$", "", file.read_text(), flags=re.MULTILINE)
        assert not known.search(text), file.name


# Installing

APT_GET = "apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20"
UNPINNED = "-y --allow-downgrades -q=1 -o Dir::Etc::preferencesparts=/run/TRIAL"
CURL = "curl -fsSL --retry 2 --connect-timeout 15"
ASK_DEB = r"dpkg-query -W -f ${db:Status-Status} ${Version}\n opennebula"
ASK_RPM = r"rpm -q --qf %{EVR}\n opennebula"
ZYPP = "zypper --non-interactive --quiet"


def test_debian_and_ubuntu_use_apt(tmp_path: Path) -> None:
    for number, os_release in enumerate((DEBIAN, UBUNTU)):
        one = host(tmp_path / str(number), os_release)
        output = one.run("install", variables())
        assert output.steps == ("add the package repository", "install packages")
        assert output.values["package"] == "7.2.0-1"
        assert one.asked() == [
            "apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=15"
            " -o APT::Sandbox::User=root download-file http://m/repo2.key /run/TRIAL/key.asc",
            f"{APT_GET} update -o Dir::Etc::sourcelist=/run/TRIAL/opennebula.sources"
            " -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0",
            ASK_DEB,
            "systemctl --no-reload mask opennebula.service",
            f"{APT_GET} update",
            "dpkg --configure -a",
            f"{APT_GET} install {UNPINNED} --no-remove"
            " -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
            " opennebula rsync",
            ASK_DEB,
            "systemctl --no-reload unmask opennebula.service",
            "systemctl --no-reload disable opennebula.service",
            ASK_DEB,
        ]
        assert one.file("etc/apt/sources.list.d/opennebula.sources") == (
            "# Written by opennebula-ha.\n# Credentials: none\nTypes: deb\nURIs: http://m/7.2/X/9\n"
            "Suites: stable\nComponents: opennebula\nSigned-By: /etc/apt/keyrings/opennebula.asc\n"
        )
        assert KEY in one.file("etc/apt/keyrings/opennebula.asc")


GOES = pytest.mark.parametrize(
    ("goes", "is_refused"),
    [
        ("arping [2.23]", True),
        ("opennebula-tools [6.10]", False),
        ("libopennebula-java [6]", False),
    ],
)


def removing(one: Sandbox, goes: str) -> Sandbox:
    """Let a package go when others come, and forget the calls until now."""
    one.fail("apt-get *--no-remove*", "E: Packages need to be removed but remove is disabled.")
    one.answer("apt-get * -s *", f"echo 'Remv {goes}'; echo 'Inst opennebula (7.2.0-1)'")
    one.asked()
    return one


def check_removal(one: Sandbox, values: Mapping[str, str], *, is_refused: bool) -> None:
    """Check that apt removes no package of others, but OpenNebula's."""
    installed = [
        line
        for line in one.asked("apt-get")
        if " install " in line and " -s " not in line and "--reinstall" not in line
    ]
    assert len(installed) == (1 if is_refused else 2)
    assert ("remedy" in values) == is_refused
    if is_refused:
        assert "would remove arping" in values["seen"]
        assert "remove it on the host" in values["remedy"]


@GOES
def test_apt_removes_no_package_of_others(tmp_path: Path, goes: str, is_refused: bool) -> None:
    """With -y apt removes what clashes with a new package, without a question."""
    one = removing(host(tmp_path, DEBIAN), goes)
    check_removal(one, one.run("install", variables()).values, is_refused=is_refused)


def test_el_uses_dnf(tmp_path: Path) -> None:
    for number, os_release in enumerate((ALMA, RHEL, ROCKY)):
        one = host(tmp_path / str(number), os_release)
        assert one.run("install", variables()).values["package"] == "7.2.0-1.el9"
        assert one.asked() == [
            f"{CURL} -o /run/TRIAL/key.asc http://m/repo2.key",
            "dnf -y --setopt=reposdir=/run/TRIAL/only --setopt=cachedir=/run/TRIAL/cache"
            " --setopt=opennebula.skip_if_unavailable=0 makecache",
            ASK_RPM,
            "systemctl --no-reload mask opennebula.service",
            "rpm -qac opennebula*",
            "dnf -q -y --setopt=reposdir=/run/TRIAL/parts install opennebula rsync",
            "systemctl --no-reload unmask opennebula.service",
            "systemctl --no-reload disable opennebula.service",
            ASK_RPM,
        ]
        assert one.file("etc/yum.repos.d/opennebula.repo") == (
            "# Written by opennebula-ha.\n[opennebula]\nname=OpenNebula\n"
            "baseurl=http://m/7.2/X/9/$basearch\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n"
            "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-opennebula2\n"
            "excludepkgs=opennebula* python3-pyone docker-machine-opennebula\n"
        )


def test_suse_uses_zypper(tmp_path: Path) -> None:
    for number, os_release in enumerate((SLES, LEAP)):
        one = host(tmp_path / str(number), os_release)
        assert one.run("install", variables()).values["package"] == "7.2.0-1.el9"
        assert one.asked() == [
            f"{CURL} -o /run/TRIAL/key.asc http://m/repo2.key",
            "rpm --import /run/TRIAL/key.asc",
            f"{ZYPP} --reposd-dir /run/TRIAL/only --cache-dir /run/TRIAL/cache"
            " refresh --force opennebula",
            ASK_RPM,
            "systemctl --no-reload mask opennebula.service",
            "rpm -qac opennebula*",
            f"{ZYPP} --reposd-dir /run/TRIAL/parts refresh --force opennebula-trial",
            f"{ZYPP} --reposd-dir /run/TRIAL/parts install --oldpackage"
            " --auto-agree-with-licenses opennebula rsync",
            "systemctl --no-reload unmask opennebula.service",
            "systemctl --no-reload disable opennebula.service",
            ASK_RPM,
        ]
        assert one.file("etc/zypp/repos.d/opennebula.repo") == (
            "# Written by opennebula-ha.\n[opennebula]\nname=OpenNebula\n"
            "baseurl=http://m/7.2/X/9/$basearch\nenabled=0\nautorefresh=1\ngpgcheck=1\n"
            "repo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-opennebula2\n"
        )


def test_the_signing_key_may_be_in_the_config(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.run("install", variables(key=KEY))
    assert one.asked("curl") == []
    assert one.file("etc/pki/rpm-gpg/RPM-GPG-KEY-opennebula2") == f"{KEY}\n"


def test_an_added_package_gets_the_installed_version(tmp_path: Path) -> None:
    for number, (os_release, word) in enumerate(
        ((DEBIAN, "flow=7.2.0-1"), (ALMA, "flow-7.2.0-1"), (LEAP, "flow=7.2.0-1"))
    ):
        one = host(tmp_path / str(number), os_release)
        one.install(opennebula="7.2.0-1")
        one.run("install", variables(packages="opennebula-flow=7.2.0-1"))
        (asked,) = (line for line in one.asked("apt-get", "dnf", "zypper") if " install " in line)
        assert asked.endswith(f" opennebula-{word}")
        assert one.asked("systemctl") == []


TOKENS = [
    (DEBIAN, "etc/apt/auth.conf.d/opennebula.conf", "machine m login user password pa:ss$\n"),
    (ALMA, "etc/yum.repos.d/opennebula.repo", "username=user\npassword=pa:ss$\n"),
    (LEAP, "etc/zypp/credentials.d/opennebula.conf", "username=user\npassword=pa:ss$\n"),
]


@pytest.mark.parametrize(("os_release", "file", "text"), TOKENS)
def test_only_root_can_read_a_token(tmp_path: Path, os_release: str, file: str, text: str) -> None:
    one = host(tmp_path, os_release)
    one.run("install", variables(), token="user:pa:ss$")
    assert text in one.file(file)
    assert not any("pa:ss" in line for line in one.asked())
    holders = [path for path in one.root.rglob("*") if path.is_file() and "pa:ss" in read(path)]
    assert [str(path.relative_to(one.root)) for path in holders] == [file]
    assert holders[0].stat().st_mode & 0o077 == 0
    one.run("install", variables())
    assert "pa:ss" not in one.file(file)


@pytest.mark.parametrize(("os_release", "file", "text"), [TOKENS[0], TOKENS[2]])
def test_a_token_of_others_stays(tmp_path: Path, os_release: str, file: str, text: str) -> None:
    """A file of the same name, as one-deploy writes it, with a stack that has no token."""
    theirs = f"# by hand\n{text}"
    one = host(tmp_path, os_release)
    one.file(file, theirs)
    for _ in range(2):
        one.run("install", variables())
        assert one.file(file) == theirs
    one.file("etc/hosts", "")
    given = {"features": "", "purge": "yes", "db_name": "opennebula", "account": "", "grant": ""}
    one.run("uninstall", {**given, "database": "none"})
    assert one.file(file) == theirs


def test_a_token_of_an_earlier_version_is_removed(tmp_path: Path) -> None:
    one = host(tmp_path, DEBIAN)
    one.install(opennebula="7.2.0-1")
    file, text = TOKENS[0][1:]
    one.file(file, text)
    one.file("etc/apt/sources.list.d/opennebula.sources", "Types: deb\nURIs: https://m/7.2/X/9\n")
    one.run("install", variables())
    assert one.file(file) == ""


def test_a_refused_token_leaves_no_file(tmp_path: Path) -> None:
    one = host(tmp_path, DEBIAN)
    one.fail("apt-get *update*sourcelist*", "E: x 401  Unauthorized")
    assert "one_token" in one.run("install", variables(), token="user:wrong").values["remedy"]
    assert one.file(TOKENS[0][1]) == ""


@pytest.mark.parametrize(("os_release", "file", "text"), [TOKENS[0], TOKENS[2]])
@pytest.mark.parametrize("is_ours", [True, False])
def test_the_token_in_use_stays_until_another_is_verified(
    tmp_path: Path, os_release: str, file: str, text: str, is_ours: bool
) -> None:
    one = host(tmp_path, os_release)
    if is_ours:
        one.run("install", variables(), token="user:pa:ss$")
    else:
        one.file(file, f"# by hand\n{text}")
    before = one.file(file), (one.root / file).stat().st_mode
    assert text in before[0]
    one.fail("apt-get *update*sourcelist*", "E: Could not resolve 'm'")
    one.fail("zypper *refresh*", "Error code: Connection failed")
    for token in ("user:wrong", ""):
        assert "remedy" in one.run("install", variables(), token=token).values
        assert (one.file(file), (one.root / file).stat().st_mode) == before


def test_zypper_gets_the_path_of_the_token(tmp_path: Path) -> None:
    one = host(tmp_path, LEAP)
    one.run("install", variables(), token="user:password")
    source = one.file("etc/zypp/repos.d/opennebula.repo")
    assert "baseurl=http://m/7.2/X/9/$basearch?credentials=opennebula.conf\n" in source


# Requirements of the installation

EPEL = "https://dl.fedoraproject.org/pub/epel/epel-release-latest-9.noarch.rpm"
NEEDS = [
    (
        ALMA,
        "module mariadb:10.5\npackage epel-release\nrepository epel\nrepository crb",
        [
            "dnf -q -y module enable mariadb:10.5",
            "dnf -q -y install epel-release",
            "dnf -q config-manager --set-enabled crb",
        ],
    ),
    (
        RHEL,
        f"subscription codeready-$basearch-rpms\npackage epel-release {EPEL}\nrepository epel",
        [
            "subscription-manager repos --enable codeready-x86_64-rpms",
            f"dnf -q -y install {EPEL}",
        ],
    ),
    (
        SLES,
        "product PackageHub\nproduct sle-module-public-cloud",
        [
            "SUSEConnect --status",
            "SUSEConnect --status",
            "SUSEConnect --product sle-module-public-cloud/15.7/x86_64",
        ],
    ),
    (
        LEAP,
        "repository science https://d/openSUSE_Leap_$release/",
        [
            f"{ZYPP} repos science",
            f"{ZYPP} addrepo --refresh https://d/openSUSE_Leap_16.0/ science",
            f"{ZYPP} --gpg-auto-import-keys refresh science",
        ],
    ),
    (LEAP, "repository oss https://d/", [f"{ZYPP} repos oss"]),
    (DEBIAN, "", []),
]


@pytest.mark.parametrize(("os_release", "needs", "commands"), NEEDS)
def test_missing_requirements_are_enabled(
    tmp_path: Path, os_release: str, needs: str, commands: list[str]
) -> None:
    one = host(tmp_path, os_release)
    one.run("install", variables(needs=needs))
    asked = one.asked("dnf", "subscription-manager", "SUSEConnect", "zypper")
    ours = ("TRIAL", "repolist")
    assert [line for line in asked if not any(word in line for word in ours)] == commands


def test_existing_requirements_are_not_requested_again(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.install(epel_release="9-7", mariadb_server="3:10.11-1")
    one.run("install", variables(needs="module mariadb:10.5\npackage epel-release"))
    assert [line for line in one.asked("dnf") if "TRIAL" not in line] == [
        "dnf -q repolist --enabled"
    ]


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (DEBIAN, f"{APT_GET} update"),
        (ALMA, "dnf -q makecache --refresh"),
        (LEAP, f"{ZYPP} refresh"),
    ],
)
def test_all_package_lists_are_updated_on_request(
    tmp_path: Path, os_release: str, command: str
) -> None:
    one = host(tmp_path, os_release)
    output = one.run("install", variables(refresh="yes"))
    assert "refresh the lists of all package repositories" in output.steps
    assert command in one.asked()


# Errors

DNF_SAYS = "Errors during downloading metadata for repository 'opennebula':\n  - "
FAULTS = [
    (DEBIAN, "apt-get *update*sourcelist*", "E: x 404  Not Found", "one_version or opennebula-ha"),
    (DEBIAN, "apt-get *update*sourcelist*", "E: x 401  Unauthorized", "one_token"),
    (DEBIAN, "apt-get *update*sourcelist*", "W: GPG error: NO_PUBKEY 1", "repository key or"),
    (DEBIAN, "apt-get *update*sourcelist*", "E: Could not resolve 'm'", "reaches that address"),
    (
        ALMA,
        "dnf *makecache",
        f"{DNF_SAYS}Status code: 404 for http",
        "one_version or opennebula-ha",
    ),
    (ALMA, "dnf *makecache", f"{DNF_SAYS}Status code: 401 for http", "one_token"),
    (ALMA, "dnf *makecache", "Error: repomd.xml GPG signature verification", "repository key or"),
    (ALMA, "dnf *makecache", f"{DNF_SAYS}Curl error (6): Couldn't resolve", "reaches that address"),
    (LEAP, "zypper *refresh*", "Repository type can't be determined.", "one_version or opennebula"),
    (LEAP, "zypper *refresh*", "The requested URL returned error: 401", "one_token"),
    (LEAP, "zypper *refresh*", "is signed with an unknown key 'F'", "repository key or key_url"),
    (LEAP, "zypper *refresh*", "Error code: Connection failed", "reaches that address"),
]


@pytest.mark.parametrize(("os_release", "command", "said", "remedy"), FAULTS)
def test_an_unusable_repository_changes_nothing_and_says_why(
    tmp_path: Path, os_release: str, command: str, said: str, remedy: str
) -> None:
    one = host(tmp_path, os_release)
    one.fail(command, said)
    answer = one.run("install", variables()).values
    assert answer["expected"] == "a signed package repository at http://m/7.2/X/9"
    assert said.splitlines()[-1].strip() in answer["seen"]
    assert remedy in answer["remedy"]
    for file in (
        "etc/apt/sources.list.d/opennebula.sources",
        "etc/yum.repos.d/opennebula.repo",
        "etc/zypp/repos.d/opennebula.repo",
    ):
        assert one.file(file) == ""
    assert one.asked("systemctl") == []


@pytest.mark.parametrize(
    ("os_release", "command", "said"),
    [
        (DEBIAN, "apt-get *install*", "E: Unable to locate package opennebula"),
        (ALMA, "dnf *install*", "Error: Unable to find a match: opennebula"),
        (LEAP, "zypper *install*", "Package 'opennebula' not found."),
    ],
)
def test_a_package_that_is_not_published_is_a_wrong_version(
    tmp_path: Path, os_release: str, command: str, said: str
) -> None:
    one = host(tmp_path, os_release)
    one.fail(command, said)
    answer = one.run("install", variables()).values
    assert answer["expected"].endswith(" to install opennebula rsync")
    assert answer["seen"] == said
    assert "opennebula-ha:one_version" in answer["remedy"]


def test_a_failed_requirement_names_the_key_to_skip_it(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.fail("dnf *config-manager*", "Error: No matching repo to modify: crb.")
    answer = one.run("install", variables(needs="repository crb")).values
    assert answer["seen"] == "Error: No matching repo to modify: crb."
    assert "repository pre_enable: false" in answer["remedy"]


# Another version

PUBLISHED = {
    DEBIAN: "Package: opennebula\nVersion: 7.2.1-1\nPackage: opennebula-flow\nVersion: 7.2.1-1\n"
    "Package: opennebula-node-kvm\nVersion: 7.2.1-1\nPackage: opennebula-migration\n"
    "Version: 7.2.1-1\n",
    ALMA: "Updating Subscription Management repositories.\n"
    "opennebula 7.2.1-1.el9\n\nopennebula-flow 7.2.1-1.el9\n\n"
    "opennebula-node-kvm 7.2.1-1.el9\n\nopennebula-migration 7.2.1-1.el9\n",
    LEAP: "".join(
        f'<solvable status="not-installed" name="{name}" kind="package" edition="{edition}"'
        ' arch="noarch" repository="OpenNebula"/>\n'
        for name in ("opennebula", "opennebula-flow", "opennebula-node-kvm", "opennebula-migration")
        for edition in ("7.2.0-1.el9", "7.2.1-1.el9")
    ),
}


def staged(root: Path, os_release: str) -> Sandbox:
    """Make a host with 7.2.0 on which 7.2.1 waits."""
    one = host(root, os_release)
    old = "7.2.0-1" if os_release == DEBIAN else "7.2.0-1.el9"
    one.install(opennebula=old, opennebula_flow=old, rsync="3-1")
    one.file("published", PUBLISHED[os_release])
    output = one.run("install", variables(stage="7.2.1", packages="opennebula rsync zstd"))
    assert output.steps == ("add the package repository", "stage OpenNebula 7.2.1 for the rollout")
    return one


@pytest.mark.parametrize("os_release", [DEBIAN, ALMA, LEAP])
def test_another_version_is_downloaded_with_its_rollback(tmp_path: Path, os_release: str) -> None:
    one = staged(tmp_path, os_release)
    release, end = ("", "_amd64.deb") if os_release == DEBIAN else (".el9", ".noarch.rpm")
    between = "_" if os_release == DEBIAN else "-"

    def files(version: str, *names: str) -> set[str]:
        return {f"{name}{between}{version}-1{release}{end}" for name in names} | {"version"}

    where = one.root / "var/lib/opennebula-ha/staged"
    new = {path.name for path in (where / "new").iterdir() if path.is_file()}
    old = {path.name for path in (where / "old").iterdir() if path.is_file()}
    assert new == files("7.2.1", "opennebula", "opennebula-flow", "opennebula-migration")
    assert old == files("7.2.0", "opennebula", "opennebula-flow")
    assert one.file(f"{where.relative_to(one.root)}/schema") == "7.2.0\n"
    assert one.file(f"{where.relative_to(one.root)}/old/version") == f"7.2.0-1{release}\n"
    assert not one.file("etc/apt/sources.list.d/opennebula.sources")
    assert one.asked("systemctl") == []


def test_downloaded_packages_and_their_sources(tmp_path: Path) -> None:
    deb = staged(tmp_path / "deb", DEBIAN)
    fetched = [line for line in deb.asked("apt-get") if "--download-only" in line]
    assert fetched[0].startswith(
        f"{APT_GET} install {UNPINNED} --no-remove --download-only"
        " -o Dir::Cache::archives=/var/lib/opennebula-ha/staged.partial/new"
        " -o Dir::Etc::sourceparts=/run/TRIAL/parts "
    )
    assert set(fetched[0].split("/run/TRIAL/parts ")[1].split()) == {
        "opennebula=7.2.1-1",
        "opennebula-flow=7.2.1-1",
        "opennebula-migration=7.2.1-1",
        "zstd",
    }
    assert "--reinstall" in fetched[1]
    assert "parts" not in fetched[1], "the former ones come from where they came from"
    alma = staged(tmp_path / "alma", ALMA)
    fetched = [line for line in alma.asked("dnf") if "--downloadonly" in line]
    assert fetched[0].startswith(
        "dnf -q -y --setopt=reposdir=/run/TRIAL/parts --allowerasing --downloadonly"
        " --destdir=/var/lib/opennebula-ha/staged.partial/new install "
    )
    assert "opennebula-7.2.1-1.el9" in fetched[0]
    assert fetched[1].startswith(
        "dnf -q -y --disableexcludepkgs=opennebula --downloadonly"
        " --destdir=/var/lib/opennebula-ha/staged.partial/old reinstall "
    )
    leap = staged(tmp_path / "leap", LEAP)
    fetched = [line for line in leap.asked("zypper") if "--download-only" in line]
    assert fetched[0].startswith(
        f"{ZYPP} --reposd-dir /run/TRIAL/parts"
        " --pkg-cache-dir /var/lib/opennebula-ha/staged.partial/new install --download-only"
        " --oldpackage --auto-agree-with-licenses "
    )
    assert fetched[1].startswith(
        f"{ZYPP} --reposd-dir /run/TRIAL/present"
        " --pkg-cache-dir /var/lib/opennebula-ha/staged.partial/old install --download-only"
        " --oldpackage --auto-agree-with-licenses --force "
    )


def test_a_package_missing_in_the_repository_prevents_rollback(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.install(opennebula="7.2.0-1.el9")
    one.file("published", PUBLISHED[ALMA])
    one.fail("dnf *reinstall*", "Installed package opennebula-7.2.0-1.el9 not available.")
    output = one.run("install", variables(stage="7.2.1"))
    assert output.steps[-1].startswith("rollback unavailable: opennebula=7.2.0-1.el9 is no longer")
    old = one.root / "var/lib/opennebula-ha/staged/old"
    assert [path.name for path in old.iterdir()] == ["version"]


def test_a_repository_without_that_version_is_refused(tmp_path: Path) -> None:
    for number, os_release in enumerate((DEBIAN, ALMA, LEAP)):
        one = host(tmp_path / str(number), os_release)
        one.install(opennebula="7.2.0-1")
        one.file("published", PUBLISHED[os_release])
        answer = one.run("install", variables(stage="7.4")).values
        assert answer["expected"] == "a package of OpenNebula 7.4 at http://m/7.2/X/9"
        assert answer["seen"].startswith("7.2.1-1")


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (
            DEBIAN,
            f"{APT_GET} install {UNPINNED} --no-remove"
            " -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
            " /var/lib/opennebula-ha/staged/new/opennebula-flow_7.2.1-1_amd64.deb"
            " /var/lib/opennebula-ha/staged/new/opennebula-migration_7.2.1-1_amd64.deb"
            " /var/lib/opennebula-ha/staged/new/opennebula_7.2.1-1_amd64.deb",
        ),
        *(
            (
                os_release,
                "rpm -U --oldpackage --replacepkgs"
                " /var/lib/opennebula-ha/staged/new/opennebula-7.2.1-1.el9.noarch.rpm"
                " /var/lib/opennebula-ha/staged/new/opennebula-flow-7.2.1-1.el9.noarch.rpm"
                " /var/lib/opennebula-ha/staged/new/opennebula-migration-7.2.1-1.el9.noarch.rpm",
            )
            for os_release in (ALMA, LEAP)
        ),
    ],
)
def test_the_waiting_version_replaces_the_installed_one(
    tmp_path: Path, os_release: str, command: str
) -> None:
    one = staged(tmp_path, os_release)
    one.asked()
    output = one.run("swap", {"folder": "new", "start": "no"})
    assert output.values == {}
    asked = one.asked()
    (place,) = (number for number, line in enumerate(asked) if line == command)
    masks = [number for number, line in enumerate(asked) if "systemctl mask" in line]
    unmasks = [number for number, line in enumerate(asked) if "systemctl unmask" in line]
    assert masks[0] < place < unmasks[-1]


LISTED = (
    "systemctl list-unit-files --no-legend opennebula.service *",
    "printf '%s\\n' 'opennebula.service disabled' 'opennebula-flow.service enabled'"
    " 'opennebula-form.service masked'",
)


def test_a_unit_that_others_masked_stays_masked(tmp_path: Path) -> None:
    """Also if a first attempt was interrupted, after which more units are masked."""
    one = staged(tmp_path, DEBIAN)
    masked = "systemctl list-unit-files --no-legend --state=masked *"
    one.answer(*LISTED)
    one.answer(masked, "echo 'opennebula-form.service masked enabled'")
    one.answer("apt-get * install *_7.2.1*", "kill -9 $PPID $(ps -o ppid= $PPID)")
    with pytest.raises(AssertionError):
        one.run("swap", {"folder": "new", "start": "no"})
    again = staged(tmp_path / "again", DEBIAN)
    kept = "var/lib/opennebula-ha/staged/masked"
    assert one.run("observe", OBSERVE, exclusive=False).values["swapping"] == "yes"
    again.file(kept, one.file(kept))
    again.answer(*LISTED)
    again.answer(masked, "printf '%s\\n' opennebula{,-flow,-form}'.service masked'")
    again.asked()
    again.run("swap", {"folder": "new", "start": "no"})
    words = [line for line in again.asked("systemctl") if line.startswith("systemctl unmask ")]
    assert words == ["systemctl unmask opennebula.service opennebula-flow.service"]
    assert "swapping" not in again.run("observe", OBSERVE, exclusive=False).values


@pytest.mark.parametrize(("version", "is_refused"), [("7.2.0-1", False), ("7.2.1-1", True)])
def test_without_the_former_packages_only_the_former_version_stays(
    tmp_path: Path, version: str, is_refused: bool
) -> None:
    """A failed upgrade may have replaced nothing: then its units are unmasked."""
    one = staged(tmp_path, DEBIAN)
    for file in (one.root / "var/lib/opennebula-ha/staged/old").glob("*.deb"):
        file.unlink()
    one.file("var/lib/opennebula-ha/staged/masked", "opennebula-form.service\n")
    one.install(opennebula=version)
    one.answer("dpkg-query * opennebula", f"echo 'installed {version}'")
    one.answer(*LISTED)
    one.asked()
    assert ("remedy" in one.run("swap", {"folder": "old", "start": "no"}).values) is is_refused
    words = [line for line in one.asked("systemctl") if line.startswith("systemctl unmask ")]
    unmask = ["systemctl unmask opennebula.service opennebula-flow.service"]
    assert words == ([] if is_refused else unmask)


def test_units_are_unmasked_with_the_staged_packages_gone(tmp_path: Path) -> None:
    """The version was set back after an interrupted upgrade."""
    one = staged(tmp_path, DEBIAN)
    one.file("var/lib/opennebula-ha/staged/masked", "opennebula-form.service\n")
    one.answer(*LISTED)
    one.run("unstage", {})
    words = [line for line in one.asked("systemctl") if line.startswith("systemctl unmask ")]
    assert words == ["systemctl unmask opennebula.service opennebula-flow.service"]


@GOES
def test_another_version_removes_no_package_of_others(
    tmp_path: Path, goes: str, is_refused: bool
) -> None:
    """It is refused when it is staged: then the zone still runs."""
    one = host(tmp_path, DEBIAN)
    one.install(opennebula="7.2.0-1")
    one.file("published", PUBLISHED[DEBIAN])
    output = removing(one, goes).run("install", variables(stage="7.2.1"))
    check_removal(one, output.values, is_refused=is_refused)
    assert bool(one.file("var/lib/opennebula-ha/staged/new/version")) != is_refused


@GOES
def test_staged_packages_remove_none_of_others(tmp_path: Path, goes: str, is_refused: bool) -> None:
    one = removing(staged(tmp_path, DEBIAN), goes)
    values = one.run("swap", {"folder": "new", "start": "no"}).values
    check_removal(one, values, is_refused=is_refused)


def test_packages_that_came_with_the_new_version_leave_with_it(tmp_path: Path) -> None:
    one = staged(tmp_path, ALMA)
    one.install(opennebula_migration="7.2.1-1.el9")
    one.asked()
    one.run("swap", {"folder": "old", "start": "no"})
    changed = [line for line in one.asked("rpm") if line.startswith(("rpm -e", "rpm -U"))]
    assert changed == [
        "rpm -e --nodeps opennebula-migration",
        "rpm -U --oldpackage --replacepkgs"
        " /var/lib/opennebula-ha/staged/old/opennebula-7.2.0-1.el9.noarch.rpm"
        " /var/lib/opennebula-ha/staged/old/opennebula-flow-7.2.0-1.el9.noarch.rpm",
    ]


def test_the_distributions_node_js_is_replaced_and_restored(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.install(opennebula="7.0.0-1.el9", nodejs="1:16.1-1", npm="8-1", nodejs_libs="1:16.1-1")
    one.file("published", "opennebula 7.2.0-1.el9\nnodejs 2:20.1-1nodesource\n")
    one.run("install", variables(stage="7.2"))
    again = next(line for line in one.asked("dnf") if " reinstall " in line)
    assert {"npm-8-1", "nodejs-libs-1:16.1-1", "nodejs-1:16.1-1"} <= set(again.split())
    for folder, name in (("new", "nodejs-20.1-1nodesource.x86_64.rpm"), ("old", "npm-8-1.rpm")):
        one.file(f"var/lib/opennebula-ha/staged/{folder}/{name}", "")
    one.file("var/lib/opennebula-ha/staged/new/opennebula-7.2.0-1.el9.noarch.rpm", "")
    one.run("swap", {"folder": "new", "start": "no"})
    assert [line for line in one.asked("rpm") if line.startswith("rpm -e")] == [
        "rpm -e --nodeps nodejs-libs",
        "rpm -e --nodeps npm",
    ]


# A package's own configuration files

REPLACES = r"""
mv /ROOT/etc/one/oned.conf /ROOT/etc/one/oned.conf.rpmsave
echo "# as the new package has it" >/ROOT/etc/one/oned.conf
"""


@pytest.mark.parametrize("os_release", [ALMA, LEAP])
def test_changed_configuration_stays_when_packages_are_replaced(
    tmp_path: Path, os_release: str
) -> None:
    one = staged(tmp_path, os_release)
    one.file("etc/one/oned.conf", "# changed\n")
    one.answer("rpm -U *", REPLACES)
    one.run("swap", {"folder": "new", "start": "no"})
    assert one.file("etc/one/oned.conf") == "# changed\n"
    assert one.file("etc/one/oned.conf.rpmnew") == "# as the new package has it\n"
    assert not (one.root / "var/lib/opennebula-ha/configuration").exists()


@pytest.mark.parametrize("os_release", [ALMA, LEAP])
def test_changed_configuration_survives_a_crash_in_between(tmp_path: Path, os_release: str) -> None:
    one = staged(tmp_path, os_release)
    one.file("etc/one/oned.conf", "# changed\n")
    one.answer("rpm -U *", f"{REPLACES}\nkill -9 $PPID $(ps -o ppid= $PPID)")
    with pytest.raises(AssertionError):
        one.run("swap", {"folder": "new", "start": "no"})
    assert one.file("etc/one/oned.conf") == "# as the new package has it\n"
    seen = one.run("observe", OBSERVE, exclusive=False)
    assert seen.values["oned"] == "# changed\n"
    one.run("unstage", {})
    assert one.file("etc/one/oned.conf") == "# changed\n"


@pytest.mark.parametrize("os_release", [ALMA, LEAP])
def test_configuration_that_is_a_link_stays_a_link(tmp_path: Path, os_release: str) -> None:
    one = staged(tmp_path, os_release)
    one.file("etc/one/shared.conf", "# changed\n")
    conf = one.root / "etc/one/oned.conf"
    conf.unlink()
    conf.symlink_to("shared.conf")
    one.answer("rpm -U *", REPLACES)
    one.run("swap", {"folder": "new", "start": "no"})
    assert conf.readlink() == Path("shared.conf")
    assert one.file("etc/one/shared.conf") == "# changed\n"


@pytest.mark.parametrize("os_release", [ALMA, LEAP])
def test_without_a_copy_of_the_configuration_no_package_is_replaced(
    tmp_path: Path, os_release: str
) -> None:
    one = staged(tmp_path, os_release)
    full = "cp: error writing: No space left on device"
    one.file("bin/cp", f"#!/bin/bash\necho {full} >&2\nexit 1\n")
    (one.root / "bin/cp").chmod(0o755)
    answer = one.run("swap", {"folder": "new", "start": "no"}).values
    assert answer["seen"] == full
    assert not any(line.startswith("rpm -U") for line in one.asked("rpm"))


# The web server

WEB = {
    **dict.fromkeys(("server", "key", "certchain", "text", "names", "sealed"), ""),
    "server": "apache",
    "generate": "yes",
}


@pytest.mark.parametrize(
    ("present", "calls"),
    [
        ("", ["systemctl mask httpd.service", "systemctl unmask httpd.service"]),
        ("httpd.service enabled enabled", []),
    ],
)
def test_no_web_server_is_masked_after_a_failed_installation(
    tmp_path: Path, present: str, calls: list[str]
) -> None:
    one = host(tmp_path, ALMA)
    one.answer("systemctl list-unit-files *", f"echo '{present}'")
    one.fail("dnf *install*", "Error: Unable to find a match: mod_ssl")
    assert "remedy" in one.run("web_server", {**WEB, "action": "serve"}).values
    assert [line for line in one.asked("systemctl") if "mask" in line] == calls


@pytest.mark.parametrize("action", ["make", "receive"])
def test_without_oneadmins_key_no_certificate_is_sent_or_received(
    tmp_path: Path, action: str
) -> None:
    answer = host(tmp_path, ALMA).run("web_server", {**WEB, "action": action}).values
    assert answer["expected"] == "oneadmin's key in /var/lib/one/.ssh/id_rsa"


# Observation

OBSERVE = {
    **dict.fromkeys(("names", "files", "account"), ""),
    "db_name": "opennebula",
    "checksums": "no",
    "units": "opennebula.service",
}


@pytest.mark.parametrize(
    ("os_release", "distribution", "release"),
    [
        (DEBIAN, "debian", "12"),
        (UBUNTU, "ubuntu", "24.04"),
        (ALMA, "almalinux", "9.4"),
        (SLES, "sles", "15.7"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n', "linuxmint", "22"),
        ("ID=arch\n", "arch", ""),
    ],
)
def test_a_host_reports_its_distribution(
    tmp_path: Path, os_release: str, distribution: str, release: str
) -> None:
    answer = host(tmp_path, os_release).run("observe", OBSERVE, exclusive=False).values
    assert (answer["distribution"], answer["release"]) == (distribution, release)


def test_packages_and_the_programs_that_hold_them(tmp_path: Path) -> None:
    deb = host(tmp_path / "deb", DEBIAN)
    deb.answer(
        "dpkg-query *Want*",
        "printf 'installed install rsync 3-1\\ninstalled hold opennebula 7.2.0-1\\n"
        "config-files deinstall old 1\\n'",
    )
    answer = deb.run("observe", OBSERVE, exclusive=False).values
    assert answer["packages"] == "install rsync 3-1\nhold opennebula 7.2.0-1"
    alma = host(tmp_path / "alma", ALMA)
    locks = "# Added lock\nopennebula-0:7.2.0-1.el9.*\n!opennebula-gate-0:7.2.0-1.el9.*\n"
    alma.file("etc/dnf/plugins/versionlock.list", locks)
    leap = host(tmp_path / "leap", LEAP)
    leap.file("etc/zypp/locks", "\ntype: package\nmatch_type: glob\nsolvable_name: opennebula\n")
    for one in (alma, leap):
        one.install(opennebula="7.2.0-1.el9", opennebula_flow="7.2.0-1.el9")
        answer = one.run("observe", OBSERVE, exclusive=False).values
        assert answer["packages"] == (
            "hold opennebula 7.2.0-1.el9\ninstall opennebula-flow 7.2.0-1.el9"
        )


@pytest.mark.parametrize(("os_release", "pin"), [(DEBIAN, "7.2.0-1"), (ALMA, "*"), (SLES, "*")])
def test_installed_packages_are_kept_from_a_plain_upgrade(
    tmp_path: Path, os_release: str, pin: str
) -> None:
    one = host(tmp_path, os_release)
    assert one.run("observe", OBSERVE, exclusive=False).values["pin"] == ""
    one.run("install", variables())
    assert one.run("observe", OBSERVE, exclusive=False).values["pin"] == pin


def test_a_failed_installation_leaves_the_pin(tmp_path: Path) -> None:
    """apt itself reads all preferences but our own, also those that are links."""
    one = host(tmp_path, DEBIAN)
    one.run("install", variables())
    pin = one.file("etc/apt/preferences.d/opennebula")
    assert "Pin: version 7.2.0-1\n" in pin
    one.file("etc/theirs", "Package: *\n")
    (one.root / "etc/apt/preferences.d/theirs").symlink_to("../../theirs")
    one.answer(
        "apt-get * install *",
        "folder=${asked#*preferencesparts=}; ls ${folder%% *} >/ROOT/read; exit 1",
    )
    assert "remedy" in one.run("install", variables()).values
    assert one.file("etc/apt/preferences.d/opennebula") == pin
    assert one.file("read") == "theirs\n"
    assert not [*(one.root / "run").glob("opennebula-ha*")]


def test_a_removed_pin_is_restored(tmp_path: Path) -> None:
    settings = {"proxy": "", "unattended": "", "pinned": "yes", "blank": ""}
    alma = host(tmp_path / "alma", ALMA)
    alma.file("etc/yum.repos.d/opennebula.repo", "[opennebula]\nname=x\nenabled=1\n")
    alma.run("packages", settings)
    assert alma.file("etc/yum.repos.d/opennebula.repo") == (
        "[opennebula]\nexcludepkgs=opennebula* python3-pyone docker-machine-opennebula\n"
        "name=x\nenabled=1\n"
    )
    leap = host(tmp_path / "leap", LEAP)
    leap.file("etc/zypp/repos.d/opennebula.repo", "[opennebula]\nenabled=1\n")
    leap.run("packages", settings)
    assert leap.file("etc/zypp/repos.d/opennebula.repo") == "[opennebula]\nenabled=0\n"
    deb = host(tmp_path / "deb", DEBIAN)
    deb.install(opennebula="7.2.0-1")
    deb.run("packages", settings)
    assert deb.file("etc/apt/preferences.d/opennebula").splitlines()[1:] == [
        "Package: opennebula* libopennebula* python3-pyone docker-machine-opennebula",
        "Pin: version 7.2.0-1",
        "Pin-Priority: 999",
    ]
    for file in ("apt/preferences.d/opennebula",):
        assert (deb.root / "etc" / file).stat().st_mode & 0o777 == 0o644


# Package sources

PROXY = "http://10.2.50.1:3142"


def test_apt_has_the_proxy_in_its_own_file(tmp_path: Path) -> None:
    one = host(tmp_path, DEBIAN)
    one.run("packages", {"proxy": PROXY, "unattended": "", "pinned": "no", "blank": ""})
    assert one.file("etc/apt/apt.conf.d/99opennebula-ha") == (
        "# Written by opennebula-ha.\n"
        f'Acquire::http::Proxy "{PROXY}";\nAcquire::https::Proxy "DIRECT";\n'
    )
    assert one.run("observe", OBSERVE, exclusive=False).values["proxy"] == PROXY
    one.run("packages", {"proxy": "", "unattended": "", "pinned": "no", "blank": ""})
    assert one.file("etc/apt/apt.conf.d/99opennebula-ha") == ""


def test_dnf_has_the_proxy_among_its_settings(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    one.file("etc/dnf/dnf.conf", "[main]\nproxy = http://theirs:1\nbest=True\n")
    assert one.run("observe", OBSERVE, exclusive=False).values["proxy"] == ""
    one.run("packages", {"proxy": PROXY, "unattended": "", "pinned": "no", "blank": ""})
    assert one.file("etc/dnf/dnf.conf") == (
        f"[main]\n# Written by opennebula-ha:\nproxy={PROXY}\nbest=True\n"
    )
    assert one.run("observe", OBSERVE, exclusive=False).values["proxy"] == PROXY
    one.run("packages", {"proxy": "", "unattended": "", "pinned": "no", "blank": ""})
    assert one.file("etc/dnf/dnf.conf") == "[main]\nbest=True\n"


def test_an_existing_proxy_is_kept(tmp_path: Path) -> None:
    one = host(tmp_path, ALMA)
    text = "[main]\nproxy=http://theirs:1\n"
    one.file("etc/dnf/dnf.conf", text)
    one.run("packages", {"proxy": "", "unattended": "", "pinned": "no", "blank": ""})
    assert one.file("etc/dnf/dnf.conf") == text


def test_zypper_and_curl_get_the_proxy_in_each_call(tmp_path: Path) -> None:
    one = host(tmp_path, LEAP)
    one.answer("zypper *", 'echo "$http_proxy $https_proxy" >>"$HOME/proxies"')
    one.run("install", variables(proxy=PROXY))
    assert set(one.file("proxies").splitlines()) == {f"{PROXY} {PROXY}"}
    assert one.asked("curl") == [f"{CURL} --proxy {PROXY} -o /run/TRIAL/key.asc http://m/repo2.key"]


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (DEBIAN, f"{APT_GET} -y purge unattended-upgrades"),
        (ALMA, "dnf -q -y --noautoremove remove unattended-upgrades"),
        (LEAP, f"{ZYPP} remove unattended-upgrades"),
    ],
)
def test_unattended_upgrades_are_removed(tmp_path: Path, os_release: str, command: str) -> None:
    one = host(tmp_path, os_release)
    one.run(
        "packages", {"proxy": "", "unattended": "unattended-upgrades", "pinned": "no", "blank": ""}
    )
    assert command in one.asked()


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (DEBIAN, "apt-mark unhold opennebula rsync"),
        (ALMA, "dnf -q versionlock delete opennebula rsync"),
        (LEAP, f"{ZYPP} removelock opennebula rsync"),
    ],
)
def test_a_hold_is_released(tmp_path: Path, os_release: str, command: str) -> None:
    one = host(tmp_path, os_release)
    one.run("unhold", {"packages": "opennebula rsync"})
    assert command in one.asked()


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        (DEBIAN, f"{APT_GET} -y purge opennebula*"),
        (ALMA, "dnf -q -y --noautoremove remove opennebula*"),
        (LEAP, f"{ZYPP} remove opennebula*"),
    ],
)
def test_a_purge_removes_packages_and_the_repository(
    tmp_path: Path, os_release: str, command: str
) -> None:
    one = host(tmp_path, os_release)
    one.run("install", variables())
    one.file("etc/hosts", "")
    one.asked()
    given = {"features": "", "purge": "yes", "db_name": "opennebula", "account": "", "grant": ""}
    one.run("uninstall", {**given, "database": "none"})
    asked = one.asked()
    assert command in asked
    assert "systemctl disable --now opennebula-hem.service" in asked
    names = [path.name for path in (one.root / "etc").rglob("*opennebula*")]
    assert names == []


@pytest.mark.parametrize(
    ("os_release", "command"),
    [(DEBIAN, "apt-get *install*"), (ALMA, "dnf *install*"), (LEAP, "zypper *install*")],
)
def test_uninstall_of_half_an_installation_reports_the_rest(
    tmp_path: Path, os_release: str, command: str
) -> None:
    one = host(tmp_path, os_release)
    one.file("etc/hosts", "")
    one.fail(command, "no space left on device")
    one.answer("dpkg-query *Status-Status* opennebula", "exit 1")
    one.answer("dpkg-query *Status-Status*", "printf 'unpacked one-a\nnot-installed one-b\n'")
    one.answer("rpm -qa *", "echo one-a")
    assert "no space left" in one.run("install", variables(blank="new")).values["seen"]
    mark = "var/lib/opennebula-ha/claimed"
    assert one.file(mark) == "new\n"
    one.asked()
    given = {"features": "", "purge": "no", "db_name": "opennebula", "account": "", "grant": ""}
    answer = one.run("uninstall", {**given, "database": ""})
    assert answer.values["left"] == "one-a"
    assert "systemctl --no-reload unmask opennebula.service" in one.asked()
    assert [path.name for path in (one.root / "etc").rglob("*opennebula*")] == []
    assert one.file(mark) == ""


def read(path: Path) -> str:
    return path.read_text(errors="replace")


def test_no_script_lets_tar_call_zstd() -> None:
    """GNU tar 1.30 on EL 8 does not know --zstd."""
    for file in SCRIPTS.rglob("*.sh"):
        assert not re.search(r"\btar\b.*--zstd", file.read_text()), file


def test_no_script_needs_python_on_a_host() -> None:
    """The lab's hosts have Python, so that the lab would not notice."""
    for path in SCRIPTS.rglob("*.sh"):
        text = path.read_text(encoding="utf-8")
        assert "python" not in text or "if [ -x /usr/bin/python3 ]; then" in text, path.name


# Another program that has the package manager's lock

BY_APT = (
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\n"
    "E: Unable to lock directory /var/lib/apt/lists/"
)
BY_UPGRADES = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 813"
    " (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock"
    " (/var/lib/dpkg/lock-frontend), is another process using it?"
)
BY_DPKG = "dpkg: error: dpkg frontend lock was locked by another process with pid 999999814"
BY_OLD_APT = (
    "E: Could not get lock /var/lib/dpkg/lock - open (11: Resource temporarily unavailable)"
)
BY_DNF = "metadata already locked by 999999999\nThe application with PID 999999999 is: dnf"
ENDED = "a process that has ended (process"
BY_RPM = "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource unavailable)"
BY_ZYPPER = "System management is locked by the application with pid 815 (/usr/bin/zypper)."


@dataclass(frozen=True)
class Lock:
    """A command that fails because another program has the lock, and its message."""

    os_release: str
    pattern: str
    said: str
    status: int
    holder: str


LOCKS = [
    Lock(DEBIAN, "apt-get *update*", BY_APT, 100, "apt-get (process 812)"),
    Lock(UBUNTU, "apt-get *install -y*", BY_UPGRADES, 100, "unattended-upgr (process 813)"),
    Lock(DEBIAN, "apt-get *install -y*", BY_DPKG, 100, f"{ENDED} 999999814)"),
    Lock(DEBIAN, "apt-get *install -y*", BY_OLD_APT, 100, "another program"),
    Lock(ALMA, "dnf *makecache*", BY_DNF, 200, f"{ENDED} 999999999)"),
    Lock(ALMA, "dnf * install *", BY_RPM, 1, "another program"),
    Lock(ALMA, "dnf * install *", "Waiting", 200, "another program"),
    Lock(LEAP, "zypper *refresh*", BY_ZYPPER, 7, "/usr/bin/zypper (process 815)"),
    Lock(LEAP, "zypper * install *", BY_RPM, 1, "another program"),
]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_script_waits_for_a_lock_and_names_its_holder(tmp_path: Path, lock: Lock) -> None:
    one = host(tmp_path, lock.os_release)
    once = f"[ -e /ROOT/let-go ] || {{ touch /ROOT/let-go; echo {shlex.quote(lock.said)} >&2"
    # When the lock is free, the command answers as usual.
    glob = re.sub(r"([^*]+)", lambda found: f'"{found[1]}"', lock.pattern)
    first = f"case $asked in\n{glob}) {once}; exit {lock.status}; }} ;;\nesac\n"
    one.file("first", first.replace("/ROOT", str(one.root)))
    output = one.run("install", variables())
    assert "remedy" not in output.values
    manager = lock.pattern.split()[0]
    said = f"wait up to 900 s for the lock of {manager}: {lock.holder} has it"
    assert output.steps.count(said) == 1
    assert "opennebula 7.2.0-1" in one.file("installed")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_is_never_released_is_reported_with_its_holder(
    tmp_path: Path, lock: Lock
) -> None:
    one = host(tmp_path, lock.os_release)
    one.answer(lock.pattern, f"echo {shlex.quote(lock.said)} >&2; exit {lock.status}")
    answer = one.run("install", variables(lock_patience="1")).values
    assert answer["expected"].endswith("to get its lock within 1 s")
    assert answer["seen"] == f"{lock.holder} has it"
    assert "unattend_disable" in answer["remedy"]


@pytest.mark.parametrize(
    ("os_release", "pattern", "said", "remedy"),
    [
        (DEBIAN, "apt-get *install -y --allow*", "E: Unable to locate package x", "no pin"),
        (
            DEBIAN,
            "apt-get *install -y --allow*",
            "E: Unable to locate package opennebula-x",
            "one_version",
        ),
        (
            DEBIAN,
            "apt-get *install -y --allow*",
            "E: Package 'rsync' has no installation candidate",
            "no pin",
        ),
        (
            DEBIAN,
            "apt-get *install -y --allow*",
            "E: Held packages were changed and -y was used without --allow-change-held-packages.",
            "held back",
        ),
        (DEBIAN, "apt-get *install -y --allow*", "E: you have held broken packages", "held back"),
        (
            DEBIAN,
            "apt-get *install -y --allow*",
            "E: Sub-process /usr/bin/dpkg returned an error code (1)",
            "/var/log/apt/term.log",
        ),
        (DEBIAN, "apt-get *install -y --allow*", "E: Failed to fetch http://m", "pkg_cache_proxy"),
        (DEBIAN, "apt-get *install -y --allow*", "E: Who knows", "run the same with apt"),
        (ALMA, "dnf * install *", " - nothing provides libx", "held back"),
        (ALMA, "dnf * install *", "Error: Unable to find a match: rsync", "no pin"),
        (LEAP, "zypper * install *", "No provider of 'rsync' found.", "no pin"),
        (ALMA, "dnf * install *", "warning: %post scriptlet failed", "/var/log/dnf.rpm.log"),
        (LEAP, "zypper * install *", "Download (curl) error", "pkg_cache_proxy"),
        (LEAP, "zypper * install *", "%post scriptlet failed", "/var/log/zypp/history"),
    ],
)
def test_the_remedy_fits_the_package_managers_message(
    tmp_path: Path, os_release: str, pattern: str, said: str, remedy: str
) -> None:
    one = host(tmp_path, os_release)
    one.fail(pattern, said)
    assert remedy in one.run("install", variables()).values["remedy"]


def test_apt_names_the_packages_that_it_cannot_install(tmp_path: Path) -> None:
    one = host(tmp_path, DEBIAN)
    one.fail("apt-get *install -y --allow*", BLOCKED)
    answer = one.run("install", variables()).values
    assert answer["seen"] == (
        "The following packages have unmet dependencies:\n"
        " opennebula : Depends: libx but 1 is to be installed\n"
        "E: Unable to correct problems, you have held broken packages."
    )
    assert "held back" in answer["remedy"]


BLOCKED = """\
Reading package lists...
Building dependency tree...
Reading state information...
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
distribution that some required packages have not yet been created
or been moved out of Incoming.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 opennebula : Depends: libx but 1 is to be installed
E: Unable to correct problems, you have held broken packages."""


def test_lists_that_cannot_be_read_explain_a_missing_package(tmp_path: Path) -> None:
    one = host(tmp_path, DEBIAN)
    unread = "E: Failed to fetch http://deb/InRelease  Could not resolve 'deb'"
    one.fail("apt-get * update", unread)
    one.fail("apt-get *install -y --allow*", "E: Unable to locate package rsync")
    answer = one.run("install", variables()).values
    assert answer["seen"] == f"{unread}\nE: Unable to locate package rsync"
    assert "the host reaches that address" in answer["remedy"]


@pytest.mark.parametrize(
    ("os_release", "timer", "removal"),
    [
        (DEBIAN, "apt-daily-upgrade.timer", f"{APT_GET} -y purge unattended-upgrades"),
        (ALMA, "dnf-automatic.timer", "dnf -q -y --noautoremove remove unattended-upgrades"),
    ],
)
@pytest.mark.parametrize("succeeds", [True, False])
def test_no_unattended_upgrade_starts_during_its_removal(
    tmp_path: Path, os_release: str, timer: str, removal: str, succeeds: bool
) -> None:
    """What was stopped for it starts again, also if it fails."""
    one = host(tmp_path, os_release)
    one.answer("systemctl list-units*", f"echo '{timer} loaded active waiting Upgrades'")
    if not succeeds:
        one.fail("*unattended-upgrades", "E: it failed")
    given = {"proxy": "", "unattended": "unattended-upgrades", "pinned": "no", "blank": ""}
    assert ("remedy" in one.run("packages", given).values) is not succeeds
    asked = [line for line in one.asked() if "list-units" not in line]
    stop, start = f"systemctl stop {timer}", f"systemctl start {timer}"
    assert [line for line in asked if line in (stop, removal, start)] == [stop, removal, start]
