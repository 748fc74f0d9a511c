"""How many descriptors a command's process may have open."""

from __future__ import annotations

import resource

# A tracker's connections and then some. macOS takes no more than OPEN_MAX, which is less.
WANTED = 32_768


def want_descriptors(wanted: int = WANTED) -> int:
    """Raise the soft limit to `wanted`, as far as the hard one allows; return what it is then.

    It is 1,024 as a rule, for old programs that use select(): with that, who connects a thousand
    times from one address keeps everybody else out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        for limit in (wanted, min(wanted, 10_240)):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            except (OSError, ValueError):
                continue  # macOS, whose hard limit says nothing
            return limit
    return soft
