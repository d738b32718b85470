"""Attributes of oned.conf are set by the config key ``oned``, and removed with it."""

from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import MakeLab
from tests.lab.operators import Operator

pytestmark = pytest.mark.lab

SET: dict[str, Any] = {
    "LOG": {"DEBUG_LEVEL": 2},
    "SESSION_EXPIRATION_TIME": 1800,
    "VM_MAD": [{"NAME": "trial", "TYPE": "kvm"}],
    "VXLAN_IDS": None,
}
KEPT: dict[str, Any] = {"SESSION_EXPIRATION_TIME": 1800}


@pytest.mark.campaign
def test_an_attribute_is_set_checked_for_drift_and_removed(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    lab = make_lab(1)
    host = lab.host("n1a1")
    operator = Operator(lab, tmp_path / "stack", front_ends=["n1a1"])
    for key in ("one_vip", "one_vip_cidr", "one_vip_if"):
        del operator.config[key]
    file = "/etc/one/oned.conf"

    def up(oned: dict[str, Any]) -> str:
        operator.config["oned"] = oned
        run = operator.up()
        print(run.output)
        assert run.ok
        return host.run(f"cat {file}").stdout

    before = up({})
    written = up(SET)
    assert "DEBUG_LEVEL = 2" in written
    assert '"trial"' in written
    assert "\nVXLAN_IDS" not in written
    assert up(SET) == written

    host.run(f"sed -i 's/DEBUG_LEVEL = 2/DEBUG_LEVEL = 0/; s/= 2633$/= 2633 # ours/' {file}")
    by_hand = written.replace("= 2633\n", "= 2633 # ours\n")
    assert operator.refresh().ok
    assert "oned.conf: LOG/DEBUG_LEVEL" in operator.state()
    assert "oned.conf: PORT" not in operator.state()
    assert up(SET) == by_hand

    kept = up(KEPT)
    operator.forget()
    assert up(KEPT) == kept
    operator.forget()
    assert up({}) == kept, "the first up of a state that knows nothing changes nothing"
    assert up({}) == before.replace("= 2633\n", "= 2633 # ours\n")
