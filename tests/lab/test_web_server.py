"""TLS in front of FireEdge: one certificate on all front-ends, whichever server leads."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Lab, LabHost
from tests.lab.conftest import MakeLab
from tests.lab.operators import VIP, Operator
from tests.lab.status import REPAIR, look, named, summary
from tests.lab.zones import assert_whole, connections, holders, wait_for

pytestmark = pytest.mark.lab

NAMES = ["n1a1", "n1a2", "n1a3"]
PKI = "/etc/one/fireedge-pki"
KEY, CHAIN, CA = f"{PKI}/key/server.key", f"{PKI}/crt/certchain.crt", f"{PKI}/crt/ca.crt"
FQDN = "one.example.org"


@pytest.fixture(scope="module")
def zone(
    make_module_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Operator]]:
    lab = make_module_lab(3)
    operator = Operator(lab, tmp_path_factory.mktemp("stack"), front_ends=NAMES)
    operator.config["features"] = {"gui": True, "flow": False, "gate": False, "form": False}
    yield lab, operator


def up(operator: Operator, **keys: Any) -> str:
    operator.config.update(keys)
    run = operator.up()
    print(run.output)
    assert run.ok
    return run.output


def everywhere(lab: Lab, command: str) -> set[str]:
    """Return the output of the command on each host."""
    return {host.run(command).stdout.strip() for host in lab.hosts}


def page(host: LabHost, name: str, at: str = VIP, authority: str = CA) -> str:
    """Load Sunstone's first page as a client that trusts the authority; or return the error."""
    done = host.run(
        f"curl -sS --location --cacert {authority} --resolve {name}:443:{at} --max-time 10"
        f" https://{name}/"
    )
    return done.stdout + done.stderr


def assert_served(lab: Lab, names: list[str]) -> None:
    """Check that each running front-end serves it by these names, and that plain HTTP redirects."""
    for host in lab.hosts:
        if host.is_running:
            for name in names:
                wait_for(
                    lambda host=host, name=name: (
                        "OpenNebula" in page(host, name, host.address) or None
                    ),  # type: ignore[misc]
                    f"Sunstone of {host.name} by the name {name}",
                )
            said = host.run(f"curl -sSI --resolve {FQDN}:80:{host.address} http://{FQDN}/")
            assert f"Location: https://{FQDN}/" in said.stdout, said


