"""The version of the code that a process runs: shown by logs, heartbeats, health pages and metrics."""

from importlib.metadata import PackageNotFoundError, version

from orchestrator.settings import Settings
from orchestrator.settings.checks import is_version_name

SHORT_COMMIT = 12


def code_version(settings: Settings) -> str:
    """Return `WORKER_VERSION`, else the commit that Render deployed (shortened), else the package's version."""
    if settings.worker_version:
        return settings.worker_version
    commit = (settings.render_git_commit or "")[:SHORT_COMMIT]
    if is_version_name(commit):
        return commit
    try:
        return version("voiceagent")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"
