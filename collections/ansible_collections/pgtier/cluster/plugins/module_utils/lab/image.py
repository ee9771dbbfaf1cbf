"""The base image on disk: built once per recipe, kept in the user's cache, never seen half finished."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import recipe as recipes
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run

BUILD_TIMEOUT = 1200


def local_recipe(downloaded: list[str]) -> recipes.Recipe:
    """The recipe with the mirrors and apt settings of this machine."""
    apt = Path("/etc/apt")
    paths = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.[ls]*"))]
    files = {str(path): path.read_text(errors="replace") for path in paths if path.is_file()}
    dump = run("apt-config", "dump") if shutil.which("apt-config") else ""
    return recipes.recipe(downloaded, recipes.mirrors(files), recipes.apt_configuration(dump))


def images_directory(cache: Path) -> Path:
    return cache / "images"


def image_path(cache: Path, recipe: recipes.Recipe) -> Path:
    return images_directory(cache) / recipe.key


def build(cache: Path, recipe: recipes.Recipe, owner: int) -> Path:
    """Build the image unless it is there. The name appears when everything is in it: an interrupted build leaves a
    directory under another name, which the next build removes."""
    images = images_directory(cache)
    final = image_path(cache, recipe)
    make_parents(images, owner)
    images.mkdir(mode=0o700, exist_ok=True)
    with (images / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.is_dir():
            return final
        for leftover in images.glob(".building-*"):
            shutil.rmtree(leftover)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=images))
        hooks = {"download": recipe.download, "customize": recipe.customize}
        for name, text in hooks.items():
            hook = work / name
            hook.write_text(f"#!/bin/sh\n{text}")
            hook.chmod(0o755)
        root = work / "root"
        try:
            run(*recipe.command(str(root), *(str(work / name) for name in hooks)), timeout=BUILD_TIMEOUT)
        except LabError as error:
            shutil.rmtree(work, ignore_errors=True)
            raise LabError(f"the base image could not be built (is Debian's mirror in reach?): {error}") from error
        root.rename(final)
        shutil.rmtree(work)
    return final


def make_parents(path: Path, owner: int) -> None:
    """The directories above `path`, owned by the user whose cache this is and not by root."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        os.chown(parent, owner, -1)
