"""The Dockerfile by hand, where neither a builder nor a base image is at hand (Linux, as root).

    unshare --mount python tools/container.py [--python PREFIX] [--run FOLDER]

Each stage begins with a bare root: /usr and its like of this machine, read only, and the Python
of PREFIX in place of the image's. The instructions of the Dockerfile are followed in order; the
build context is what .dockerignore admits. Then what was built is started as `docker run
--read-only` starts it: on a root that nobody can write to, by the Dockerfile's user without any
capability, as process 1 of its own, with its own loopback and no other network. It has to pass its
health check, to answer a small picture and one of 4 MB, and to end with status 0 on SIGTERM. With
--run FOLDER it serves that model, as -v FOLDER:/models/run:ro does.
"""

import argparse
import fnmatch
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
SYSTEM = ("usr", "bin", "sbin", "lib", "lib64")
DEVICES = ("null", "zero", "random", "urandom")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
PATIENCE = 60.0
"""Seconds until it is ready, and until it has ended."""


@dataclass
class Stage:
    """A root folder, and what the instructions so far say of what runs in it."""

    root: Path
    folder: str = "/"
    user: str = "0"
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    commands: dict[str, list[str]] = field(default_factory=dict)
    """HEALTHCHECK, ENTRYPOINT and CMD."""

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command in this root, by this user."""
        named = [f"{name}={value}" for name, value in self.variables.items()]
        given = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        if self.user != "0":
            given += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        within = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        shell = ["/usr/bin/env", "-i", *named, "/bin/sh", "-c", within]
        return ["chroot", str(self.root), "/usr/bin/setpriv", *given, *shell]


def instructions(text: str) -> list[tuple[str, str]]:
    """Names and the rest of the lines of a Dockerfile, in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined.splitlines() if line]


def mount(*arguments: object) -> None:
    """Mount in this process's own view of the file system."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def bare_root(root: Path, python: Path) -> None:
    """Lay out what a base image holds: a system, a Python, a few devices, no program of ours."""
    root.mkdir()
    mount("--bind", root, root)
    for name in (*SYSTEM, "dev", "proc", "tmp", "opt", "models"):
        (root / name).mkdir()
    for name in SYSTEM:
        if Path("/", name).is_dir():
            mount("--bind", "-o", "ro", f"/{name}", root / name)
    mount("--bind", "-o", "ro", python, root / "usr" / "local")
    shutil.copytree("/etc", root / "etc", symlinks=True)
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", root / "dev" / name)
    subprocess.run(["chroot", root, "ldconfig"], check=True)  # finds the Python's library


def copy_context(target: Path) -> None:
    """Copy of the tree what .dockerignore admits: here the lines after `*` and `!`."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "all is left out but what is named"
    admitted = [rule[1:] for rule in rules if rule.startswith("!")]
    left_out = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]

    def ignored(_: str, names: list[str]) -> set[str]:
        return {name for name in names for rule in left_out if fnmatch.fnmatch(name, rule)}

    for name in admitted:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, target / name)


def build(folder: Path, python: Path) -> Stage:
    """Follow the Dockerfile, stage by stage, and give the last one."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for name, rest in instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")):
        print(name, rest)
        if name == "FROM":
            stage = Stage(folder / str(len(stages)))
            stages[rest.rpartition(" AS ")[2]] = stage
            bare_root(stage.root, python)
        elif name == "WORKDIR":
            stage.folder = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True)
        elif name == "COPY" and rest == ". .":
            copy_context(stage.root / stage.folder.lstrip("/"))
        elif name == "COPY":
            given, source, target = rest.split()
            other = stages[given.removeprefix("--from=")].root
            shutil.copytree(
                other / source.lstrip("/"), stage.root / target.lstrip("/"), symlinks=True
            )
        elif name == "RUN":
            run(stage, ["/bin/sh", "-c", rest])
        elif name == "ENV":
            for pair in shlex.split(rest):
                key, value = pair.split("=", 1)
                stage.variables[key] = value.replace("$PATH", stage.variables["PATH"])
        elif name == "USER":
            stage.user = rest
        elif name in ("HEALTHCHECK", "ENTRYPOINT", "CMD"):
            stage.commands[name] = json.loads(rest[rest.index("[") :])
        else:
            assert name == "EXPOSE", f"{name} is not known here"
    return stage


def run(stage: Stage, command: Sequence[str]) -> None:
    """Run a step of the build, which has this machine's network."""
    # Packages come the way that they come to this machine.
    pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    step = replace(stage, variables=stage.variables | pip | {"PIP_QUIET": "1"})
    subprocess.run(step.enter(command), check=True)