def test_all_front_ends_have_one_certificate(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    said = up(operator, one_fqdn=FQDN, ssl={"generate_cert": True})
    leader = lab.host(assert_whole(lab, NAMES))
    (key,) = everywhere(lab, f"cat {KEY}")
    assert len(everywhere(lab, f"cat {CHAIN}")) == 1
    assert everywhere(lab, f"stat -c '%a %U' {KEY} {PKI}/key/ca.key {PKI}") == {
        "600 root\n600 root\n700 root"
    }
    assert_served(lab, [FQDN, VIP])
    assert "OpenNebula" in page(leader, VIP)
    assert "certificate" in page(leader, "other.example.org")
    for line in key.splitlines()[1:-1]:
        assert line not in said + operator.state()
        assert all(line not in host.run("journalctl -o cat").stdout for host in lab.hosts)
    for host in lab.hosts:
        found = host.run(f"grep -rlF '{key.splitlines()[1]}' /etc /var/lib /run /tmp /root /home")
        assert found.stdout.split() == [KEY]

    before = connections(lab)
    up(operator)
    assert connections(lab) == before


@pytest.mark.campaign
def test_manual_changes_are_reported_and_reverted(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    chain = everywhere(lab, f"cat {CHAIN}")
    lab.host("n1a1").run(f"rm -r {PKI}")
    lab.host("n1a2").run("echo '# mine' >>/etc/apache2/sites-available/opennebula-ssl.conf")
    lab.host("n1a3").run("systemctl disable --now apache2")
    found = look(operator)
    assert "no certificate" in named(found, "certificate", "n1a1").seen
    assert "inactive" in named(found, "web_server_down", "n1a3").seen
    # What follows is the cure of each of them.
    assert {tuple(one.cure) for one in found.findings} == {tuple(REPAIR)}
    run = operator.refresh()
    assert run.ok, run.output
    assert f"drift: n1a1: no private key in {KEY}" in run.output
    assert "drift: n1a2: another site" in run.output
    assert "drift: n1a3: disabled" in run.output
    up(operator)
    assert everywhere(lab, f"cat {CHAIN}") == chain
    assert_served(lab, [FQDN, VIP])
    run = operator.refresh()
    assert "drift:" not in run.output
    assert summary(look(operator, "status")) == []


@pytest.mark.campaign
def test_an_expiring_certificate_is_reported_and_renewed(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    authority = everywhere(lab, f"cat {CA}")
    done = lab.host("n1a1").run(
        f"openssl req -new -key {KEY} -subj /CN=short | openssl x509 -req -CA {CA} -days 20"
        f" -CAkey {PKI}/key/ca.key -set_serial 7 -extfile"
        f" <(echo subjectAltName=DNS:{FQDN},IP:{VIP}) && cat {CA}"
    )
    assert done.returncode == 0, done.stderr
    for host in lab.hosts:
        host.run(f"cat >{CHAIN} <<'END'\n{done.stdout}END\n")
    found = look(operator, "status")
    assert named(found, "certificate", "n1a2").cure == REPAIR
    run = operator.refresh()
    assert run.ok, run.output
    for name in NAMES:
        assert f"drift: {name}: the certificate in {CHAIN} ends within a month" in run.output
    up(operator)
    assert everywhere(lab, f"cat {CA}") == authority
    assert everywhere(lab, f"openssl x509 -in {CHAIN} -noout -checkend 60000000") == {
        "Certificate will not expire"
    }
    assert_served(lab, [FQDN, VIP])


@pytest.mark.campaign
def test_another_name_gets_a_certificate_of_the_same_authority(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    authority, chain = everywhere(lab, f"cat {CA}"), everywhere(lab, f"cat {CHAIN}")
    up(operator, one_fqdn="two.example.org")
    assert everywhere(lab, f"cat {CA}") == authority
    assert everywhere(lab, f"cat {CHAIN}") != chain
    assert "OpenNebula" in page(lab.host("n1a1"), "two.example.org")
    assert "certificate" in page(lab.host("n1a1"), FQDN)
    up(operator, one_fqdn=FQDN)


def test_nginx_replaces_apache(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    chain = everywhere(lab, f"cat {CHAIN}")
    up(operator, ssl={"generate_cert": True, "web_server": "nginx"})
    assert everywhere(lab, f"cat {CHAIN}") == chain
    assert everywhere(lab, "systemctl is-active apache2") == {"inactive"}
    assert everywhere(lab, "systemctl is-enabled nginx") == {"enabled"}
    assert_served(lab, [FQDN, VIP])


def test_the_next_leader_serves_the_same_certificate(zone: tuple[Lab, Operator]) -> None:
    lab, _ = zone
    fallen = assert_whole(lab, NAMES)
    client = next(host for host in lab.hosts if host.name != fallen)
    lab.host(fallen).kill()
    wait_for(lambda: [name for name in holders(lab) if name != fallen] or None, "the VIP elsewhere")
    wait_for(lambda: "OpenNebula" in page(client, FQDN) or None, "Sunstone at the VIP")
    lab.host(fallen).start()
    assert_whole(lab, NAMES)


def test_certificates_of_your_own_must_exist(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    own = {"web_server": "nginx", "key": "/etc/ssl/own.key", "certchain": "/etc/ssl/own.pem"}
    for host in lab.hosts[:2]:
        host.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
            f" -subj /CN={FQDN} -addext subjectAltName=DNS:{FQDN}"
            " -keyout /etc/ssl/own.key -out /etc/ssl/own.pem"
        )
    operator.config["ssl"] = own
    run = operator.up()
    assert not run.ok
    assert "n1a3: " in run.output
    assert "saw no private key in /etc/ssl/own.key" in run.output
    assert "put them there, or set opennebula-ha:ssl generate_cert: true" in run.output
    lab.host("n1a3").run(f"cp {KEY} /etc/ssl/own.key; cp {CHAIN} /etc/ssl/own.pem")
    up(operator)
    assert "OpenNebula" in page(lab.host("n1a1"), FQDN, "10.2.50.10", "/etc/ssl/own.pem")
    assert "OpenNebula" in page(lab.host("n1a3"), FQDN, "10.2.50.12")


def test_without_ssl_no_web_server_serves_sunstone(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    up(operator, ssl={})
    assert everywhere(lab, "systemctl is-active nginx") == {"inactive"}
    assert everywhere(lab, "ls /etc/nginx/sites-enabled") == {"default"}
    assert_whole(lab, NAMES)


def test_a_web_server_that_ran_before_continues_to_run(zone: tuple[Lab, Operator]) -> None:
    lab, operator = zone
    other = lab.host("n1a2")
    other.run("systemctl enable --now nginx")
    up(operator, ssl={"web_server": "nginx", "generate_cert": True})
    assert_served(lab, [FQDN])
    assert operator.destroy().ok
    assert other.run("systemctl is-active nginx").stdout == "active\n"
    assert "</html>" in other.run("curl -sS http://10.2.50.11/").stdout
    assert "(7)" in other.run("curl -sS https://10.2.50.11/").stderr
    assert lab.host("n1a1").run("systemctl is-active nginx").stdout == "inactive\n"
