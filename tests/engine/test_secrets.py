"""The passphrase secrets are the CLI's."""

import pytest

from lab.engine.errors import EngineError
from lab.engine.secrets import Crypter, MissingPassphrase, crypter_for, passphrase_from_environment
from lab.engine.values import Secret, from_state, to_state

# Made by `pulumi stack init` and `pulumi config set --secret` with the passphrase "pw".
SALT_OF_THE_CLI = "v1:/PdkmpFrmhU=:v1:xRCCiERJomykXY/B:+wdaLgDyDjavRxHffQZgBbNg5HntHA=="
SECRET_OF_THE_CLI = "v1:NJ6peinAzU9bZLy5:fdie1DEgIV3ixLd9dvS6SPLL0XFqFv8="


def test_reads_what_the_cli_wrote() -> None:
    assert Crypter("pw", SALT_OF_THE_CLI).decrypt(SECRET_OF_THE_CLI) == "hunter2"


def test_notices_a_wrong_passphrase() -> None:
    with pytest.raises(EngineError, match="incorrect passphrase"):
        Crypter("other", SALT_OF_THE_CLI)


def test_keeps_the_ciphertext_of_an_unchanged_value() -> None:
    crypter = Crypter("pw", SALT_OF_THE_CLI)
    crypter.decrypt(SECRET_OF_THE_CLI)
    assert crypter.encrypt("hunter2") == SECRET_OF_THE_CLI
    assert crypter.encrypt("another") != crypter.encrypt("hunter2")


@pytest.mark.parametrize("envelope", ["", "v1:x", "v2:AA==:AA==", "v1:AA==:AA=="])
def test_refuses_what_is_no_envelope(envelope: str) -> None:
    with pytest.raises(EngineError, match="secret value"):
        Crypter("pw", SALT_OF_THE_CLI).decrypt(envelope)


def test_complains_of_a_missing_passphrase_only_when_it_is_needed() -> None:
    crypter = crypter_for(None, SALT_OF_THE_CLI)
    assert isinstance(crypter, MissingPassphrase)
    assert to_state({"a": [1.0]}, crypter) == {"a": [1]}
    with pytest.raises(EngineError, match="PULUMI_CONFIG_PASSPHRASE"):
        to_state(Secret("x"), crypter)


def test_a_secret_in_the_state_comes_back() -> None:
    crypter = Crypter("pw", SALT_OF_THE_CLI)
    value = {"a": Secret({"b": [1.0, None, "é<&>"]}), "c": 1.5, "d": True}
    stored = to_state(value, crypter)
    assert "é" not in str(stored)
    assert from_state(stored, crypter) == value


def test_the_passphrase_may_stand_in_a_file(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("secret") / "passphrase"
    path.write_text(" pw\n")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(path))
    assert passphrase_from_environment() == "pw"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    assert passphrase_from_environment() == ""