def start(stage: Stage, served: Path | None) -> subprocess.Popen[bytes]:
    """Start what was built on a root that can't be written to."""
    models = stage.commands["CMD"]
    if served is not None:
        (stage.root / "models" / "run").mkdir()
        mount("--bind", "-o", "ro", served, stage.root / "models" / "run")
        models = ["/models/run"]
    mount("-o", "remount,bind,ro", stage.root)
    command = stage.enter([*stage.commands["ENTRYPOINT"], *models])
    up = f"ip link set lo up && mount -t proc proc {stage.root}/proc && exec {shlex.join(command)}"
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    return subprocess.Popen([*own, "sh", "-c", up])


def child(process: int) -> int:
    """The process that unshare started: process 1 of the container."""
    return int(Path(f"/proc/{process}/task/{process}/children").read_text())


def within(process: int, command: Sequence[str], given: bytes = b"") -> bytes:
    """What a command prints that has the container's network and sees its processes."""
    own = ["nsenter", f"--target={process}", "--mount", "--net", "--pid"]
    return subprocess.run([*own, *command], input=given, check=True, capture_output=True).stdout


def picture(size: int) -> bytes:
    """A PNG of noise, which is as large as its pixels."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, start, ask, stop; print what was seen."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--python", type=Path, default=Path(sys.base_prefix))
    parser.add_argument("--run", type=Path)
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)  # gone with the process
    stage = build(folder, options.python)
    process = start(stage, options.run)
    try:
        wait_until_healthy(stage, process)
        look_and_ask(stage, child(process.pid))
        os.kill(child(process.pid), signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0, "SIGTERM is the normal end"
        print("ended with status 0 on SIGTERM")
    finally:
        if process.poll() is None:
            process.kill()
    subprocess.run(["umount", "--recursive", folder], check=True)
    folder.rmdir()


def wait_until_healthy(stage: Stage, process: subprocess.Popen[bytes]) -> None:
    """Wait for HEALTHCHECK's command to succeed."""
    check = stage.enter(stage.commands["HEALTHCHECK"])
    end = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it is not ready"
        try:
            within(child(process.pid), check)
        except (subprocess.CalledProcessError, ValueError):
            time.sleep(0.5)
        else:
            print("the health check is passed")
            return


def look_and_ask(stage: Stage, first: int) -> None:
    """Look at the rights of process 1, ask it, and try to write where it runs."""
    status = Path(f"/proc/{first}/status").read_text()
    rights = dict(re.findall(r"(Uid|CapEff|NoNewPrivs):\t(\w+)", status))
    print(rights)
    assert rights == {"Uid": stage.user, "CapEff": "0" * 16, "NoNewPrivs": "1"}
    form = ["-F", "files=@-;filename=noise.png;type=image/png"]
    ask = ["curl", "-sS", "--noproxy", "*", *form, "http://127.0.0.1:8000/v1/predict"]
    for size in (40, 1_200):
        answer = within(first, ask, picture(size))
        (row,) = json.loads(answer)["predictions"]
        assert row["error"] is None, row
        print(f"{size} x {size} pixels: {answer.decode()}")
    for place in ("/", "/tmp", "/opt/signwise", "/models"):
        done = within(first, stage.enter(["/bin/sh", "-c", f"! touch {place}/file 2>&1"]))
        print(done.decode().strip())


if __name__ == "__main__":
    main()
