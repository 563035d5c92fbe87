# SPDX-License-Identifier: Apache-2.0
"""What `midway lab status` says of the cache."""

from pathlib import Path

from midway.lab.cache import Cache, Recipe
from midway.lab.guest_modules import guest_modules_recipe
from midway.lab.headers import headers_recipe
from midway.lab.root import Root, root_recipe
from midway.lab.status import lab_status


def made(cache: Cache, recipe: Recipe) -> Path:
    path = cache.directory / recipe.directory_name
    path.mkdir()
    return path


def test_what_is_of_another_state_of_midway_is_told_from_what_is_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    root = Root(made(cache, root_recipe()))
    (root.tree / "boot").mkdir(parents=True)
    (root.tree / "boot/vmlinuz-6.1.0-9-arm64").write_bytes(b"\0Linux version 6.1 (a) Debian 6.1.9-1 (b)\0")
    recipes = {"headers": headers_recipe(root), "guest-modules": guest_modules_recipe(cache, root)}
    for name, recipe in recipes.items():
        made(cache, recipe)
        (tmp_path / f"{name}-0123456789abcdef").mkdir()
    (tmp_path / "bindings-0123456789abcdef").mkdir()  # of no state
    status = lab_status(cache)
    assert status.kernel == "6.1.0-9-arm64 (6.1.9-1)"
    assert {(artefact.name, artefact.key) for artefact in status.artefacts if not artefact.current} == {
        (name, "0123456789abcdef") for name in recipes
    }
