"""Juju 4.1's own API server, as the tests of a real destination use it."""

from juju41 import real  # noqa: F401


def test_a_killed_controller_comes_back_with_its_identity_and_its_models(real):
    told, models = real.told, real.models()
    assert list(models) == ["admin/controller"] and told["version"].startswith("4.1")
    real.kill()
    real.start()
    assert real.told["controller-uuid"] == told["controller-uuid"] and real.told["addr"] == told["addr"]
    assert real.models() == models
    assert real("models", password="wrong").code == 1
