"""What the package offers by its own name."""

import orchestrator


def test_every_public_name_can_be_imported() -> None:
    assert set(orchestrator.__all__) == set(orchestrator._HOMES)
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name).__name__ == name
