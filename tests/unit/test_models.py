"""Our models are strict: unknown fields are refused, also in copies."""

import pytest
from pydantic import BaseModel

import settings.model
from hosts.models import Host, Strict
from procedures import specs
from procedures.specs import ZoneSpec


def test_a_copy_with_an_unknown_field_is_refused() -> None:
    zone = ZoneSpec(name="Main", endpoint="http://n1:2633/RPC2", highly_available=True)
    with pytest.raises(TypeError, match=r"ZoneSpec has no vip$"):
        zone.model_copy(update={"vip": None})
    assert zone.model_copy(update={"vips": ()}) == zone
    host = Host(name="n1a1", address="10.2.50.10")
    assert host.model_copy(update={"address": "10.2.50.11"}).address == "10.2.50.11"


def test_all_models_of_the_program_are_strict() -> None:
    assert {settings.model.Settings, specs.ZoneSpec, Host} <= set(_below(Strict))
    ours = {"hosts", "opennebula", "procedures", "settings", "providers", "components"}
    loose = [
        model
        for model in _below(BaseModel)
        if model.__module__.partition(".")[0] in ours and not issubclass(model, Strict)
    ]
    assert loose == []


def _below(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [each for one in model.__subclasses__() for each in (one, *_below(one))]
