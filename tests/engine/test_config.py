import dataclasses

import pytest

from rawserver.engine.config import Config


def test_the_marks_are_in_order() -> None:
    config = Config()
    assert 0 <= config.low_water_mark < config.high_water_mark
    assert config.write_buffer_limit is not None
    assert config.high_water_mark < config.write_buffer_limit


def test_a_config_does_not_change_under_its_server() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().backlog = 1  # type: ignore[misc]
