"""Tell of a run's end: a notification of the browser, and a toast on the page.

The browser's part (`notify.js`) asks for permission when it is switched on and keeps
the choice. What ended is known to the session: it remembers which runs it saw alive.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from calibration.report import written
from trainers.status import ALIVE, ENDED, FAILED, FINISHED, STOPPED
from ui.components.formats import number, plain
from ui.components.labels import run_title
from ui.components.navigation import PARAMETER, RUN
from ui.components.reading import Summary
from ui.components.states import LOOKS

WEBHOOK_HINT = (
    "Set VOGN_WEBHOOK to the address of a chat's incoming webhook before you start the "
    "server, and the end of every run is told there too, whether or not this page is "
    "open."
)
_SEEN, _ENDS = "notify_seen", "notify_ends"
LONGEST = 240  # characters; systems cut a notification at about as many
_KEPT = 20  # ends that a session goes on handing to the browser, which knows them
_SCRIPT = Path(__file__).with_name("notify.js")
_HTML = """
<div class="notify" hidden>
  <button type="button" role="switch" aria-checked="false">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 22a2 2 0 0 0 2-2h-4a2 2 0 0
      0 2 2Zm6-6v-5c0-3.1-1.6-5.6-4.5-6.3V4a1.5 1.5 0 0 0-3 0v.7C7.6 5.4 6 7.9 6 11v5l-2
      2v1h16v-1l-2-2Z"/></svg>
    <span class="label">Notify me</span>
    <span class="track"><span class="thumb"></span></span>
  </button>
  <div class="hint" role="status"></div>
</div>
"""
_CSS = """
.notify[hidden] { display: none; }
.notify {
  position: relative; color: var(--st-text-color);
  font: 400 0.9rem/1.4 var(--st-font);
}
button {
  display: inline-flex; align-items: center; gap: 0.5rem; min-height: 2.5rem;
  padding: 0 0.4rem; border: 0; border-radius: var(--st-button-radius, 8px);
  background: none; color: inherit; font: inherit; cursor: pointer;
  white-space: nowrap;
}
button:hover { color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
svg { width: 1.1rem; height: 1.1rem; fill: currentColor; }
.track {
  width: 2rem; height: 1.1rem; border-radius: 1rem; padding: 2px;
  box-sizing: border-box; transition: background 120ms;
  background: color-mix(in srgb, var(--st-text-color) 30%, transparent);
}
.thumb {
  display: block; width: calc(1.1rem - 4px); height: calc(1.1rem - 4px);
  border-radius: 50%; background: #fff; transition: transform 120ms;
}
[aria-checked="true"] .track { background: var(--st-primary-color); }
[aria-checked="true"] .thumb { transform: translateX(0.9rem); }
.hint:empty { display: none; }
.hint {
  position: absolute; z-index: 1; top: 100%; right: 0; width: 17rem;
  box-sizing: border-box; padding: 0.6rem 0.8rem; font-size: 0.82rem;
  border: 1px solid var(--st-border-color); border-radius: 8px;
  background: var(--st-secondary-background-color);
}
"""

# Declared once, when this module is first imported.
_mount = st.components.v2.component(
    "vogn_notify", html=_HTML, css=_CSS, js=_SCRIPT.read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class End:
    """What is told of a run that has ended.

    Args:
        id: Another one for each end, also of the same run.
        title: The run and how it ended.
        body: What it was and what came of it.
        address: Its page, from the root of the dashboard.
    """

    id: str
    title: str
    body: str
    address: str


def end_of(view: Summary) -> End:
    """Tell how a run ended."""
    status, config = view.status, view.config
    parts = []
    if config is not None:
        parts.append(run_title(config))
    if view.state == FINISHED:
        parts += [
            f"{name} {written.value(key, view.metrics[key])}"
            for key, name in (("accuracy", "accuracy"), ("nll", "NLL"), ("ece", "ECE"))
            if number(view.metrics.get(key))
        ]
    elif status is not None:
        parts += [status.error_class if view.state == FAILED else "", status.message]
    when = status.ended if status else None
    return End(
        id=f"{view.run.id}:{when or 0:.0f}",
        title=f"Run {view.run.id} {LOOKS[view.state].label.lower()}",
        body=", ".join(filter(None, parts))[:LONGEST],
        address=f"{RUN}?{urlencode({PARAMETER: view.run.id})}",
    )


def just_ended(views: Sequence[Summary], seen: set[str]) -> list[Summary]:
    """Those runs that were alive at an earlier look and ended without being stopped.

    Args:
        views: The runs as they are now.
        seen: Ids of the runs seen alive, which is brought up to date.
    """
    over = [view for view in views if view.run.id in seen and view.state in ENDED]
    seen.difference_update(view.run.id for view in over)
    seen.update(view.run.id for view in views if view.state in ALIVE)
    return [view for view in over if view.state != STOPPED]  # that is no news


def notify(views: Sequence[Summary]) -> None:
    """Show the switch while one of the runs is alive, and tell of those that ended."""
    seen: set[str] = st.session_state.setdefault(_SEEN, set())
    ends: list[End] = st.session_state.setdefault(_ENDS, [])
    for view in just_ended(views, seen):
        end = end_of(view)
        ends.append(end)
        st.toast(f"**{plain(end.title)}**  \n{plain(end.body)}",
                 icon=LOOKS[view.state].icon)  # fmt: skip
    del ends[:-_KEPT]
    _mount(
        key="notify",
        data={
            "visible": any(view.state in ALIVE for view in views),
            "ends": [asdict(end) for end in ends],
            "explanation": f"A notification of the browser when a run ends. "
            f"{WEBHOOK_HINT}",
        },
        width="content",
    )
