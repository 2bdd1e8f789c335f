"""Request Tracker and Redmine as Debian packages them, each on a free port of loopback with a database of its own.

The packages' own databases are copied and not touched; everything written lies in a directory of the test run.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 60
STOP_SECONDS = 10

RT_SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
RT_LIBRARY = Path("/usr/share/request-tracker5/lib")
RT_DATABASE = Path("/var/lib/dbconfig-common/sqlite3/request-tracker5/rtdb")

REDMINE = Path("/usr/share/redmine")
REDMINE_LOCK = Path("/var/lib/redmine/Gemfile.lock")
REDMINE_DATABASE = Path("/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default")


def missing(*paths: Path) -> str:
    """Why a server cannot be started; empty: it can."""
    absent = [str(path) for path in paths if not os.access(path, os.R_OK)]
    return f"not there or not readable: {', '.join(absent)}" if absent else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Served:
    """A server that runs, and how to speak to it as its administrator."""

    url: str
    token: str
    header: tuple[str, str]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self.client.request(method, self.url + path, headers=dict([self.header]), **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def octets(self, path: str) -> bytes:
        answer = self.client.get(self.url + path, headers=dict([self.header]))
        assert answer.is_success, answer.text
        return answer.content


@contextmanager
def running(command: list[str], url: str, log: Path, **more: Any) -> Iterator[None]:
    """The server, from when it answers anything until the end of the block."""
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output, **more) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')[-2000:]}"
                assert time.monotonic() < deadline, f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}"
                try:
                    httpx.get(url, timeout=5, trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()  # not SIGINT, at which rt-server changes owners below /var/lib
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


RT_CONFIG = """
Set($rtname, 'example.test');
Set($Organization, 'example.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{directory}/rtdb');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($MailCommand, 'testfile');
Set($Timezone, 'UTC');
$RT::MasonDataDir = '{directory}/mason';
$RT::MasonSessionDir = '{directory}/session';
{more}
1;
"""

RT_TOKEN = """
use RT; RT->LoadConfig; RT->Init;
my $user = RT::User->new(RT->SystemUser); $user->Load("root");
my $token = RT::AuthToken->new(RT->SystemUser);
my ($made, $says, $text) = $token->Create(Owner => $user->Id, Description => "tests");
die $says unless $made;
print "$text\\n";
"""


@contextmanager
def request_tracker(directory: Path, more: str = "") -> Iterator[Served]:
    """RT with `more` configuration. A second one in the same directory has the same tickets and tokens."""
    port = free_port()
    for name in ("mason", "session", "conf.d"):
        (directory / name).mkdir(exist_ok=True)
    if not (directory / "rtdb").exists():
        shutil.copyfile(RT_DATABASE, directory / "rtdb")
    config = directory / f"RT_SiteConfig-{port}.pm"
    config.write_text(RT_CONFIG.format(port=port, directory=directory, more=more))
    env = os.environ | {"RT_SITE_CONFIG": str(config), "RT_SITE_CONFIG_DIR": str(directory / "conf.d")}
    url = f"http://127.0.0.1:{port}"
    command = [str(RT_SERVER), "--server", "Standalone", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, url + "/REST/2.0/rt", directory / "log", env=env, cwd=directory):
        perl = ["/usr/bin/perl", f"-I{RT_LIBRARY}", "-e", RT_TOKEN]
        made = subprocess.run(perl, env=env, capture_output=True, text=True, timeout=60, check=True, cwd=directory)
        token = made.stdout.strip().splitlines()[-1]
        yield Served(url, token, ("Authorization", f"token {token}"))


REDMINE_YAML = """
production:
  adapter: sqlite3
  database: {directory}/redmine.sqlite
  encoding: utf8
"""

REDMINE_SETUP = """
Setting.rest_api_enabled = '1'
admin = User.find_by(login: 'admin')
Redmine::DefaultData::Loader.load('en') if Tracker.count == 0
project = Project.create!(name: 'Mail', identifier: 'mail')
issues = (1..5).map do |n|
  Issue.create!(project: project, tracker: project.trackers.first || Tracker.first, author: admin,
                subject: "mail lost #{n}", status: IssueStatus.first, priority: IssuePriority.first).id
end
puts JSON.generate(token: admin.api_key, issues: issues)
"""

REDMINE_SERVER = """
require "rack"
require "rack/handler/webrick"
app, _ = Rack::Builder.parse_file("config.ru")
Rack::Handler::WEBrick.run(app, Host: "127.0.0.1", Port: {port})
"""


@contextmanager
def redmine(directory: Path) -> Iterator[tuple[Served, list[int]]]:
    """Redmine with a project and some issues. Rails writes below its own root, so the program is copied, too (10 MB)."""
    port = free_port()
    for name in ("Gemfile", "Rakefile", "config.ru"):
        shutil.copyfile(REDMINE / name, directory / name)
    for name in ("app", "bin", "config", "db", "extra", "lib", "templates"):
        shutil.copytree(
            REDMINE / name, directory / name, ignore=shutil.ignore_patterns("database.yml"), copy_function=shutil.copy
        )
    (directory / "public").symlink_to(REDMINE / "public")
    shutil.copyfile(REDMINE_LOCK, directory / "Gemfile.lock")
    shutil.copyfile(REDMINE_DATABASE, directory / "redmine.sqlite")
    home = directory / "instances/default"
    for name in ("config", "files", "log", "tmp/cache", "public/plugin_assets"):
        (home / name).mkdir(parents=True)
    for place in (home / "config", directory / "config"):
        (place / "database.yml").write_text(REDMINE_YAML.format(directory=directory))
    (home / "config/secret_key.txt").write_text("0" * 64)
    (directory / "setup.rb").write_text(REDMINE_SETUP)
    (directory / "serve.rb").write_text(REDMINE_SERVER.format(port=port))
    env = os.environ | {
        "RAILS_ENV": "production",
        "REDMINE_INSTANCE": "default",
        "BUNDLE_GEMFILE": str(directory / "Gemfile"),
    }
    setup = ["bin/rails", "runner", "setup.rb"]
    made = subprocess.run(setup, env=env, capture_output=True, text=True, timeout=120, check=False, cwd=directory)
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout.splitlines()[-1])
    url = f"http://127.0.0.1:{port}"
    with running(["ruby", "serve.rb"], url + "/issues.json", directory / "log", env=env, cwd=directory):
        yield Served(url, facts["token"], ("X-Redmine-API-Key", facts["token"])), facts["issues"]
