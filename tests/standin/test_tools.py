"""pyone and the command-line tools against one server."""

import re
import sqlite3

import pyone
import pytest

from tests.standin.servers import PASSWORD, Server, bootstrap_one


def test_pyone_understands_every_answer(three: list[Server]) -> None:
    first = three[0]
    bootstrap_one(first)
    one = pyone.OneServer(first.endpoint, session=f"oneadmin:{PASSWORD}", timeout=5)
    assert one.system.version() == "7.2.0"
    assert "FEDERATION" in str(one.system.config())
    status = one.zone.raftstatus()
    assert (status.SERVER_ID, status.STATE, status.TERM) == (0, 3, 1)
    assert (status.COMMIT, status.LOG_INDEX, status.FEDLOG_INDEX) == (0, 0, -1)
    number = one.user.allocate("alice", "secret", "", [1])
    assert number == 2
    assert one.user.info(number).NAME == "alice"
    assert [user.NAME for user in one.userpool.info().USER] == ["oneadmin", "serveradmin", "alice"]
    assert one.group.allocate("staff") == 100
    assert "staff" in [group.NAME for group in one.grouppool.info().GROUP]
    assert len(one.acl.info().ACL) == 3
    assert one.acl.addrule("100000002", "420000000000", "1", "400000000") == 3
    assert one.template.allocate('NAME="small"\nCPU=1') == 0
    assert one.templatepool.info(-2, -1, -1).VMTEMPLATE[0].NAME == "small"
    assert one.zone.update(0, 'ENDPOINT="http://10.2.50.86:2633/RPC2"', 1) == 0
    assert one.zone.rename(0, "Lab") == 0
    zone = one.zone.info(0)
    assert (zone.NAME, zone.TEMPLATE["ENDPOINT"]) == ("Lab", "http://10.2.50.86:2633/RPC2")
    assert one.zone.addserver(0, 'SERVER=[NAME="b",ENDPOINT="http://127.0.0.1:1/RPC2"]') == 0
    assert one.zone.delserver(0, 1) == 0
    assert [server.NAME for server in one.zone.info(0).SERVER_POOL.SERVER] == ["a"]
    assert one.zonepool.info().ZONE[0].NAME == "Lab"
    with pytest.raises(pyone.OneActionException, match="SERVER not found in zone"):
        one.zone.delserver(0, 9)
    with pytest.raises(pyone.OneNoExistsException):
        one.zone.info(5)
    with pytest.raises(pyone.OneAuthenticationException):
        pyone.OneServer(first.endpoint, session="oneadmin:wrong", timeout=5).zone.info(0)
    assert one.user.login("alice", "a-token", -1, -1) == "a-token"
    assert one.user.login("alice", "another", 60, -1) == "another"
    tokens = one.user.info(number).LOGIN_TOKEN
    assert [token.TOKEN for token in tokens] == ["a-token", "another"]
    assert int(tokens[0].EXPIRATION_TIME) == -1 < int(tokens[1].EXPIRATION_TIME)
    assert one.user.passwd(number, "other") == number
    assert one.user.info(number).LOGIN_TOKEN == []
    assert one.user.delete(number) == number


def test_onezone_and_oneuser(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first)
    created = first.run("oneuser", "create", "alice", "secret")
    assert (created.returncode, created.stdout) == (0, "ID: 2\n")
    taken = first.run("oneuser", "create", "alice", "secret")
    assert taken.returncode == 255
    assert "NAME is already taken by USER 2." in taken.stderr
    added = first.run("onezone", "server-add", "0", "--name", "b", "--rpc", second.endpoint)
    assert (added.returncode, added.stdout) == (0, f"{second.endpoint}:\n")
    shown = first.run("onezone", "show", "0").stdout
    assert "HA & FEDERATION SYNC STATUS" in shown
    assert re.search(r"^ 0 a +leader +1 +4 +4 +0 +-1$", shown, re.MULTILINE), shown
    assert re.search(r"^ 1 b +error +- +- +- +- +-$", shown, re.MULTILINE), shown
    assert first.run("onezone", "server-del", "0", "1").returncode == 0
    assert " 2 alice  " in first.run("oneuser", "list").stdout
    assert "<NAME>alice</NAME>" in first.run("oneuser", "show", "2", "-x").stdout
    assert first.run("oneuser", "delete", "alice").returncode == 0
    assert "alice" not in first.run("oneuser", "list").stdout


def test_onedb_refuses_to_upgrade_while_an_oned_runs(three: list[Server]) -> None:
    first, second, _ = three
    bootstrap_one(first)
    running = first.run("onedb", "upgrade", "--no-backup")
    assert "First stop OpenNebula. Lock file found" in running.stderr
    # Through the virtual address even a stopped server finds a running one.
    second.prepare()
    second.endpoint = first.endpoint
    listening = second.run("onedb", "upgrade", "--no-backup")
    assert f"OpenNebula found listening on '{first.endpoint}'" in listening.stderr


def test_onedb_upgrades_a_database_to_the_packages_version(
    three: list[Server],
) -> None:
    first = three[0]
    bootstrap_one(first)
    first.stop()
    current = first.run("onedb", "upgrade", "--no-backup")
    assert (current.returncode, current.stdout) == (0, "Database schema is up to date.\n")
    with sqlite3.connect(first.sqlite) as database:
        database.execute("UPDATE db_versioning SET version = '7.0.0'")
        database.execute("UPDATE local_db_versioning SET version = '7.0.0'")
    done = first.run("onedb", "upgrade", "--no-backup")
    assert done.returncode == 0, done.stderr
    assert ">>> Running migrators for local tables" in done.stdout
    assert "Database migrated from 7.0.0 to 7.2.0 (7.2.0) by onedb command." in done.stdout
    first.start()
    first.stop()
    with sqlite3.connect(first.sqlite) as database:
        database.execute("UPDATE db_versioning SET version = '7.4.0' WHERE oid = 1")
    assert first.run("onedb", "upgrade", "--no-backup").returncode == 255
